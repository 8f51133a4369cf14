/** Files that only root may read, written whole or not at all. */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { errorText, MeshError } from "./mesh-error.ts";

/** Writes a file of mode 0600 beside its place and renames it there, so that a crash leaves the old one or the new one. @throws MeshError `io-failed` */
export function writeWhole(path: string, content: string | Uint8Array): void {
  const part = `${path}.part`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    rmSync(part, { force: true });
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    const fd = openSync(part, "wx", 0o600);
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(part, path);
    syncFolder(dirname(path));
  } catch (error) {
    discard(part);
    throw new MeshError("io-failed", `Cannot write "${path}" as a private file: ${errorText(error)}`, error);
  }
}

/** Makes a rename in a folder last through a power failure. */
export function syncFolder(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function discard(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // It was never made: the folder itself is not to be written to.
  }
}
