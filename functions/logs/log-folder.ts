/** One function's log on disk: numbered files of JSON lines, rotated by size. Synchronous, as its files are small and local; batching is log-store.ts's. */
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
} from "node:fs";
import { join } from "node:path";
import { listFolder } from "../list-folder.ts";

/** Bounds of one function's log. */
export interface LogFolderLimits {
  readonly fileBytesMax: number;
  readonly filesMax: number;
}

/** A place in a function's log: everything before it has been read. */
export interface LogCursor {
  readonly file: number;
  readonly offset: number;
}

/** Lines and the place after them. */
export interface LogChunk {
  readonly lines: readonly string[];
  readonly cursor: LogCursor;
}

interface LogFile {
  readonly number: number;
  bytes: number;
}

/** See the file's opening. */
export class LogFolder {
  readonly #path: string;
  readonly #limits: LogFolderLimits;
  readonly #files: LogFile[];

  /** Opens a folder, which need not exist yet; a last line that a crash cut is cut off. */
  constructor(path: string, limits: LogFolderLimits) {
    this.#path = path;
    this.#limits = limits;
    this.#files = findFiles(path);
    const last = this.#files.at(-1);
    if (last !== undefined) last.bytes = dropCutLine(this.#pathOf(last.number), last.bytes);
  }

  /** Bytes on disk. */
  get bytes(): number {
    return this.#files.reduce((sum, file) => sum + file.bytes, 0);
  }

  /** The place after everything written so far. */
  get end(): LogCursor {
    const last = this.#files.at(-1);
    return last === undefined ? { file: 0, offset: 0 } : { file: last.number, offset: last.bytes };
  }

  /** Appends whole lines, newlines included. @throws the file system's error, with nothing half written */
  append(text: string): void {
    const bytes = Buffer.from(text);
    const file = this.#fileFor(bytes.length);
    const path = this.#pathOf(file.number);
    try {
      appendFileSync(path, bytes, { mode: 0o600 });
      file.bytes += bytes.length;
    } catch (error) {
      truncate(path, file.bytes);
      throw error;
    }
  }

  /** Deletes the oldest file unless it is the one being written. @returns whether there was one */
  dropOldest(): boolean {
    const [oldest] = this.#files;
    if (oldest === undefined || this.#files.length === 1) return false;
    rmSync(this.#pathOf(oldest.number), { force: true });
    this.#files.shift();
    return true;
  }

  /** Reads up to `bytesMax` bytes of lines from a place on; a place that was rotated away continues at the oldest line kept. */
  readFrom(cursor: LogCursor, bytesMax: number): LogChunk {
    const lines: string[] = [];
    let at = cursor;
    let left = bytesMax;
    for (const file of this.#files) {
      if (file.number < cursor.file) continue;
      const offset = file.number === cursor.file ? Math.min(cursor.offset, file.bytes) : 0;
      const chunk = this.#readLines(file, offset, left);
      lines.push(...chunk.lines);
      at = { file: file.number, offset: offset + chunk.bytes };
      left -= chunk.bytes;
      if (at.offset < file.bytes) break;
    }
    return { lines, cursor: at };
  }

  /** All lines kept, oldest first, newest file last read: at most the folder's whole bound. */
  readAll(): LogChunk {
    return this.readFrom({ file: 0, offset: 0 }, Number.POSITIVE_INFINITY);
  }

  #readLines(file: LogFile, offset: number, bytesMax: number): { lines: string[]; bytes: number } {
    const wanted = Math.min(file.bytes - offset, bytesMax);
    if (wanted <= 0) return { lines: [], bytes: 0 };
    const buffer = Buffer.alloc(wanted);
    const fd = openSync(this.#pathOf(file.number), "r");
    try {
      const got = readSync(fd, buffer, 0, wanted, offset);
      const whole = buffer.subarray(0, got).lastIndexOf(10) + 1;
      if (whole === 0) return { lines: [], bytes: 0 };
      return { lines: buffer.toString("utf8", 0, whole - 1).split("\n"), bytes: whole };
    } finally {
      closeSync(fd);
    }
  }

  #fileFor(bytes: number): LogFile {
    const last = this.#files.at(-1);
    if (last !== undefined && last.bytes + bytes <= this.#limits.fileBytesMax) return last;
    if (last === undefined) mkdirSync(this.#path, { recursive: true, mode: 0o700 });
    const made = { number: (last?.number ?? 0) + 1, bytes: 0 };
    this.#files.push(made);
    while (this.#files.length > this.#limits.filesMax) this.dropOldest();
    return made;
  }

  #pathOf(number: number): string {
    return join(this.#path, `${String(number).padStart(9, "0")}.jsonl`);
  }
}

function findFiles(path: string): LogFile[] {
  const files: LogFile[] = [];
  for (const name of listFolder(path)) {
    const match = /^(\d{9,15})\.jsonl$/.exec(name);
    if (match !== null) files.push({ number: Number(match[1]), bytes: statSync(join(path, name)).size });
  }
  return files.sort((a, b) => a.number - b.number);
}

function dropCutLine(path: string, bytes: number): number {
  if (bytes === 0) return 0;
  const tail = Buffer.alloc(Math.min(bytes, 1 << 17));
  const fd = openSync(path, "r");
  try {
    readSync(fd, tail, 0, tail.length, bytes - tail.length);
  } finally {
    closeSync(fd);
  }
  const whole = bytes - tail.length + tail.lastIndexOf(10) + 1;
  if (whole < bytes) truncateSync(path, whole);
  return whole;
}

function truncate(path: string, bytes: number): void {
  try {
    truncateSync(path, bytes);
  } catch {
    // The file was not even made: there is nothing to take back.
  }
}
