/** What the functions of a node wrote to stdout and stderr, kept across their instances' deaths within a total bound. Not the programs' own logs. */
import type { Clock, Timer } from "#host/clock.ts";
import type { Log } from "#host/log.ts";
import { errorText, MeshError } from "#host/mesh-error.ts";
import { join } from "node:path";
import { listFolder } from "../list-folder.ts";
import { LogFolder, type LogCursor, type LogFolderLimits } from "./log-folder.ts";

/** One line of one instance. */
export interface LogLine {
  readonly atMs: number;
  readonly instance: string;
  /** The revision's object name, such as `cart-v1`. */
  readonly revision: string;
  readonly stream: "stdout" | "stderr";
  readonly text: string;
}

/** A function by name. */
export interface FunctionName {
  readonly namespace: string;
  readonly function: string;
}

/** What to read. */
export interface LogQuery extends FunctionName {
  /** Only the last so many; without a cursor only. */
  readonly tailLines?: number;
  /** Only lines since then; without a cursor only. */
  readonly sinceMs?: number;
  /** Continues where an earlier answer ended. */
  readonly cursor?: string;
  /** With a cursor: how long to wait for a line when there is none yet. */
  readonly waitMs?: number;
}

/** Lines, oldest first, and where to continue. */
export interface LogAnswer {
  readonly lines: readonly LogLine[];
  readonly cursor: string;
}

/** How the store behaves. */
export interface LogStoreOptions {
  /** `<data-dir>/logs` */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly folder: LogFolderLimits;
  /** Bytes of all functions' files; the oldest files go first. */
  readonly totalBytesMax: number;
  /** Readers that wait at once. */
  readonly waitersMax: number;
  /**
   * Functions with a log at once, those that never wrote giving way; beyond it lines are dropped and counted. Default 4096: far above
   * what a node can run.
   */
  readonly functionsMax?: number;
  /** Characters of one function's lines that wait to be written together; at so many they are written at once. Default 256 Ki. */
  readonly pendingCharactersMax?: number;
}

/** A line is cut here: the engine cuts earlier, a store trusts nobody. */
const textCharactersMax = 32 << 10;
/** Lines wait this long to be written together. */
const flushMs = 20;
const pendingCharactersMaxDefault = 256 << 10;
/** An answer must fit a channel's line of 1 MiB, quoted again. */
const answerBytesMax = 384 << 10;
const waitMsMax = 20_000;
const functionsMaxDefault = 4096;
const namePattern = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

interface Entry {
  readonly folder: LogFolder;
  pending: string;
  wroteAtMs: number;
  readonly waiters: Set<() => void>;
}

/** See the file's opening. */
export class LogStore {
  readonly #options: LogStoreOptions;
  readonly #entries = new Map<string, Entry>();
  #flush: Timer | undefined;
  #waiters = 0;
  #dropped = 0;

  constructor(options: LogStoreOptions) {
    this.#options = options;
    for (const namespace of listFolder(options.path)) {
      for (const name of listFolder(join(options.path, namespace))) {
        if (isName(namespace) && isName(name)) this.#find({ namespace, function: name });
      }
    }
  }

  /** Lines that could not be written, because the disk was full or too many functions have a log. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes a line; it is on disk within 20 ms. */
  append(name: FunctionName, line: LogLine): void {
    const entry = this.#find(name);
    if (entry === undefined) return this.#lose(1, "too many functions have one");
    const text =
      line.text.length > textCharactersMax ? `${line.text.slice(0, textCharactersMax)}…` : line.text;
    entry.pending += `${JSON.stringify({ ...line, text })}\n`;
    entry.wroteAtMs = this.#options.clock.nowMs();
    const { pendingCharactersMax = pendingCharactersMaxDefault } = this.#options;
    if (entry.pending.length >= pendingCharactersMax) this.#write(entry);
    else this.#flush ??= this.#options.clock.after(flushMs, () => this.flush());
  }

  /** Writes everything now. */
  flush(): void {
    this.#flush?.cancel();
    this.#flush = undefined;
    for (const entry of this.#entries.values()) if (entry.pending !== "") this.#write(entry);
    this.#keepTotal();
  }

  /**
   * Reads, and waits for a first line where the query asks for it.
   * @throws MeshError `bad-input` for names and cursors that cannot be; `limit-reached` when too many wait
   */
  async read(query: LogQuery): Promise<LogAnswer> {
    if (!isName(query.namespace) || !isName(query.function)) {
      throw new MeshError(
        "bad-input",
        "Cannot read logs of a function: its namespace or name is not a Kubernetes name",
      );
    }
    const entry = this.#find(query);
    if (entry === undefined) return { lines: [], cursor: "0.0" };
    if (entry.pending !== "") this.#write(entry);
    if (query.cursor === undefined) return readTail(entry, query);
    const cursor = parseCursor(query.cursor);
    const found = continueFrom(entry, cursor);
    if (found.lines.length > 0 || (query.waitMs ?? 0) <= 0) return found;
    await this.#waitForLine(entry, Math.min(query.waitMs ?? 0, waitMsMax));
    if (entry.pending !== "") this.#write(entry);
    return continueFrom(entry, cursor);
  }

  /** Writes what is left and lets every reader go. */
  close(): void {
    this.flush();
    for (const entry of this.#entries.values()) for (const wake of entry.waiters) wake();
  }

  #find({ namespace, function: name }: FunctionName): Entry | undefined {
    if (!isName(namespace) || !isName(name)) return undefined;
    const key = `${namespace}/${name}`;
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const { functionsMax = functionsMaxDefault } = this.#options;
    if (this.#entries.size >= functionsMax && !this.#forgetEmpty()) return undefined;
    const folder = new LogFolder(join(this.#options.path, namespace, name), this.#options.folder);
    const made: Entry = { folder, pending: "", wroteAtMs: 0, waiters: new Set() };
    this.#entries.set(key, made);
    return made;
  }

  /** Lets go of a function that was only asked about. @returns whether there was one */
  #forgetEmpty(): boolean {
    for (const [key, { pending, waiters, folder }] of this.#entries) {
      if (pending === "" && waiters.size === 0 && folder.bytes === 0) return this.#entries.delete(key);
    }
    return false;
  }

  #lose(lines: number, reason: string): void {
    if (this.#dropped === 0) this.#options.log.error("cannot write functions' logs", { error: reason });
    this.#dropped += lines;
  }

  #write(entry: Entry): void {
    const text = entry.pending;
    entry.pending = "";
    try {
      entry.folder.append(text);
    } catch (error) {
      this.#lose(text.split("\n").length - 1, errorText(error));
    }
    for (const wake of entry.waiters) wake();
  }

  #keepTotal(): void {
    let total = 0;
    for (const entry of this.#entries.values()) total += entry.folder.bytes;
    if (total <= this.#options.totalBytesMax) return;
    const oldestFirst = [...this.#entries.values()].sort((a, b) => a.wroteAtMs - b.wroteAtMs);
    for (const entry of oldestFirst) {
      for (
        let before = entry.folder.bytes;
        total > this.#options.totalBytesMax;
        before = entry.folder.bytes
      ) {
        if (!entry.folder.dropOldest()) break;
        total -= before - entry.folder.bytes;
      }
    }
  }

  #waitForLine(entry: Entry, waitMs: number): Promise<void> {
    if (this.#waiters >= this.#options.waitersMax) {
      throw new MeshError("limit-reached", `Cannot follow a log: ${this.#waiters} readers wait already`);
    }
    this.#waiters++;
    return new Promise((resolve) => {
      const wake = (): void => {
        timer.cancel();
        entry.waiters.delete(wake);
        this.#waiters--;
        resolve();
      };
      const timer: Timer = this.#options.clock.after(waitMs, wake);
      entry.waiters.add(wake);
    });
  }
}

function readTail(entry: Entry, query: LogQuery): LogAnswer {
  const { lines, cursor } = entry.folder.readAll();
  const since = query.sinceMs ?? 0;
  const wanted = Math.max(0, query.tailLines ?? Number.POSITIVE_INFINITY);
  const kept: LogLine[] = [];
  let bytes = 0;
  for (let i = lines.length - 1; i >= 0 && kept.length < wanted; i--) {
    const text = lines[i] ?? "";
    bytes += text.length;
    const line = parseLine(text);
    if (bytes > answerBytesMax || (line !== undefined && line.atMs < since)) break;
    if (line !== undefined) kept.push(line);
  }
  return { lines: kept.toReversed(), cursor: formatCursor(cursor) };
}

function continueFrom(entry: Entry, cursor: LogCursor): LogAnswer {
  const chunk = entry.folder.readFrom(cursor, answerBytesMax);
  const lines = chunk.lines.map(parseLine).filter((line) => line !== undefined);
  return { lines, cursor: formatCursor(chunk.cursor) };
}

function parseLine(text: string): LogLine | undefined {
  try {
    // Sound: this program alone writes these files, in this form.
    return JSON.parse(text) as LogLine;
  } catch {
    return undefined; // damaged on disk: the other lines still count
  }
}

function formatCursor(cursor: LogCursor): string {
  return `${cursor.file}.${cursor.offset}`;
}

function parseCursor(text: string): LogCursor {
  const match = /^(\d{1,15})\.(\d{1,15})$/.exec(text);
  if (match === null)
    throw new MeshError("bad-input", `Cannot read a log's cursor as <file>.<offset>: "${text.slice(0, 50)}"`);
  return { file: Number(match[1]), offset: Number(match[2]) };
}

function isName(text: string): boolean {
  return namePattern.test(text);
}
