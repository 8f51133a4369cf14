/** A program's output on disk: one file and its predecessors, together never above a bound. Knows nothing of what the lines say. */
import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** How much is kept. */
export interface LogFileLimits {
  /** A file that has reached this is put aside. */
  readonly bytesMax: number;
  /** How many put aside are kept: `x.log.1` is the youngest. */
  readonly keptMax: number;
}

/** 5 × 8 MiB a program. */
export const defaultLogFileLimits: LogFileLimits = { bytesMax: 8 << 20, keptMax: 4 };

/** An open log. */
export interface LogFile {
  /** Appends; a full disk loses the text and counts it, so that a program is never stopped by its log. */
  write(text: string | Uint8Array): void;
  /** Bytes that could not be written. */
  readonly lostBytes: number;
  close(): void;
}

/** Opens a log for appending, making its folder. */
export function openLogFile(path: string, limits: LogFileLimits = defaultLogFileLimits): LogFile {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  let fd = openSync(path, "a", 0o600);
  let size = fstatSync(fd).size;
  let lostBytes = 0;
  const rotate = (): void => {
    closeSync(fd);
    for (let index = limits.keptMax; index > 0; index--) {
      tryRename(index === 1 ? path : `${path}.${index - 1}`, `${path}.${index}`);
    }
    fd = openSync(path, limits.keptMax > 0 ? "a" : "w", 0o600);
    size = 0;
  };
  return {
    write(text) {
      const bytes = typeof text === "string" ? Buffer.from(text) : text;
      try {
        if (size > 0 && size + bytes.length > limits.bytesMax) rotate();
        size += writeSync(fd, bytes);
      } catch {
        lostBytes += bytes.length; // the disk is full or gone; reported by the count
      }
    },
    get lostBytes() {
      return lostBytes;
    },
    close: () => closeSync(fd),
  };
}

function tryRename(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch {
    // There are not that many predecessors yet.
  }
}
