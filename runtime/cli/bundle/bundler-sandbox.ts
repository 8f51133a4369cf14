/**
 * Runs Bun's bundler where it can do no harm: an unprivileged user without network, whose root holds the project read-only and nothing
 * else. The bundler resolves and transforms what a function imports; it evaluates none of it, and were that to change, here is the wall.
 */
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { systemClock } from "#host/clock.ts";
import type { Step } from "#host/linux/birth.ts";
import { closeFd, type Libc, openLibc } from "#host/linux/libc.ts";
import { makeDevice, openTmpfs, rootSteps } from "#host/linux/mounts.ts";
import { openPoller, type Poller } from "#host/linux/poller.ts";
import { signals, spawnChild } from "#host/linux/spawn.ts";
import { type EngineFiles, loadEngineFiles } from "#isolate/engine-files.ts";

/** What a bundler left. */
export interface BundlerResult {
  /** How it ended, such as `exit code 1`; undefined when it did its work. */
  readonly failure: string | undefined;
  readonly code: Uint8Array;
  /** What it said. */
  readonly messages: string;
}

/** Runs bundlers one after the other. */
export interface BundlerSandbox extends Disposable {
  /** Bundles one module; `root` is the folder that it may read. */
  bundle(root: string, main: string): Promise<BundlerResult>;
}

/** A bundle that is larger is no function. The API's own limit is the same. */
const bundleBytesMax = 16 << 20;
const messageBytesMax = 64 << 10;
const timeoutMs = 60_000;
const nobody = 65_534;

/** Makes a sandbox; needs root. */
export async function openBundlerSandbox(): Promise<BundlerSandbox> {
  const libc = openLibc();
  const poller = await openPoller(libc);
  const engine = await loadEngineFiles();
  return {
    bundle: (root, main) => runBundler({ libc, poller, engine }, root, main),
    [Symbol.dispose]: () => poller.close(),
  };
}

interface Tools {
  readonly libc: Libc;
  readonly poller: Poller;
  readonly engine: EngineFiles;
}

async function runBundler(tools: Tools, root: string, main: string): Promise<BundlerResult> {
  const { libc, poller, engine } = tools;
  const rootFd = openProjectRoot(libc, engine, root);
  // Files, not pipes: they are bounded by the child's own limit and cannot make it wait.
  const [code, messages] = [openScratch(), openScratch()];
  try {
    const child = spawnChild(libc, poller, {
      executable: engine.executable,
      args: ["build", main, "--target=bun", "--no-macros"],
      env: { PATH: "/", HOME: "/tmp", NO_COLOR: "1", BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0" },
      cwd: root,
      fds: new Map([
        [1, code.fd],
        [2, messages.fd],
      ]),
      newNamespaces: ["mount", "pid", "network", "ipc", "uts"],
      before: rootSteps(rootFd, [...engine.libraries, { source: root, target: root }]),
      last: confineSteps(canBeReadByAnyone(root, main)),
    });
    const timer = systemClock.after(timeoutMs, () => child.signal(signals.kill));
    const status = await child.exited;
    timer.cancel();
    const how = status.kind === "exited" ? `exit code ${status.code}` : `signal ${status.signal}`;
    const isDone = status.kind === "exited" && status.code === 0;
    return {
      failure: isDone ? undefined : how,
      code: readAll(code.fd),
      messages: readAll(messages.fd).subarray(0, messageBytesMax).toString("utf8"),
    };
  } finally {
    closeFd(libc, rootFd);
    closeSync(code.fd);
    closeSync(messages.fd);
  }
}

/** A tmpfs with the places where the project, the libraries and the devices will be. */
function openProjectRoot(libc: Libc, engine: EngineFiles, project: string): number {
  const fd = openTmpfs(libc, { bytesMax: 16 << 20, filesMax: 4096 });
  const root = `/proc/self/fd/${fd}`;
  for (const folder of ["dev", "proc", "tmp"]) mkdirSync(join(root, folder), { recursive: true });
  libc.call("Cannot give a bundler its /tmp", "fchownat", fd, Buffer.from("tmp\0"), nobody, nobody, 0);
  for (const device of ["null", "zero", "random", "urandom"] as const)
    makeDevice(libc, fd, `dev/${device}`, device);
  mkdirSync(root + project, { recursive: true });
  for (const { target } of engine.libraries) {
    mkdirSync(dirname(root + target), { recursive: true });
    writeFileSync(root + target, "");
  }
  return fd;
}

/** A file without a name. */
function openScratch(): { readonly fd: number } {
  const path = join(tmpdir(), `lambient-bundle-${process.pid}-${crypto.randomUUID()}`);
  const fd = openSync(path, "wx+", 0o600);
  rmSync(path);
  return { fd };
}

/** A file from its beginning, wherever its writer's position is: descriptors of one opening share it. */
function readAll(fd: number): Buffer {
  const bytes = Buffer.alloc(fstatSync(fd).size);
  return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0));
}

/** Whether the project is open to other users; a closed one is read by the capability to do so, in a root where there is nothing else. */
function canBeReadByAnyone(root: string, main: string): boolean {
  for (let path = main; path.length >= root.length; path = dirname(path)) {
    const { mode } = statSync(path);
    const needed = path === main ? 0o004 : 0o005;
    if ((mode & needed) !== needed) return false;
    if (path === "/") break;
  }
  return true;
}

const fileSize = 1;
const core = 4;
const capabilitiesMax = 64;
const readSearch = 2; // CAP_DAC_READ_SEARCH
const prctl = { keepCapabilities: 8, dropBounding: 24, noNewPrivileges: 38, ambient: 47 } as const;

function confineSteps(isOpen: boolean): Step[] {
  const kept = isOpen ? 0 : 1 << readSearch;
  return [
    limit(fileSize, bundleBytesMax),
    limit(core, 0),
    step("Cannot keep a capability", "prctl", [prctl.keepCapabilities, isOpen ? 0 : 1, 0, 0, 0]),
    // What is inheritable must stay in the bounding set. A number beyond the kernel's last capability is refused.
    ...Array.from({ length: capabilitiesMax }, (_, capability) => capability)
      .filter((capability) => isOpen || capability !== readSearch)
      .map((capability): Step => ({
        ...step("Cannot drop a capability", "prctl", [prctl.dropBounding, capability, 0, 0, 0]),
        mayFail: true,
      })),
    step("Cannot leave groups", "setgroups", [0, 0]),
    step("Cannot change the group", "setresgid", [nobody, nobody, nobody]),
    step("Cannot change the user", "setresuid", [nobody, nobody, nobody]),
    step("Cannot drop capabilities", "capset", [
      { bytes: capabilityHead() },
      { bytes: capabilityData(kept) },
    ]),
    ...(isOpen ? [] : [step("Cannot keep a capability", "prctl", [prctl.ambient, 2, readSearch, 0, 0])]),
    step("Cannot give up new privileges", "prctl", [prctl.noNewPrivileges, 1, 0, 0, 0]),
  ];
}

function capabilityHead(): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(0x20080522, 0); // version 3, the caller itself
  return bytes;
}

/** Effective, permitted and inheritable alike; the upper half stays empty. */
function capabilityData(kept: number): Uint8Array {
  const bytes = Buffer.alloc(24);
  for (const at of [0, 4, 8]) bytes.writeUInt32LE(kept, at);
  return bytes;
}

function limit(kind: number, most: number): Step {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64LE(BigInt(most), 0);
  bytes.writeBigUInt64LE(BigInt(most), 8);
  return step(`Cannot set the resource limit ${kind}`, "prlimit64", [0, kind, { bytes }, 0]);
}

function step(what: string, name: Step["name"], args: Step["args"]): Step {
  return { what, name, args };
}
