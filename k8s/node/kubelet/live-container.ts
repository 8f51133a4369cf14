/** A run of a container that goes on: its process, its log being written, its probes; born here or found again. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { closeFd } from "#host/linux/libc.ts";
import { type PipeReader, readPipe } from "#host/linux/pipe-reader.ts";
import { duplicate } from "#host/linux/sockets.ts";
import type { ExitStatus } from "#host/linux/spawn.ts";
import type { LiveRun } from "../../reconcile/pods/container-facts.ts";
import type { OurStreams } from "./container-streams.ts";
import type { ContainerLog } from "./container-log.ts";
import type { LogStream } from "./log-lines.ts";
import type { KubeletHost } from "./kubelet-host.ts";
import type { Prober } from "./prober.ts";

/** A process, ours or adopted. */
export interface MainProcess {
  readonly pid: number;
  /** Undefined when nobody knows how it ended. */
  readonly exited: Promise<ExitStatus | undefined>;
  signal(signal: number): boolean;
}

/** Told of what a container writes, as it comes. */
export type OutputListener = (stream: LogStream, bytes: Uint8Array) => void;

/** What a run is made from. */
export interface LiveOptions {
  readonly host: KubeletHost;
  readonly id: string;
  readonly process: MainProcess;
  readonly startedAtMs: number;
  readonly startTicks: string;
  readonly log: ContainerLog;
  readonly streams: OurStreams;
}

/** From the end of the process to giving up its last output: everything in its pid namespace is dead by then. */
const drainMs = 1000;

/** See the file's opening. */
export class LiveContainer {
  readonly id: string;
  readonly process: MainProcess;
  readonly startedAtMs: number;
  readonly startTicks: string;
  readonly log: ContainerLog;
  readonly listeners: Set<OutputListener> = new Set();
  readonly hasTerminal: boolean;
  readonly #host: KubeletHost;
  #input: number | undefined;
  readonly #readers: PipeReader[] = [];
  readonly #drained: Promise<unknown>;
  /** Its process has ended. */
  isOver = false;
  isStarted = false;
  isReady = false;
  /** Why it must end. */
  mustEnd: string | undefined;
  /** It is being ended. */
  ending: Promise<void> | undefined;
  prober: Prober | undefined;

  constructor(options: LiveOptions) {
    this.#host = options.host;
    this.id = options.id;
    this.process = options.process;
    this.startedAtMs = options.startedAtMs;
    this.startTicks = options.startTicks;
    this.log = options.log;
    const { stdout, stderr, input } = options.streams;
    this.hasTerminal = stderr === undefined;
    this.#input = input;
    const others = stderr === undefined ? [] : [this.#follow("stderr", stderr)];
    this.#drained = Promise.all([this.#follow("stdout", stdout), ...others]);
  }

  /** As decisions see it. */
  facts(): LiveRun {
    return {
      kind: "running",
      id: this.id,
      startedAtMs: this.startedAtMs,
      isStarted: this.isStarted,
      isReady: this.isReady && this.mustEnd === undefined,
      ...(this.mustEnd === undefined || this.ending !== undefined ? {} : { mustEnd: this.mustEnd }),
    };
  }

  /** Settles once it has ended and all that it wrote is in its log. */
  async ended(): Promise<ExitStatus | undefined> {
    const status = await this.process.exited;
    this.isOver = true;
    this.prober?.close();
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#host.clock.after(drainMs, resolve);
    await Promise.race([this.#drained, promise]);
    timer.cancel();
    this.#closeStreams();
    return status;
  }

  /** Lets it run on without us. */
  letGo(): void {
    this.isOver = true;
    this.prober?.close();
    this.#closeStreams();
  }

  /** A copy of our end of its terminal, or the one end of an input that ends when that is closed; undefined when there is none. */
  takeInput(): number | undefined {
    const input = this.#input;
    if (input === undefined || this.isOver) return undefined;
    if (this.hasTerminal) return duplicate(this.#host.libc, input);
    this.#input = undefined;
    return input;
  }

  /** The variables that it was started with. */
  environment(): Record<string, string> {
    const entries = readFileSync(`/proc/${this.process.pid}/environ`, "utf8").split("\0");
    return Object.fromEntries(
      entries
        .filter((entry) => entry.includes("="))
        .map((entry) => {
          const [name = "", value = ""] = entry.split(/=(.*)/s);
          return [name, value];
        }),
    );
  }

  #closeStreams(): void {
    for (const reader of this.#readers) reader.close();
    if (this.#input !== undefined) closeFd(this.#host.libc, this.#input);
    this.#input = undefined;
    this.log.end();
  }

  #follow(stream: LogStream, fd: number): Promise<void> {
    const { libc, poller, clock } = this.#host;
    const { promise, resolve } = Promise.withResolvers<void>();
    const reader = readPipe(libc, poller, fd, {
      onData: (bytes) => {
        this.log.append(stream, bytes, clock.nowMs());
        for (const listener of this.listeners) listener(stream, bytes);
      },
      onEnd: resolve,
    });
    this.#readers.push(reader);
    return promise;
  }
}

/** A name for a run that no other has. */
export function newRunId(): string {
  return randomBytes(32).toString("hex");
}
