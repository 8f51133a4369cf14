/**
 * Requests, responses and notifications as JSON lines over a unix stream socket, bounded in every direction:
 * how programs of one node talk to each other, and how a function's process is told what to do.
 * The peer may be hostile: what breaks a bound or the form closes the channel.
 *
 * A line is one of `{id, method, params}`, `{id, result}`, `{id, error: {code, message}}`, `{method, params}`.
 */
import { LineReader } from "./line-reader.ts";
import { errorText, MeshError, type MeshErrorCode, meshErrorCode } from "./mesh-error.ts";

/** What a channel may hold at most. */
export interface ChannelLimits {
  /** Longest line in either direction. */
  readonly lineBytesMax: number;
  /** Requests without an answer, each way. */
  readonly pendingMax: number;
  /** Bytes written but not yet taken by the socket. */
  readonly queuedBytesMax: number;
}

/** Limits for a peer that is a program of ours. */
export const defaultChannelLimits: ChannelLimits = {
  lineBytesMax: 1 << 20,
  pendingMax: 4096,
  queuedBytesMax: 8 << 20,
};

/** What the other side's lines do here. */
export interface ChannelHandlers {
  /** Answers a request; a thrown MeshError goes back with its code, anything else as `io-failed`. */
  onRequest(method: string, params: unknown): unknown;
  onNotify(method: string, params: unknown): void;
  /** The channel is over; called once. */
  onClose(reason: string): void;
}

/** One end of a channel. */
export interface Channel {
  /**
   * Asks and waits for the answer.
   * @throws MeshError with the peer's code; `timeout`; `unavailable` when the channel is or gets closed; `limit-reached`.
   */
  request(method: string, params: unknown, timeoutMs: number): Promise<unknown>;
  /** Tells without an answer. @returns false when it was dropped because the queue is full or the channel closed. */
  notify(method: string, params: unknown): boolean;
  close(): void;
  readonly isOpen: boolean;
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

interface RawSocket {
  write(data: Uint8Array): number;
  end(): void;
  terminate(): void;
}

/** A channel's state over a socket; made by the functions of channel-socket.ts, and by tests over a fake socket. */
export class ChannelCore implements Channel {
  readonly #socket: RawSocket;
  readonly #limits: ChannelLimits;
  readonly #reader: LineReader;
  readonly #pending = new Map<number, Pending>();
  #handlers: ChannelHandlers;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #answering = 0;
  #nextId = 1;
  #open = true;

  constructor(socket: RawSocket, handlers: ChannelHandlers, limits: ChannelLimits) {
    this.#socket = socket;
    this.#handlers = handlers;
    this.#limits = limits;
    this.#reader = new LineReader(limits.lineBytesMax);
  }

  get isOpen(): boolean {
    return this.#open;
  }

  request(method: string, params: unknown, timeoutMs: number): Promise<unknown> {
    if (!this.#open)
      return Promise.reject(new MeshError("unavailable", `Cannot ask ${method}: the channel is closed`));
    if (this.#pending.size >= this.#limits.pendingMax) {
      return Promise.reject(
        new MeshError("limit-reached", `Cannot ask ${method}: ${this.#pending.size} requests wait already`),
      );
    }
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new MeshError("timeout", `Cannot ask ${method}: no answer within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#pending.set(id, { resolve, reject, timer });
      if (this.#send({ id, method, params })) return;
      this.#pending.delete(id);
      clearTimeout(timer);
      reject(new MeshError("limit-reached", `Cannot ask ${method}: the channel's queue is full`));
    });
  }

  notify(method: string, params: unknown): boolean {
    return this.#open && this.#send({ method, params });
  }

  close(): void {
    this.finish("closed here");
  }

  /** Feeds bytes that the socket received. */
  receive(bytes: Uint8Array): void {
    const lines = this.#reader.push(bytes);
    if (lines === undefined)
      return this.#violated(`a line is longer than ${this.#limits.lineBytesMax} bytes`);
    for (const line of lines) {
      if (!this.#open) return;
      this.#onLine(line);
    }
  }

  /** The socket can take bytes again. */
  drain(): void {
    while (this.#open) {
      const head = this.#queue[0];
      if (head === undefined) return;
      const taken = Math.max(0, this.#socket.write(head));
      this.#queuedBytes -= taken;
      if (taken < head.length) {
        this.#queue[0] = head.subarray(taken);
        return;
      }
      this.#queue.shift();
    }
  }

  /** The socket is over, or must be. */
  finish(reason: string, violated = false): void {
    if (!this.#open) return;
    this.#open = false;
    if (violated) this.#socket.terminate();
    else this.#socket.end();
    this.#queue = [];
    for (const waiting of this.#pending.values()) {
      clearTimeout(waiting.timer);
      waiting.reject(new MeshError("unavailable", `Cannot get an answer: the channel closed (${reason})`));
    }
    this.#pending.clear();
    this.#handlers.onClose(reason);
  }

  #violated(what: string): void {
    this.finish(`protocol violation: ${what}`, true);
  }

  #send(message: object): boolean {
    const bytes = Buffer.from(`${JSON.stringify(message)}\n`);
    if (
      bytes.length > this.#limits.lineBytesMax ||
      this.#queuedBytes + bytes.length > this.#limits.queuedBytesMax
    )
      return false;
    const taken = this.#queue.length > 0 ? 0 : Math.max(0, this.#socket.write(bytes));
    if (taken < bytes.length) {
      this.#queue.push(bytes.subarray(taken));
      this.#queuedBytes += bytes.length - taken;
    }
    return true;
  }

  #onLine(line: string): void {
    const message = parseMessage(line);
    if (message === undefined) return this.#violated("a line is not a message");
    const { id, method } = message;
    if (method === undefined) return this.#onAnswer(message);
    if (id === undefined) return this.#handlers.onNotify(method, message.params);
    if (this.#answering >= this.#limits.pendingMax) return this.#violated("too many requests at once");
    this.#answering++;
    void this.#answer(id, method, message.params).finally(() => this.#answering--);
  }

  async #answer(id: number, method: string, params: unknown): Promise<void> {
    try {
      const result = await this.#handlers.onRequest(method, params);
      if (!this.#open || this.#send({ id, result: result ?? null })) return;
      this.#send({
        id,
        error: { code: "limit-reached", message: `Cannot answer ${method}: the answer does not fit` },
      });
    } catch (error) {
      if (this.#open)
        this.#send({ id, error: { code: meshErrorCode(error) ?? "io-failed", message: errorText(error) } });
    }
  }

  #onAnswer(message: Message): void {
    const waiting = message.id === undefined ? undefined : this.#pending.get(message.id);
    if (message.id === undefined || waiting === undefined) return; // an answer that came after its timeout
    this.#pending.delete(message.id);
    clearTimeout(waiting.timer);
    if (message.error === undefined) waiting.resolve(message.result);
    else waiting.reject(new MeshError(message.error.code, message.error.message));
  }
}

interface Message {
  readonly id: number | undefined;
  readonly method: string | undefined;
  readonly params: unknown;
  readonly result: unknown;
  readonly error: { readonly code: MeshErrorCode; readonly message: string } | undefined;
}

function parseMessage(line: string): Message | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined; // reported by the caller as a protocol violation
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { id, method, params, result, error } = value as Record<string, unknown>;
  if (id !== undefined && typeof id !== "number") return undefined;
  if (method !== undefined && typeof method !== "string") return undefined;
  if (id === undefined && method === undefined) return undefined;
  return { id, method, params, result, error: error === undefined ? undefined : readError(error) };
}

function readError(error: unknown): { code: MeshErrorCode; message: string } {
  const { code, message } = (typeof error === "object" && error !== null ? error : {}) as Record<
    string,
    unknown
  >;
  const known = typeof code === "string" && errorCodes.has(code);
  // Sound: membership was just checked.
  return {
    code: known ? (code as MeshErrorCode) : "io-failed",
    message: typeof message === "string" ? message : "unknown error",
  };
}

const errorCodes: ReadonlySet<string> = new Set<MeshErrorCode>([
  "bad-input",
  "not-permitted",
  "not-found",
  "already-exists",
  "conflict",
  "unavailable",
  "timeout",
  "limit-reached",
  "protocol-violation",
  "io-failed",
  "canceled",
]);
