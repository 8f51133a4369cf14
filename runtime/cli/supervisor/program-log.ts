/**
 * A program's output on disk: the program holds the file itself, so that it goes on when its supervisor dies, and the supervisor
 * puts full files aside by copy and cut. Lines written between the copy and the cut are lost; the programs never block.
 */
import {
  closeSync,
  copyFileSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { errorText } from "#host/mesh-error.ts";

/** How much is kept. */
export interface ProgramLogLimits {
  /** A file that has reached this is put aside. */
  readonly bytesMax: number;
  /** How many put aside are kept: `x.log.1` is the youngest. */
  readonly keptMax: number;
}

/** 5 × 8 MiB a program. */
export const defaultProgramLogLimits: ProgramLogLimits = { bytesMax: 8 << 20, keptMax: 4 };

/** An open log. */
export interface ProgramLog extends Disposable {
  /** For the program's descriptors 1 and 2: appends wherever the end is. */
  readonly fd: number;
  /** Appends text of this process. @throws Error when the disk is full */
  append(text: string): void;
  /** Where the next byte goes. */
  size(): number;
  /** Text from an offset on, the last `bytesMax` of it at most. */
  readFrom(offset: number, bytesMax: number): string;
  /** Puts the file aside when it is full. @returns why that was impossible */
  rotate(): string | undefined;
  close(): void;
}

/** Opens a log for appending, making its folder. */
export function openProgramLog(path: string, limits: ProgramLogLimits = defaultProgramLogLimits): ProgramLog {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const fd = openSync(path, "a+", 0o600);
  const size = (): number => fstatSync(fd).size;
  const close = (): void => closeSync(fd);
  return {
    fd,
    append: (text) => void writeSync(fd, text),
    size,
    readFrom(offset, bytesMax) {
      const end = size();
      const from = Math.max(offset > end ? 0 : offset, end - bytesMax);
      const buffer = Buffer.alloc(Math.max(0, end - from));
      return buffer.toString("utf8", 0, readSync(fd, buffer, 0, buffer.length, from));
    },
    rotate() {
      if (size() < limits.bytesMax) return undefined;
      try {
        putAside(path, limits.keptMax);
        return undefined;
      } catch (error) {
        return errorText(error);
      } finally {
        ftruncateSync(fd, 0); // a full disk loses the text rather than the bound
      }
    },
    close,
    [Symbol.dispose]: close,
  };
}

function putAside(path: string, keptMax: number): void {
  for (let index = keptMax; index > 1; index--) tryRename(`${path}.${index - 1}`, `${path}.${index}`);
  if (keptMax > 0) copyFileSync(path, `${path}.1`);
}

function tryRename(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch {
    // There are not that many predecessors yet.
  }
}
