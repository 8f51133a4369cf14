/** The owner's end of a slot's descriptor 3: a bounded channel that a flood, or anything that the engine does not say, closes. */
import { type Channel, ChannelCore } from "#host/channel.ts";
import type { Clock } from "#host/clock.ts";
import { errorText, MeshError } from "#host/mesh-error.ts";
import { engineChannelLimits, type EngineSpan, parseSpan } from "./engine-protocol.ts";

/** What the process says. */
export interface EngineEvents {
  onBooted(): void;
  onSpan(span: EngineSpan): void;
  /** The channel is over: the process ended it, or broke a bound. */
  onClose(reason: string): void;
}

/** Most of what a process may say in a second; the engine stays far below. */
const bytesPerSecond = 4 << 20;
const messagesPerSecond = 1000;

/** Adopts our end of the socket pair. @throws MeshError `unavailable` */
export async function openEngineChannel(fd: number, clock: Clock, events: EngineEvents): Promise<Channel> {
  const opened = Promise.withResolvers<Channel>();
  const bytes = new Meter(bytesPerSecond, clock);
  const messages = new Meter(messagesPerSecond, clock);
  let core: ChannelCore | undefined;
  const violated = (what: string): void => core?.finish(`protocol violation: ${what}`, true);
  const count = (): boolean => {
    if (messages.take(1)) return true;
    violated(`more than ${messagesPerSecond} messages in a second`);
    return false;
  };
  const handlers = {
    onRequest: (method: string): never => {
      violated(`the request "${method.slice(0, 64)}", where only the owner asks`);
      throw new MeshError("protocol-violation", "Cannot ask the owner of a slot");
    },
    onNotify(method: string, params: unknown): void {
      if (!count()) return;
      if (method === "booted") return events.onBooted();
      const span = method === "span" ? parseSpan(params) : undefined;
      if (span === undefined) violated(`the notification "${method.slice(0, 64)}"`);
      else events.onSpan(span);
    },
    onClose: (reason: string): void => events.onClose(reason),
  };
  const socket = {
    open(raw: Bun.Socket): void {
      core = new ChannelCore(raw, handlers, engineChannelLimits);
      opened.resolve(core);
    },
    data(_: Bun.Socket, received: Buffer): void {
      if (bytes.take(received.length)) core?.receive(received);
      else violated(`more than ${bytesPerSecond} bytes in a second`);
    },
    drain: () => core?.drain(),
    end: () => core?.finish("the process ended it"),
    close: () => core?.finish("the process closed it"),
    error: (_: Bun.Socket, error: Error) => core?.finish(error.message),
  };
  // Sound: Bun takes `fd` here though its types do not say so.
  Bun.connect({ fd, socket } as unknown as Bun.UnixSocketOptions).catch((error: unknown) =>
    opened.reject(new MeshError("unavailable", `Cannot open a slot's channel: ${errorText(error)}`, error)),
  );
  return opened.promise;
}

/** Counts what comes within a second of the clock. */
class Meter {
  readonly #most: number;
  readonly #clock: Clock;
  #second = -1;
  #taken = 0;

  constructor(most: number, clock: Clock) {
    this.#most = most;
    this.#clock = clock;
  }

  /** Whether it is within the bound. */
  take(amount: number): boolean {
    const second = Math.floor(this.#clock.monotonicMs() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#taken = 0;
    }
    this.#taken += amount;
    return this.#taken <= this.#most;
  }
}
