/** Writes files that only their owner may read, whole or not at all. */
import { closeSync, fsyncSync, openSync, renameSync, writeSync } from "node:fs";

/** Writes a 0600 file through a temporary one beside it, so that a reader never sees half of it. */
export function writePrivateFile(path: string, text: string): void {
  const temporary = `${path}.new`;
  const fd = openSync(temporary, "w", 0o600);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
}
