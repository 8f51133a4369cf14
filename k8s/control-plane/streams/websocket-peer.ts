/** The serving end of a WebSocket: messages both ways, pings answered, the closing handshake. What the messages mean is the owner's business. */
import { encodeCloseCode, encodeFrameHead } from "#core/websocket/websocket-frame.ts";
import { opcode, type WebSocketEvent, WebSocketReader } from "#core/websocket/websocket-reader.ts";
import type { ByteStream } from "#host/byte-stream.ts";
import { StreamWriter } from "#host/stream-writer.ts";

/** Part of a message, in memory of its own. */
export type MessagePart = Extract<WebSocketEvent, { kind: "part" }>;

/** What the owner is told. */
export interface WebSocketHandler {
  onPart(part: MessagePart): void;
  /** What waited to be sent has left. */
  onRoom(): void;
  /** The client says nothing more, or the connection is over; once. */
  onClose(): void;
}

/** How the closing handshake may end (RFC 6455 §7.4.1). */
export const closeCode = { normal: 1000, protocolError: 1002, internalError: 1011 } as const;

/** How long a client may take to close after we did. */
const lingerMs = 5000;
/**
 * How often one that is not read from is asked whether it lives: where its window is full its end cannot even arrive, and only the answer
 * of its machine to what we send tells that it is gone.
 */
const askEveryMs = 1000;

/** See the file's head. */
export class WebSocketPeer {
  readonly #stream: ByteStream;
  readonly #reader = new WebSocketReader();
  readonly #writer: StreamWriter;
  #handler: WebSocketHandler | undefined;
  #isPaused = false;
  #asking: ReturnType<typeof setInterval> | undefined;
  #isPumping = false;
  #hasSaidClose = false;
  #isOver = false;

  /** It is paused until {@link start}. */
  constructor(stream: ByteStream) {
    this.#stream = stream;
    this.#writer = new StreamWriter(stream);
  }

  /** Whether what was sent has not left: send little until `onRoom`. */
  get isFull(): boolean {
    return this.#writer.isFull;
  }

  /** Begins. @param rest what of the connection was read already */
  start(rest: Uint8Array, handler: WebSocketHandler): void {
    this.#handler = handler;
    this.#stream.handle({
      onData: (bytes) => this.#onData(bytes),
      onDrain: () => {
        this.#writer.onDrain();
        if (!this.#writer.isFull) handler.onRoom();
      },
      onEnd: () => this.#finish(),
      onClose: () => {
        this.#writer.onClose();
        this.#finish();
      },
    });
    this.#onData(rest);
    if (!this.#isPaused) this.#stream.resume();
  }

  /** Sends a message of several pieces. */
  send(code: "text" | "binary", pieces: readonly Uint8Array[]): void {
    if (this.#hasSaidClose) return;
    this.#sendFrame(opcode[code], pieces);
  }

  /** Resolves when what was sent has left, or never will. */
  whenRoom(): Promise<void> {
    return this.#writer.whenRoom();
  }

  /** Nothing more is said; the client has a while to say the same. */
  close(code: number): void {
    if (this.#hasSaidClose) return;
    this.#sendFrame(opcode.close, [encodeCloseCode(code)]);
    this.#hasSaidClose = true;
    if (this.#isPaused) this.resume();
    setTimeout(() => this.#stream.reset(), lingerMs).unref();
  }

  /** Stops `onPart` until `resume()`. */
  pause(): void {
    if (this.#isPaused || this.#hasSaidClose) return;
    this.#isPaused = true;
    this.#stream.pause();
    this.#asking = setInterval(() => this.#ask(), askEveryMs);
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    clearInterval(this.#asking);
    this.#onData(new Uint8Array(0));
    // What was read already may have been too much again.
    if (!this.#isPaused) this.#stream.resume();
  }

  #onData(bytes: Uint8Array): void {
    this.#reader.push(bytes);
    if (this.#isPumping) return;
    this.#isPumping = true;
    while (!this.#isPaused && !this.#isOver) {
      const event = this.#reader.read();
      if (event === undefined) break;
      this.#onEvent(event);
    }
    this.#isPumping = false;
    this.#reader.retain();
  }

  #onEvent(event: WebSocketEvent): void {
    switch (event.kind) {
      case "part":
        if (!this.#hasSaidClose) this.#handler?.onPart(event);
        return;
      case "ping":
        if (!this.#hasSaidClose) this.#sendFrame(opcode.pong, [event.bytes]);
        return;
      case "pong":
        return;
      case "close":
        this.close(closeCode.normal);
        this.#writer.end();
        return this.#finish();
      case "problem":
        this.close(closeCode.protocolError);
        this.#writer.end();
        return this.#finish();
    }
  }

  #ask(): void {
    if (!this.#writer.isFull && !this.#hasSaidClose) this.#sendFrame(opcode.ping, []);
  }

  #sendFrame(code: number, pieces: readonly Uint8Array[]): void {
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    this.#writer.write(encodeFrameHead(code, length));
    for (const piece of pieces) this.#writer.write(piece);
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#asking);
    if (!this.#hasSaidClose) this.#stream.reset();
    this.#handler?.onClose();
  }
}
