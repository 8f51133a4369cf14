/** Cuts a SPDY/3.1 connection's bytes into what they say (SPDY/3 §2.2, §2.6); what a stream may do is not decided here. */
import type { HeaderField } from "../h2/header-field.ts";
import { ByteInput } from "../http1/byte-input.ts";
import { parseHeaderBlock } from "./header-block.ts";
import { HeaderInflater } from "./inflate.ts";
import { controlType, flag, spdyVersion } from "./spdy-frame.ts";

/** What the peer said. */
export type SpdyEvent =
  | {
      readonly kind: "syn-stream";
      readonly streamId: number;
      readonly headers: readonly HeaderField[];
      /** The peer will send nothing on it. */
      readonly isEnd: boolean;
    }
  | {
      readonly kind: "syn-reply" | "headers";
      readonly streamId: number;
      readonly headers: readonly HeaderField[];
      readonly isEnd: boolean;
    }
  | { readonly kind: "reset"; readonly streamId: number; readonly status: number }
  | { readonly kind: "ping"; readonly id: number }
  | { readonly kind: "go-away"; readonly lastStreamId: number; readonly status: number }
  /** Some bytes of a stream: a view, valid as long as the input's. */
  | { readonly kind: "data"; readonly streamId: number; readonly bytes: Uint8Array; readonly isEnd: boolean }
  /** The connection cannot go on. */
  | { readonly kind: "problem"; readonly reason: string };

/** Bounds of what a peer may send. */
export interface SpdyLimits {
  /** A control frame, a compressed header block, and one decompressed: 64 KiB. */
  readonly controlBytesMax: number;
  /** Headers in a block: 100. */
  readonly headersMax: number;
}

/** The bounds used where nothing else is said. */
export const defaultSpdyLimits: SpdyLimits = { controlBytesMax: 64 << 10, headersMax: 100 };

const headBytes = 8;

interface DataFrame {
  readonly streamId: number;
  readonly isEnd: boolean;
  left: number;
}

/** See the file's head. */
export class SpdyReader {
  readonly #limits: SpdyLimits;
  readonly #input = new ByteInput();
  readonly #inflater: HeaderInflater;
  #data: DataFrame | undefined;
  #problem: SpdyEvent | undefined;

  constructor(limits: SpdyLimits = defaultSpdyLimits) {
    this.#limits = limits;
    this.#inflater = new HeaderInflater(limits.controlBytesMax);
  }

  /** Adds received bytes: borrowed until {@link read} returned undefined or {@link retain} was called. */
  push(bytes: Uint8Array): void {
    this.#input.push(bytes);
  }

  /** Copies what was pushed and not read. */
  retain(): void {
    this.#input.retain();
  }

  /** Bytes received and not read. */
  get available(): number {
    return this.#input.available;
  }

  /** The next thing said; undefined until more bytes come. A problem is final. */
  read(): SpdyEvent | undefined {
    for (;;) {
      if (this.#problem !== undefined) return this.#problem;
      if (this.#data !== undefined) return this.#readData(this.#data);
      if (this.#input.available < headBytes) return undefined;
      const { bytes, at } = this.#input;
      const view = new DataView(bytes.buffer, bytes.byteOffset + at);
      const isControl = (view.getUint8(0) & 0x80) !== 0;
      const event = isControl ? this.#readControl(view) : this.#beginData(view);
      if (event === "ignored") continue;
      if (event?.kind === "problem") this.#problem = event;
      return event;
    }
  }

  #beginData(view: DataView): SpdyEvent | undefined {
    const streamId = view.getUint32(0);
    if (streamId === 0) return problem("data of no stream");
    this.#input.at += headBytes;
    this.#data = { streamId, isEnd: (view.getUint8(4) & flag.end) !== 0, left: lengthOf(view) };
    return this.#readData(this.#data);
  }

  #readData(frame: DataFrame): SpdyEvent | undefined {
    const { streamId } = frame;
    const size = Math.min(frame.left, this.#input.available);
    if (size === 0 && frame.left > 0) return undefined;
    const bytes = this.#input.bytes.subarray(this.#input.at, this.#input.at + size);
    this.#input.at += size;
    frame.left -= size;
    const isEnd = frame.isEnd && frame.left === 0;
    if (frame.left === 0) this.#data = undefined;
    return { kind: "data", streamId, bytes, isEnd };
  }

  #readControl(view: DataView): SpdyEvent | "ignored" | undefined {
    const length = lengthOf(view);
    if ((view.getUint16(0) & 0x7fff) !== spdyVersion) return problem("another version than SPDY/3");
    if (length > this.#limits.controlBytesMax) return problem("a control frame that is too long");
    if (this.#input.available < headBytes + length) return undefined;
    const { bytes, at } = this.#input;
    this.#input.at += headBytes + length;
    const payload = bytes.subarray(at + headBytes, at + headBytes + length);
    return this.#parseControl(view.getUint16(2), view.getUint8(4), payload);
  }

  #parseControl(type: number, flags: number, payload: Uint8Array): SpdyEvent | "ignored" {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    const isEnd = (flags & flag.end) !== 0;
    if (payload.length < (shortest.get(type) ?? 0)) return problem("a control frame that is too short");
    switch (type) {
      case controlType.synStream: {
        const headers = this.#readHeaders(payload.subarray(10));
        if (typeof headers === "string") return problem(headers);
        return { kind: "syn-stream", streamId: idAt(view, 0), headers, isEnd };
      }
      case controlType.synReply:
      case controlType.headers: {
        const headers = this.#readHeaders(payload.subarray(4));
        if (typeof headers === "string") return problem(headers);
        const kind = type === controlType.headers ? "headers" : "syn-reply";
        return { kind, streamId: idAt(view, 0), headers, isEnd };
      }
      case controlType.reset:
        return { kind: "reset", streamId: idAt(view, 0), status: view.getUint32(4) };
      case controlType.ping:
        return { kind: "ping", id: view.getUint32(0) };
      case controlType.goAway:
        return { kind: "go-away", lastStreamId: idAt(view, 0), status: view.getUint32(4) };
    }
    // Settings and windows, which Kubernetes' peers do not keep to, and whatever else is not known (SPDY/3 §2.2.1).
    return "ignored";
  }

  #readHeaders(compressed: Uint8Array): readonly HeaderField[] | string {
    const block = this.#inflater.inflate(compressed);
    if (!block.ok) return block.error;
    const fields = parseHeaderBlock(block.value, this.#limits.headersMax);
    return fields.ok ? fields.value : fields.error;
  }
}

const shortest: ReadonlyMap<number, number> = new Map([
  [controlType.synStream, 10],
  [controlType.synReply, 4],
  [controlType.headers, 4],
  [controlType.reset, 8],
  [controlType.ping, 4],
  [controlType.goAway, 8],
]);

function lengthOf(view: DataView): number {
  return view.getUint32(4) & 0xffffff;
}

function idAt(view: DataView, at: number): number {
  return view.getUint32(at) & 0x7fffffff;
}

function problem(reason: string): SpdyEvent {
  return { kind: "problem", reason };
}
