/**
 * A command's streams on `kubelet.sock`: frames of a channel, a length and bytes, both ways. Input has a window, so that what is typed
 * into a command that does not read holds up neither a new size nor the end.
 */
import { ByteInput } from "#core/http1/byte-input.ts";
import type { ExitStatus } from "#host/linux/spawn.ts";
import { parseSize } from "./stream-request.ts";
import type { TerminalSize } from "../kubelet/container-access.ts";

/** What a frame's bytes are. */
export const channel = {
  /** To the command. */
  input: 0,
  /** From it. */
  output: 1,
  errors: 2,
  /** Its end, JSON. */
  exit: 3,
  /** To it: its terminal's size, JSON. */
  size: 4,
  /** From it: so many more bytes of input may come, four bytes. */
  credit: 5,
  /** To it: no more input. */
  inputEnd: 6,
} as const;

/** A frame that was read: bytes of the three streams come as views, valid as long as the input's, in any pieces. */
export type StreamFrame =
  | { readonly kind: "input" | "output" | "errors"; readonly bytes: Uint8Array }
  | { readonly kind: "exit"; readonly status: ExitStatus }
  | { readonly kind: "size"; readonly size: TerminalSize }
  | { readonly kind: "credit"; readonly bytes: number }
  | { readonly kind: "input-end" }
  | { readonly kind: "problem"; readonly reason: string };

/** How much input may be under way before the node says that more may come. */
export const inputWindowBytes: number = 256 << 10;

const headBytes = 5;
/** Of what is not a stream's bytes. */
const messageBytesMax = 4096;
const streams: ReadonlyMap<number, "input" | "output" | "errors"> = new Map([
  [channel.input, "input"],
  [channel.output, "output"],
  [channel.errors, "errors"],
]);

/** What stands before the bytes of a frame. */
export function encodeStreamHead(code: number, length: number): Uint8Array {
  const head = new Uint8Array(headBytes);
  head[0] = code;
  new DataView(head.buffer).setUint32(1, length);
  return head;
}

/** A frame of JSON. */
export function encodeMessage(code: number, value: unknown): Uint8Array {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return Buffer.concat([encodeStreamHead(code, bytes.length), bytes]);
}

/** A frame that grants input. */
export function encodeCredit(bytes: number): Uint8Array {
  const frame = new Uint8Array(headBytes + 4);
  frame.set(encodeStreamHead(channel.credit, 4));
  new DataView(frame.buffer).setUint32(headBytes, bytes);
  return frame;
}

/** Cuts bytes into frames. */
export class StreamFrameReader {
  readonly #input = new ByteInput();
  #stream: { readonly kind: "input" | "output" | "errors"; left: number } | undefined;
  #problem: StreamFrame | undefined;

  /** Adds received bytes: borrowed until {@link read} returned undefined or {@link retain} was called. */
  push(bytes: Uint8Array): void {
    this.#input.push(bytes);
  }

  /** Copies what was pushed and not read. */
  retain(): void {
    this.#input.retain();
  }

  /** The next frame, or piece of one; undefined until more bytes come. A problem is final. */
  read(): StreamFrame | undefined {
    if (this.#problem !== undefined) return this.#problem;
    if (this.#stream === undefined) {
      const begun = this.#begin();
      if (begun !== "stream") return begun;
    }
    return this.#readStream();
  }

  #begin(): StreamFrame | "stream" | undefined {
    if (this.#input.available < headBytes) return undefined;
    const { bytes, at } = this.#input;
    const view = new DataView(bytes.buffer, bytes.byteOffset + at);
    const code = view.getUint8(0);
    const length = view.getUint32(1);
    const kind = streams.get(code);
    if (kind !== undefined) {
      this.#input.at += headBytes;
      this.#stream = { kind, left: length };
      return "stream";
    }
    if (length > messageBytesMax) return this.#refuse("a message that is too long");
    if (this.#input.available < headBytes + length) return undefined;
    this.#input.at += headBytes + length;
    const payload = bytes.subarray(at + headBytes, at + headBytes + length);
    return readMessage(code, payload) ?? this.#refuse(`a message that cannot be read, of channel ${code}`);
  }

  #readStream(): StreamFrame | undefined {
    const stream = this.#stream;
    const size = Math.min(stream?.left ?? 0, this.#input.available);
    if (stream === undefined || (size === 0 && stream.left > 0)) return undefined;
    const { bytes, at } = this.#input;
    this.#input.at += size;
    stream.left -= size;
    if (stream.left === 0) this.#stream = undefined;
    return { kind: stream.kind, bytes: bytes.subarray(at, at + size) };
  }

  #refuse(reason: string): StreamFrame {
    this.#problem = { kind: "problem", reason };
    return this.#problem;
  }
}

function readMessage(code: number, payload: Uint8Array): StreamFrame | undefined {
  if (code === channel.inputEnd) return { kind: "input-end" };
  if (code === channel.credit) {
    if (payload.length !== 4) return undefined;
    return { kind: "credit", bytes: new DataView(payload.buffer, payload.byteOffset).getUint32(0) };
  }
  const value = parseJson(payload);
  if (code === channel.size) {
    const size = parseSize(value);
    return size === undefined ? undefined : { kind: "size", size };
  }
  const status = code === channel.exit ? readExit(value) : undefined;
  return status === undefined ? undefined : { kind: "exit", status };
}

function readExit(value: unknown): ExitStatus | undefined {
  if (typeof value !== "object" || value === null || !("kind" in value)) return undefined;
  if (value.kind === "exited" && "code" in value && typeof value.code === "number")
    return { kind: "exited", code: value.code };
  if (value.kind === "signaled" && "signal" in value && typeof value.signal === "number")
    return { kind: "signaled", signal: value.signal };
  return undefined;
}

function parseJson(payload: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(payload)) as unknown;
  } catch {
    return undefined;
  }
}
