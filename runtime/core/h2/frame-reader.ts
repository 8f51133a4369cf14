/** Cuts a byte stream, split anywhere, into HTTP/2 frames (RFC 9113 §4.1); DATA flows through without being collected. */
import { errorCodes } from "./error-code.ts";
import { clientPreface, frameFlags, frameHeaderBytes, frameTypes, readUint32 } from "./frame.ts";
import { findViolation, type FrameHeader, formatFrameType } from "./frame-rules.ts";
import type { Violation } from "./settings.ts";

/** Who takes the frames. */
export interface FrameSink {
  /** A DATA frame begins; `length` counts against the windows, padding included. */
  onDataStart(streamId: number, length: number): void;
  /** A piece of its data; a view of what was pushed. */
  onDataBytes(bytes: Uint8Array): void;
  onDataEnd(flags: number): void;
  /** Any other known frame, whole, padding and priority still in it. The payload is valid during the call. */
  onFrame(header: FrameHeader, payload: Uint8Array): void;
  /** The peer broke a rule of framing: a connection error. */
  onViolation(violation: Violation): void;
}

/** What is being read. */
type Mode = "preface" | "header" | "payload" | "padLength" | "data" | "skip";

/** Frame payloads that are collected whole are at most this large, whatever MAX_FRAME_SIZE we announced. */
const collectedBytesMax = 65_536;

/** One connection's reader. */
export class FrameReader {
  readonly #sink: FrameSink;
  readonly #frameBytesMax: number;
  readonly #header = new Uint8Array(frameHeaderBytes);
  #mode: Mode;
  /** Bytes of the preface, the header or the collected payload that are here already. */
  #filled = 0;
  #length = 0;
  #type = 0;
  #flags = 0;
  #streamId = 0;
  /** Payload bytes still to come in modes data and skip. */
  #left = 0;
  #padding = 0;
  #collected: Uint8Array = new Uint8Array(0);
  #isFirst = true;
  /** The stream whose header block is open: only its CONTINUATION may come (§6.10). */
  #blockStreamId = 0;
  #isBroken = false;

  constructor(sink: FrameSink, options: { readonly frameBytesMax: number; readonly expectPreface: boolean }) {
    this.#sink = sink;
    this.#frameBytesMax = options.frameBytesMax;
    this.#mode = options.expectPreface ? "preface" : "header";
  }

  /** Takes no more: the connection is over. */
  stop(): void {
    this.#isBroken = true;
  }

  /** Takes bytes as they came, cut anywhere. */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (!this.#isBroken && (at < bytes.length || this.#isEmptyFrame())) at = this.#step(bytes, at);
  }

  #isEmptyFrame(): boolean {
    return this.#mode === "payload" && this.#length === 0;
  }

  #step(bytes: Uint8Array, at: number): number {
    switch (this.#mode) {
      case "preface":
        return this.#readPreface(bytes, at);
      case "header":
        return this.#readHeader(bytes, at);
      case "payload":
        return this.#readPayload(bytes, at);
      case "padLength":
        return this.#readPadLength(bytes, at);
      case "data":
        return this.#readData(bytes, at);
      case "skip":
        break;
    }
    return this.#skip(bytes, at);
  }

  #readPreface(bytes: Uint8Array, at: number): number {
    if (bytes[at] !== clientPreface.charCodeAt(this.#filled)) {
      this.#break(errorCodes.protocolError, "Cannot read the connection as HTTP/2: its preface is wrong");
      return at;
    }
    this.#filled++;
    if (this.#filled === clientPreface.length) {
      this.#filled = 0;
      this.#mode = "header";
    }
    return at + 1;
  }

  #readHeader(bytes: Uint8Array, at: number): number {
    if (this.#filled === 0 && bytes.length - at >= frameHeaderBytes) {
      this.#startFrame(bytes, at);
      return at + frameHeaderBytes;
    }
    const count = Math.min(frameHeaderBytes - this.#filled, bytes.length - at);
    this.#header.set(bytes.subarray(at, at + count), this.#filled);
    this.#filled += count;
    if (this.#filled === frameHeaderBytes) {
      this.#filled = 0;
      this.#startFrame(this.#header, 0);
    }
    return at + count;
  }

  #startFrame(bytes: Uint8Array, at: number): void {
    const word = readUint32(bytes, at);
    this.#length = word >>> 8;
    this.#type = word & 0xff;
    this.#flags = bytes[at + 4] ?? 0;
    this.#streamId = readUint32(bytes, at + 5) & 0x7fff_ffff;
    if (!this.#isAllowedHere()) return;
    this.#left = this.#length;
    this.#padding = 0;
    if (this.#type === frameTypes.data) this.#startData();
    else if (this.#type > frameTypes.continuation) this.#startUnknown();
    else this.#startCollecting();
  }

  #isAllowedHere(): boolean {
    if (this.#length > this.#frameBytesMax) {
      const message = `Cannot take a frame as at most ${this.#frameBytesMax} bytes: ${this.#length}`;
      return this.#break(errorCodes.frameSizeError, message);
    }
    const name = this.#type;
    if (this.#isFirst && (name !== frameTypes.settings || (this.#flags & frameFlags.ack) !== 0)) {
      const message = `Cannot take the first frame as SETTINGS: ${formatFrameType(name)}`;
      return this.#break(errorCodes.protocolError, message);
    }
    this.#isFirst = false;
    const isContinuation = name === frameTypes.continuation;
    if (
      isContinuation !== this.#blockStreamId > 0 ||
      (isContinuation && this.#streamId !== this.#blockStreamId)
    ) {
      const message = `Cannot take ${formatFrameType(name)} on stream ${this.#streamId} here: open header block of stream ${this.#blockStreamId}`;
      return this.#break(errorCodes.protocolError, message);
    }
    // DATA is the frame of every byte: it is judged without making an object of its header.
    if (name === frameTypes.data && this.#streamId !== 0) return true;
    const violation = findViolation(this.#frameHeader());
    return violation === undefined || this.#break(violation.code, violation.message);
  }

  #frameHeader(): FrameHeader {
    return { type: this.#type, flags: this.#flags, streamId: this.#streamId, length: this.#length };
  }

  #startData(): void {
    this.#sink.onDataStart(this.#streamId, this.#length);
    if ((this.#flags & frameFlags.padded) !== 0) {
      if (this.#length === 0) this.#breakPadding();
      else this.#mode = "padLength";
    } else if (this.#length === 0) this.#endData();
    else this.#mode = "data";
  }

  /** Unknown types are ignored (§5.5), but the sink counts them. */
  #startUnknown(): void {
    this.#mode = this.#length > 0 ? "skip" : "header";
    this.#sink.onFrame(this.#frameHeader(), nothing);
  }

  #startCollecting(): void {
    if (this.#type === frameTypes.headers || this.#type === frameTypes.continuation) {
      this.#blockStreamId = (this.#flags & frameFlags.endHeaders) === 0 ? this.#streamId : 0;
    }
    if (this.#length > collectedBytesMax && this.#type !== frameTypes.goaway) {
      const name = formatFrameType(this.#type);
      const message = `Cannot take ${name} as at most ${collectedBytesMax} bytes: ${this.#length}`;
      this.#break(errorCodes.enhanceYourCalm, message);
      return;
    }
    this.#mode = "payload";
  }

  #readPayload(bytes: Uint8Array, at: number): number {
    // Debug data of GOAWAY can be as large as a frame: what is beyond our bound is skipped.
    const wanted = Math.min(this.#length, collectedBytesMax);
    if (this.#filled === 0 && bytes.length - at >= wanted) {
      this.#endCollecting(bytes.subarray(at, at + wanted), wanted);
      return at + wanted;
    }
    if (this.#collected.length < wanted) this.#collected = grownCopy(this.#collected, this.#filled, wanted);
    const count = Math.min(wanted - this.#filled, bytes.length - at);
    this.#collected.set(bytes.subarray(at, at + count), this.#filled);
    this.#filled += count;
    if (this.#filled === wanted) {
      this.#filled = 0;
      this.#endCollecting(this.#collected.subarray(0, wanted), wanted);
    }
    return at + count;
  }

  #endCollecting(payload: Uint8Array, count: number): void {
    this.#left = this.#length - count;
    this.#mode = this.#left > 0 ? "skip" : "header";
    this.#sink.onFrame(this.#frameHeader(), payload);
  }

  #readPadLength(bytes: Uint8Array, at: number): number {
    this.#padding = bytes[at] ?? 0;
    this.#left = this.#length - 1 - this.#padding;
    if (this.#left < 0) this.#breakPadding();
    else if (this.#left > 0) this.#mode = "data";
    else this.#endData();
    return at + 1;
  }

  #readData(bytes: Uint8Array, at: number): number {
    const count = Math.min(this.#left, bytes.length - at);
    this.#left -= count;
    if (this.#left === 0) this.#mode = "header";
    this.#sink.onDataBytes(at === 0 && count === bytes.length ? bytes : bytes.subarray(at, at + count));
    if (this.#left === 0 && !this.#isBroken) this.#endData();
    return at + count;
  }

  #endData(): void {
    this.#left = this.#padding;
    this.#mode = this.#left > 0 ? "skip" : "header";
    this.#sink.onDataEnd(this.#flags);
  }

  #skip(bytes: Uint8Array, at: number): number {
    const count = Math.min(this.#left, bytes.length - at);
    this.#left -= count;
    if (this.#left === 0) this.#mode = "header";
    return at + count;
  }

  #breakPadding(): void {
    this.#break(
      errorCodes.protocolError,
      `Cannot take padding as less than the frame: ${this.#length} bytes`,
    );
  }

  #break(code: number, message: string): false {
    this.#isBroken = true;
    this.#sink.onViolation({ code, message });
    return false;
  }
}

const nothing = new Uint8Array(0);

function grownCopy(bytes: Uint8Array, used: number, length: number): Uint8Array {
  const grown = new Uint8Array(Math.max(length, 1024));
  grown.set(bytes.subarray(0, used));
  return grown;
}
