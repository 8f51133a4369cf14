/** The log of one run of a container on disk: two files, rotated by size, read while they grow. What the container wrote comes in as bytes. */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { ContainerLogLine } from "./container-access.ts";
import { formatLines, formatNanoTime, type LogStream, parseLogLine } from "./log-lines.ts";

/** Bounds of a log. */
export interface ContainerLogLimits {
  /** Of one file; there is at most one older one. */
  readonly fileBytesMax: number;
}

/** Ten mebibytes, twice. */
export const defaultLogLimits: ContainerLogLimits = { fileBytesMax: 10 << 20 };

/** What to read of a log. */
export interface LogReading {
  readonly tailLines?: number;
  readonly sinceTimeMs?: number;
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

const readBytes = 64 << 10;

/** See the file's opening. */
export class ContainerLog {
  readonly path: string;
  readonly #limits: ContainerLogLimits;
  readonly #waiting = new Set<() => void>();
  #fd: number | undefined;
  #bytes = 0;
  #rotations = 0;
  #isOver = false;
  #dropped = 0;

  /** @param path of the newer file; the folder is made at the first write */
  constructor(path: string, limits: ContainerLogLimits = defaultLogLimits) {
    this.path = path;
    this.#limits = limits;
  }

  /** Bytes that could not be written, for instance because the disk was full. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes what the container wrote. */
  append(stream: LogStream, bytes: Uint8Array, nowMs: number): void {
    const lines = formatLines(stream, bytes, formatNanoTime(nowMs));
    try {
      const fd = this.#open(lines.length);
      for (let at = 0; at < lines.length;) at += writeSync(fd, lines, at);
      this.#bytes += lines.length;
    } catch {
      // The container must not be held up by a disk: what is lost is counted.
      this.#dropped += lines.length;
    }
    this.#wake();
  }

  /** Nothing comes any more. */
  end(): void {
    this.#isOver = true;
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    this.#wake();
  }

  /** Lines, oldest first; with `follow` also those that come, until the end. */
  async *read(reading: LogReading): AsyncGenerator<ContainerLogLine> {
    const skipped = reading.tailLines === undefined ? 0 : this.#countLines() - reading.tailLines;
    let lines = 0;
    for await (const line of this.#lines(reading)) {
      if (reading.signal.aborted) return;
      const isWanted = lines >= skipped && Date.parse(line.time) >= (reading.sinceTimeMs ?? 0);
      if (line.isWhole) lines++;
      if (isWanted) yield line;
    }
  }

  async *#lines({ follow, signal }: LogReading): AsyncGenerator<ContainerLogLine> {
    const older = openLines(`${this.path}.1`);
    if (older !== undefined) yield* readAndClose(older);
    let { rotations, file } = this.#openNewer();
    try {
      for (;;) {
        if (file !== undefined) yield* file.read();
        if (this.#isMoreIn(file)) file ??= openLines(this.path);
        else if (this.#rotations !== rotations) {
          // What was written before the rotation is read; who is more than one behind has lost lines.
          file?.close();
          ({ rotations, file } = this.#openNewer());
        } else if (!follow || signal.aborted || this.#isOver) return;
        else await this.#next(signal);
      }
    } finally {
      file?.close();
    }
  }

  #openNewer(): { readonly rotations: number; readonly file: OpenLines | undefined } {
    return { rotations: this.#rotations, file: openLines(this.path) };
  }

  #isMoreIn(file: OpenLines | undefined): boolean {
    return file === undefined ? existsSync(this.path) : file.hasMore();
  }

  #countLines(): number {
    let count = 0;
    for (const path of [`${this.path}.1`, this.path]) {
      const lines = openLines(path);
      if (lines === undefined) continue;
      for (const line of readAndClose(lines)) if (line.isWhole) count++;
    }
    return count;
  }

  #open(coming: number): number {
    if (this.#fd === undefined) {
      mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
      this.#fd = openSync(this.path, "a", 0o600);
      this.#bytes = statSync(this.path).size;
    }
    if (this.#bytes === 0 || this.#bytes + coming <= this.#limits.fileBytesMax) return this.#fd;
    closeSync(this.#fd);
    this.#fd = undefined;
    renameSync(this.path, `${this.path}.1`);
    this.#rotations++;
    this.#bytes = 0;
    this.#fd = openSync(this.path, "a", 0o600);
    return this.#fd;
  }

  /** Resolves at the next change, or when the signal aborts. */
  async #next(signal: AbortSignal): Promise<void> {
    if (this.#isOver || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
    this.#waiting.delete(resolve);
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

interface OpenLines {
  /** What is there by now. */
  read(): Generator<ContainerLogLine>;
  hasMore(): boolean;
  close(): void;
}

function openLines(path: string): OpenLines | undefined {
  if (!existsSync(path)) return undefined;
  const fd = openSync(path, "r");
  const buffer = Buffer.alloc(readBytes);
  let at = 0;
  let rest = Buffer.alloc(0);
  return {
    *read() {
      for (;;) {
        const length = readSync(fd, buffer, 0, buffer.length, at);
        if (length === 0) return;
        at += length;
        const all = Buffer.concat([rest, buffer.subarray(0, length)]);
        const end = all.lastIndexOf(10) + 1;
        rest = Buffer.from(all.subarray(end));
        for (const text of all.toString("utf8", 0, Math.max(end - 1, 0)).split("\n")) {
          const line = parseLogLine(text);
          if (line !== undefined) yield line;
        }
      }
    },
    hasMore: () => statSync(`/proc/self/fd/${fd}`).size > at,
    close: () => closeSync(fd),
  };
}

function* readAndClose(lines: OpenLines): Generator<ContainerLogLine> {
  try {
    yield* lines.read();
  } finally {
    lines.close();
  }
}
