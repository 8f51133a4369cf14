/** A running function: a slot that was told which one it is, and everything known about how it ends. */
import type { Clock } from "#host/clock.ts";
import { signals, type ExitStatus } from "#host/linux/spawn.ts";
import { errorText, MeshError } from "#host/mesh-error.ts";
import {
  type EngineSpan,
  type HandlerName,
  parseScheduledResult,
  parseSpecialised,
  type Scheduled,
  type ScheduledResult,
  type Specialise,
} from "./engine-protocol.ts";
import type { OutputLine } from "./output.ts";
import type { Slot } from "./slot.ts";

/** Why an instance is over. */
export type ExitReason =
  | { readonly kind: "stopped"; readonly why: string }
  | { readonly kind: "crashed"; readonly status: ExitStatus }
  | { readonly kind: "out-of-memory" }
  | { readonly kind: "protocol-violation"; readonly what: string }
  | { readonly kind: "load-failed"; readonly message: string };

/** What is put into a slot before anything of it runs. */
export interface Placement {
  /** A finished module. */
  readonly bundle: Uint8Array;
  readonly memoryBytesMax: number;
}

/** What an instance is made of beside its bundle. */
export interface InstanceOptions {
  readonly function: Omit<Specialise, "file">;
  /** From the slot to ready. */
  readonly activationTimeoutMs: number;
  readonly clock: Clock;
  readonly onLine: (line: OutputLine) => void;
  readonly onSpan: (span: EngineSpan) => void;
  /** Called once, when the process has ended; the slot is closed by then. Also for an instance that never became ready. */
  readonly onExit: (reason: ExitReason) => void;
}

/** A function that serves. */
export interface Instance {
  readonly slot: Slot;
  readonly exports: readonly HandlerName[];
  /** Runs the `scheduled` handler. @throws MeshError `timeout`, or `unavailable` when the instance ended */
  runScheduled(call: Scheduled, timeoutMs: number): Promise<ScheduledResult>;
  /** Lets requests at work end, for at most `graceMs`, then ends it for certain. Settles when nothing is left. */
  stop(why: string, graceMs: number): Promise<void>;
}

/** File of the bundle in its folder. */
const bundleFile = "main.js";

/** Puts a function into a slot, with the memory that it may use; no code of it runs. @throws Error when it does not fit; the slot is still the caller's to close */
export function placeBundle(slot: Slot, { bundle, memoryBytesMax }: Placement): void {
  slot.cgroup.limit({ memoryBytesMax });
  slot.writeBundle(bundleFile, bundle);
}

/**
 * Makes a slot into an instance of the function that was put into it.
 * @throws MeshError `unavailable` with the reason when the bundle does not load or the process ends, `timeout` when it takes too long;
 *   the slot is closed then
 */
export async function startInstance(slot: Slot, options: InstanceOptions): Promise<Instance> {
  const life = new Life(slot, options);
  slot.listen({
    onLine: options.onLine,
    onSpan: options.onSpan,
    onChannelClosed: (reason) => life.channelClosed(reason),
  });
  try {
    const answer = await slot.channel.request(
      "specialise",
      { ...options.function, file: bundleFile },
      options.activationTimeoutMs,
    );
    const specialised = parseSpecialised(answer);
    if (specialised?.kind === "ready") return instanceOf(slot, life, specialised.exports);
    const message = specialised?.message ?? "Cannot load the function: its process answered nonsense";
    throw new MeshError("unavailable", message);
  } catch (error) {
    // A closed channel means that the process is ending, at the latest by our hand: how it ended says more than that it did.
    if (!slot.channel.isOpen) await Promise.race([slot.exited, slot.closed]);
    const reason = await life.end({ kind: "load-failed", message: errorText(error) });
    throw asLoadError(error, reason);
  }
}

function instanceOf(slot: Slot, life: Life, exports: readonly HandlerName[]): Instance {
  return {
    slot,
    exports,
    async runScheduled(call, timeoutMs) {
      const result = parseScheduledResult(await slot.channel.request("scheduled", call, timeoutMs));
      if (result === undefined)
        throw new MeshError("protocol-violation", "Cannot read the answer to a schedule");
      return result;
    },
    async stop(why, graceMs) {
      await life.drain({ kind: "stopped", why }, graceMs);
    },
  };
}

/** An instance's end: the first reason wins, and the slot is closed exactly once. */
class Life {
  readonly #slot: Slot;
  readonly #options: InstanceOptions;
  #reason: ExitReason | undefined;
  #ended: Promise<ExitReason> | undefined;

  constructor(slot: Slot, options: InstanceOptions) {
    this.#slot = slot;
    this.#options = options;
    void slot.exited.then((status) => this.end({ kind: "crashed", status }));
  }

  channelClosed(reason: string): void {
    // Without a violation the process is ending: its exit says how.
    if (reason.startsWith("protocol violation")) void this.end({ kind: "protocol-violation", what: reason });
    else this.#closeSoon();
  }

  async drain(reason: ExitReason, graceMs: number): Promise<void> {
    this.#reason ??= reason;
    this.#slot.child.signal(signals.terminate);
    const timer = this.#options.clock.after(graceMs, () => void this.end(reason));
    await this.#slot.exited;
    timer.cancel();
    await this.end(reason);
  }

  end(reason: ExitReason): Promise<ExitReason> {
    this.#reason ??= reason;
    this.#ended ??= this.#finish();
    return this.#ended;
  }

  async #finish(): Promise<ExitReason> {
    const ofMemory = this.#slot.cgroup.outOfMemoryKills() > 0;
    await this.#slot.close().catch(() => undefined); // The pool reports what could not be closed.
    const reason: ExitReason = ofMemory
      ? { kind: "out-of-memory" }
      : (this.#reason ?? { kind: "stopped", why: "ended" });
    this.#options.onExit(reason);
    return reason;
  }

  /** A process that closed its channel but lives on serves nobody who owns it. */
  #closeSoon(): void {
    const timer = this.#options.clock.after(
      channelGraceMs,
      () => void this.end({ kind: "protocol-violation", what: "it closed its channel and went on" }),
    );
    void this.#slot.exited.then(() => timer.cancel());
  }
}

const channelGraceMs = 1000;

function asLoadError(error: unknown, reason: ExitReason): MeshError {
  if (reason.kind === "out-of-memory")
    return new MeshError("unavailable", "Cannot load the function: it ran out of memory", error);
  if (reason.kind === "crashed") {
    const how =
      reason.status.kind === "exited"
        ? `exited with ${reason.status.code}`
        : `was ended by signal ${reason.status.signal}`;
    return new MeshError("unavailable", `Cannot load the function: its process ${how} while loading`, error);
  }
  return error instanceof MeshError ? error : new MeshError("unavailable", errorText(error), error);
}
