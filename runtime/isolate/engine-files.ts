/** What the function engine's process needs of the machine: its program, the libraries that it is linked with, and the engine's own code as one file. */
import { closeSync, existsSync, openSync, readFileSync, readSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Bind } from "#host/linux/mounts.ts";
import { assembleSeccomp } from "#host/linux/seccomp.ts";
import { bootPolicy } from "./sandbox-syscalls.ts";

/** The engine, ready to be put into slots. */
export interface EngineFiles {
  /** Path of the program. */
  readonly executable: string;
  /** Its libraries, at the paths where its loader looks. */
  readonly libraries: readonly Bind[];
  /** The engine's code, a module without imports of files. */
  readonly code: Uint8Array;
  /** The filter of system calls under which it starts. */
  readonly filter: Uint8Array;
}

/** Path of the engine's code in a slot. */
export const enginePath = "/engine.js";

/**
 * Finds the program and its libraries, and bundles the engine's code, which takes some 20 ms: once a program, before its first slot.
 * @throws Error when the engine's code does not bundle
 */
export async function loadEngineFiles(): Promise<EngineFiles> {
  const executable = realpathSync("/proc/self/exe");
  const libraries = findLibraries(readFileSync("/proc/self/maps", "utf8"), readInterpreter(executable));
  return { executable, libraries, code: await bundleEngine(), filter: assembleSeccomp(bootPolicy) };
}

/** The shared libraries in a process's memory map, each bound to its own path, and the loader to the path that the program names. */
export function findLibraries(maps: string, interpreter: string | undefined): Bind[] {
  const paths = new Set<string>();
  for (const line of maps.split("\n")) {
    const path = /\s(\/\S*\.so(?:\.\d+)*)$/.exec(line)?.[1];
    if (path !== undefined) paths.add(path);
  }
  const libraries = [...paths].map((path): Bind => ({ source: path, target: path }));
  if (interpreter !== undefined && !paths.has(interpreter)) {
    libraries.push({ source: realpathSync(interpreter), target: interpreter });
  }
  const unwinder = unwinderBeside(paths);
  if (unwinder !== undefined && !paths.has(unwinder)) libraries.push({ source: unwinder, target: unwinder });
  return libraries;
}

/** The C library loads this one by itself when a thread is ended. */
function unwinderBeside(paths: ReadonlySet<string>): string | undefined {
  const libc = [...paths].find((path) => basename(path).startsWith("libc.so"));
  const beside = libc === undefined ? undefined : join(dirname(libc), "libgcc_s.so.1");
  return beside !== undefined && existsSync(beside) ? beside : undefined;
}

/** The loader that an ELF program names: its PT_INTERP. */
function readInterpreter(executable: string): string | undefined {
  const head = Buffer.alloc(4096);
  const fd = openSync(executable, "r");
  readSync(fd, head, 0, head.length, 0);
  closeSync(fd);
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const table = Number(view.getBigUint64(32, true));
  const [size, count] = [view.getUint16(54, true), view.getUint16(56, true)];
  for (let i = 0; i < count; i++) {
    const at = table + i * size;
    if (view.getUint32(at, true) !== 3) continue;
    const from = Number(view.getBigUint64(at + 8, true));
    const length = Number(view.getBigUint64(at + 32, true));
    return head.toString("utf8", from, from + length - 1);
  }
  return undefined;
}

async function bundleEngine(): Promise<Uint8Array> {
  const built = await Bun.build({
    entrypoints: [fileURLToPath(new URL("child.ts", import.meta.url))],
    target: "bun",
    minify: { whitespace: true, syntax: true, identifiers: false },
  });
  const [output] = built.outputs;
  if (!built.success || output === undefined) {
    throw new Error(
      `Cannot bundle the function engine as one file: ${built.logs.map((log) => log.message).join("; ")}`,
    );
  }
  return new Uint8Array(await output.arrayBuffer());
}
