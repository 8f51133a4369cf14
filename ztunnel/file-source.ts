/** The mesh from a file in Istio's schema and certificates from a folder; a changed file is read again, a broken one changes nothing. */
import { readFileSync, statSync } from "node:fs";
import { readLocalConfig } from "#core/mesh/local-config.ts";
import { fileCertificates } from "#host/certificates/file-certificates.ts";
import type { Clock, Timer } from "#host/clock.ts";
import type { Log } from "#host/log.ts";
import { errorText, MeshError } from "#host/mesh-error.ts";
import type { MeshSource } from "./config.ts";
import type { RunningSource } from "./mesh-source.ts";
import type { MeshState } from "./mesh-state.ts";
import { replaceMesh } from "./mesh-updates.ts";

const intervalMs = 200;

/** Reads the file. @throws MeshError `bad-input` or `io-failed` when it cannot be used. */
export function openFileSource(
  source: Extract<MeshSource, { kind: "file" }>,
  { mesh, clock, log }: { readonly mesh: MeshState; readonly clock: Clock; readonly log: Log },
): RunningSource {
  const certificates = fileCertificates({
    folder: source.certificatesFolder,
    clock,
    onFailure: (path, error) => log.warn("certificates not read", { path, error: error.message }),
  });
  let seen = stampOf(source.path);
  load(mesh, source.path);
  let timer: Timer;
  const look = (): void => {
    try {
      const now = stampOf(source.path);
      if (now !== seen) {
        load(mesh, source.path);
        log.info("mesh read again", { path: source.path });
      }
      seen = now;
    } catch (error) {
      log.error("mesh not read; the last good one stays", { error: errorText(error) });
      seen = stampOrNone(source.path);
    }
    timer = clock.after(intervalMs, look);
  };
  timer = clock.after(intervalMs, look);
  return {
    certificates,
    waitsFor: [],
    known: Promise.resolve(),
    status: () => ({ path: source.path }),
    close() {
      timer.cancel();
      certificates.close();
    },
  };
}

function load(mesh: MeshState, path: string): void {
  const read = readLocalConfig(parse(path));
  const mistakes = read.ok ? replaceMesh(mesh, read.value) : read.error;
  if (mistakes.length > 0)
    throw new MeshError("bad-input", `Cannot use ${path} as a mesh:\n${mistakes.join("\n")}`);
}

function parse(path: string): unknown {
  try {
    return Bun.YAML.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new MeshError("bad-input", `Cannot read ${path} as YAML: ${errorText(error)}`, error);
  }
}

function stampOf(path: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(path);
    return `${mtimeMs}/${size}/${ino}`;
  } catch (error) {
    throw new MeshError("io-failed", `Cannot read the mesh's file ${path}: ${errorText(error)}`, error);
  }
}

function stampOrNone(path: string): string {
  try {
    return stampOf(path);
  } catch {
    return ""; // reported by the look that failed; the next one compares with nothing
  }
}
