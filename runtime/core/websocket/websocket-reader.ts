/** Cuts a WebSocket client's bytes into parts of messages and control frames (RFC 6455 §5); what messages mean is not looked at. */
import { ByteInput } from "../http1/byte-input.ts";

/** What the client said. */
export type WebSocketEvent =
  /** Some bytes of a message, unmasked, in memory of their own; empty ones too. */
  | {
      readonly kind: "part";
      readonly isText: boolean;
      readonly isStart: boolean;
      readonly isEnd: boolean;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: "ping" | "pong"; readonly bytes: Uint8Array }
  /** It will say nothing more. */
  | { readonly kind: "close"; readonly code: number | undefined }
  /** The connection cannot go on. */
  | { readonly kind: "problem"; readonly reason: string };

/** Kinds of frames. */
export const opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

interface Frame {
  readonly code: number;
  readonly isFinal: boolean;
  readonly isControl: boolean;
  readonly mask: Uint8Array;
  readonly length: number;
  read: number;
}

/** Of a control frame (RFC 6455 §5.5). */
const controlBytesMax = 125;

/** See the file's head. */
export class WebSocketReader {
  readonly #input = new ByteInput();
  #frame: Frame | undefined;
  /** The message that is under way; its parts come between control frames. */
  #message: { readonly isText: boolean; hasBegun: boolean } | undefined;
  #problem: WebSocketEvent | undefined;

  /** Adds received bytes: borrowed until {@link read} returned undefined or {@link retain} was called. */
  push(bytes: Uint8Array): void {
    this.#input.push(bytes);
  }

  /** Copies what was pushed and not read. */
  retain(): void {
    this.#input.retain();
  }

  /** The next thing said; undefined until more bytes come. A problem is final. */
  read(): WebSocketEvent | undefined {
    if (this.#problem !== undefined) return this.#problem;
    const frame = this.#frame ?? this.#readHead();
    if (frame === undefined) return undefined;
    if (typeof frame === "string") return (this.#problem = { kind: "problem", reason: frame });
    this.#frame = frame;
    return frame.isControl ? this.#readControl(frame) : this.#readPart(frame);
  }

  #readHead(): Frame | string | undefined {
    const { bytes, at } = this.#input;
    const [first, second] = [bytes[at], bytes[at + 1]];
    if (first === undefined || second === undefined) return undefined;
    const short = second & 0x7f;
    const lengthBytes = short === 127 ? 8 : short === 126 ? 2 : 0;
    const headBytes = 2 + lengthBytes + 4;
    const code = first & 0x0f;
    const isFinal = (first & 0x80) !== 0;
    const isControl = code >= opcode.close;
    const refused = this.#refuse({ code, isFinal, isControl, reserved: first & 0x70, short });
    if (refused !== undefined) return refused;
    if ((second & 0x80) === 0) return "a client's frame that is not masked";
    if (this.#input.available < headBytes) return undefined;
    const length = lengthBytes === 0 ? short : wholeNumber(bytes.subarray(at + 2, at + 2 + lengthBytes));
    if (length === undefined) return "a frame of impossible length";
    const mask = bytes.slice(at + headBytes - 4, at + headBytes);
    this.#input.at += headBytes;
    if (code === opcode.text || code === opcode.binary)
      this.#message = { isText: code === opcode.text, hasBegun: false };
    return { code, isFinal, isControl, mask: new Uint8Array(mask), length, read: 0 };
  }

  #refuse(head: {
    readonly code: number;
    readonly isFinal: boolean;
    readonly isControl: boolean;
    readonly reserved: number;
    readonly short: number;
  }): string | undefined {
    const { code, isFinal, isControl, reserved, short } = head;
    if (reserved !== 0) return "a frame with reserved bits";
    if (isControl) {
      if (code > opcode.pong) return "a frame of no known kind";
      if (!isFinal) return "a control frame in pieces";
      return short > controlBytesMax ? "a control frame that is too long" : undefined;
    }
    if (code > opcode.binary) return "a frame of no known kind";
    if (code === opcode.continuation && this.#message === undefined) return "a continuation of nothing";
    if (code !== opcode.continuation && this.#message !== undefined) return "a message within a message";
    return undefined;
  }

  #readControl(frame: Frame): WebSocketEvent | undefined {
    if (this.#input.available < frame.length) return undefined;
    const bytes = this.#take(frame);
    this.#frame = undefined;
    if (frame.code === opcode.ping) return { kind: "ping", bytes };
    if (frame.code === opcode.pong) return { kind: "pong", bytes };
    return { kind: "close", code: bytes.length < 2 ? undefined : wholeNumber(bytes.subarray(0, 2)) };
  }

  #readPart(frame: Frame): WebSocketEvent | undefined {
    const message = this.#message;
    if (message === undefined || (this.#input.available === 0 && frame.read < frame.length)) return undefined;
    const bytes = this.#take(frame);
    const isStart = !message.hasBegun;
    message.hasBegun = true;
    const isFrameOver = frame.read === frame.length;
    if (isFrameOver) this.#frame = undefined;
    const isEnd = isFrameOver && frame.isFinal;
    if (isEnd) this.#message = undefined;
    return { kind: "part", isText: message.isText, isStart, isEnd, bytes };
  }

  /** What is there of a frame's payload, unmasked. */
  #take(frame: Frame): Uint8Array {
    const size = Math.min(frame.length - frame.read, this.#input.available);
    const { bytes, at } = this.#input;
    const unmasked = new Uint8Array(size);
    const { mask, read } = frame;
    for (let i = 0; i < size; i++) unmasked[i] = (bytes[at + i] ?? 0) ^ (mask[(read + i) & 3] ?? 0);
    this.#input.at += size;
    frame.read += size;
    return unmasked;
  }
}

/** Undefined for what a number cannot hold exactly. */
function wholeNumber(bytes: Uint8Array): number | undefined {
  let value = 0;
  for (const byte of bytes) value = value * 256 + byte;
  return Number.isSafeInteger(value) ? value : undefined;
}
