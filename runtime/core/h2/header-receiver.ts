/** Puts header blocks together and turns them into requests, responses and trailers (RFC 9113 §6.2, §6.10, §8.1). */
import type { AbuseBudget } from "./abuse-budget.ts";
import type { ConnectionState } from "./connection-state.ts";
import { errorCodes, H2Error } from "./error-code.ts";
import { frameFlags, frameTypes, initialDefaults } from "./frame.ts";
import type { FrameHeader } from "./frame-rules.ts";
import type { FrameSender } from "./frame-sender.ts";
import { H2Stream } from "./h2-stream.ts";
import { findField, type HeaderField } from "./header-field.ts";
import {
  findRequestFault,
  findResponseFault,
  findTrailersFault,
  parseContentLength,
} from "./header-rules.ts";
import { type DecodedBlock, HpackDecoder } from "./hpack/hpack-decoder.ts";

/** Frames a block may be cut into: a flood of CONTINUATION ends here. */
const blockFramesMax = 64;

/** What the two parts of the receiving half share. */
export interface ReceiverParts {
  readonly state: ConnectionState;
  readonly sender: FrameSender;
  readonly budget: AbuseBudget;
}

/** Takes HEADERS and CONTINUATION. */
export class HeaderReceiver {
  readonly #parts: ReceiverParts;
  readonly #decoder: HpackDecoder;
  readonly #blockBytesMax: number;
  #block: Uint8Array = new Uint8Array(0);
  #blockBytes = 0;
  #blockFrames = 0;
  #isLast = false;

  constructor(parts: ReceiverParts) {
    this.#parts = parts;
    const listBytesMax = parts.state.options.headerListBytesMax;
    this.#decoder = new HpackDecoder({ tableBytesMax: initialDefaults.headerTableBytes, listBytesMax });
    // Coded fields are at most a few bytes longer than plain ones, so a block beyond this cannot be a lawful list.
    this.#blockBytesMax = listBytesMax + 4096;
  }

  /** Takes one frame, whose order the reader has checked. */
  take(header: FrameHeader, payload: Uint8Array): void {
    const isHeaders = header.type === frameTypes.headers;
    const fragment = isHeaders ? this.#strip(header, payload) : payload;
    if (fragment === undefined) return;
    if (isHeaders) this.#isLast = (header.flags & frameFlags.endStream) !== 0;
    if ((header.flags & frameFlags.endHeaders) !== 0 && this.#blockFrames === 0) {
      this.#finish(header.streamId, fragment);
      return;
    }
    if (!this.#append(fragment)) return;
    if ((header.flags & frameFlags.endHeaders) === 0) return;
    const whole = this.#block.subarray(0, this.#blockBytes);
    this.#blockBytes = 0;
    this.#blockFrames = 0;
    this.#finish(header.streamId, whole);
    this.#block = new Uint8Array(0);
  }

  #strip(header: FrameHeader, payload: Uint8Array): Uint8Array | undefined {
    const isPadded = (header.flags & frameFlags.padded) !== 0;
    const hasPriority = (header.flags & frameFlags.priority) !== 0;
    const start = (isPadded ? 1 : 0) + (hasPriority ? 5 : 0);
    const padding = isPadded ? (payload[0] ?? 0) : 0;
    if (start > payload.length) {
      const message = `Cannot take HEADERS as at least ${start} bytes: ${payload.length}`;
      this.#parts.sender.fail({ code: errorCodes.frameSizeError, message });
      return undefined;
    }
    if (start + padding > payload.length) {
      const message = `Cannot take padding as less than the frame: ${padding} bytes`;
      this.#parts.sender.fail({ code: errorCodes.protocolError, message });
      return undefined;
    }
    return payload.subarray(start, payload.length - padding);
  }

  #append(fragment: Uint8Array): boolean {
    const length = this.#blockBytes + fragment.length;
    this.#blockFrames++;
    if (length > this.#blockBytesMax || this.#blockFrames > blockFramesMax) {
      const message = `Cannot take a header block as at most ${this.#blockBytesMax} bytes in ${blockFramesMax} frames: ${length} in ${this.#blockFrames}`;
      this.#parts.sender.fail({ code: errorCodes.enhanceYourCalm, message });
      return false;
    }
    if (length > this.#block.length) {
      const grown = new Uint8Array(Math.max(length, this.#block.length * 2));
      grown.set(this.#block.subarray(0, this.#blockBytes));
      this.#block = grown;
    }
    this.#block.set(fragment, this.#blockBytes);
    this.#blockBytes = length;
    return true;
  }

  #finish(streamId: number, block: Uint8Array): void {
    const { state, sender } = this.#parts;
    if (block.length > this.#blockBytesMax) {
      const message = `Cannot take a header block as at most ${this.#blockBytesMax} bytes: ${block.length}`;
      sender.fail({ code: errorCodes.enhanceYourCalm, message });
      return;
    }
    // Decoded even for a stream that is gone: the table must stay in step with the peer's (RFC 9113 §4.3).
    const decoded = this.#decoder.decode(block);
    if (!decoded.ok) {
      sender.fail({ code: errorCodes.compressionError, message: decoded.error });
      return;
    }
    const stream = state.streams.find(streamId);
    if (stream !== undefined) this.#onStream(stream, decoded.value);
    else if (state.streams.isNextPeerId(streamId) && state.options.role === "server") {
      this.#onNewStream(streamId, decoded.value);
    } else this.#onNoStream(streamId);
  }

  #onNoStream(streamId: number): void {
    const { state, sender } = this.#parts;
    if (state.streams.wasReset(streamId)) return;
    const isIdle = state.streams.isIdle(streamId);
    sender.fail({
      code: isIdle ? errorCodes.protocolError : errorCodes.streamClosed,
      message: `Cannot take HEADERS as on an open stream: stream ${streamId} is ${isIdle ? "not the peer's to open" : "closed"}`,
    });
  }

  #onNewStream(id: number, { fields, isTooLarge }: DecodedBlock): void {
    const { state, sender } = this.#parts;
    state.streams.usePeerId(id);
    if (state.goawaySent !== undefined && id > state.goawaySent) {
      // GOAWAY has told the peer that this stream is not processed; its further frames are dropped like those of a reset one.
      state.streams.noteReset(id);
      return;
    }
    const contentLeft = parseContentLength(fields);
    const refusal = this.#decideRefusal(fields, isTooLarge, contentLeft);
    if (refusal !== undefined || contentLeft === undefined) {
      this.#refuse(id, refusal ?? errorCodes.protocolError);
      return;
    }
    const stream = new H2Stream(id, sender, {
      sendBytes: state.peer.windowBytes,
      receiveBytes: state.streamWindowBytes,
    });
    const method = findField(fields, ":method");
    stream.isConnect = method === "CONNECT";
    stream.isHeadRequest = method === "HEAD";
    stream.wire.contentLeft = stream.isConnect ? -1 : contentLeft;
    state.streams.add(stream);
    const isLast = this.#isLast;
    state.handler.onRequest(stream, fields);
    if (isLast && !stream.isClosed) stream.acceptEnd();
  }

  #decideRefusal(
    fields: readonly HeaderField[],
    isTooLarge: boolean,
    contentLeft: number | undefined,
  ): number | undefined {
    const { state } = this.#parts;
    if (isTooLarge) return errorCodes.enhanceYourCalm;
    if (findRequestFault(fields) !== undefined) return errorCodes.protocolError;
    if (contentLeft === undefined || (this.#isLast && contentLeft > 0)) return errorCodes.protocolError;
    return state.streams.size >= state.options.streamsMax ? errorCodes.refusedStream : undefined;
  }

  #onStream(stream: H2Stream, block: DecodedBlock): void {
    const isFirstHead = this.#parts.state.options.role === "client" && !stream.isAnswered;
    if (stream.isRemoteEnded) this.breakStream(stream, errorCodes.streamClosed, "HEADERS after its end");
    else if (block.isTooLarge)
      this.breakStream(stream, errorCodes.enhanceYourCalm, "a header list too large");
    else if (isFirstHead) this.#onResponse(stream, block.fields);
    else this.#onTrailers(stream, block.fields);
  }

  #onResponse(stream: H2Stream, fields: readonly HeaderField[]): void {
    const status = findField(fields, ":status") ?? "";
    const isInterim = status.startsWith("1");
    const isLast = this.#isLast;
    const contentLeft = parseContentLength(fields);
    const hasBody = !stream.isHeadRequest && !stream.isConnect && !isInterim && status !== "304";
    const fault = findResponseFault(fields) ?? findLengthFault(contentLeft, { isLast, isInterim, hasBody });
    if (fault !== undefined) {
      this.breakStream(stream, errorCodes.protocolError, fault);
      return;
    }
    if (hasBody) stream.wire.contentLeft = contentLeft ?? -1;
    if (!isInterim) stream.isAnswered = true;
    stream.acceptHead(fields, isLast);
    if (isLast && !stream.isClosed) stream.acceptEnd();
  }

  #onTrailers(stream: H2Stream, fields: readonly HeaderField[]): void {
    let fault = findTrailersFault(fields);
    if (stream.wire.contentLeft > 0) fault = "content shorter than its content-length";
    if (!this.#isLast) fault = "trailers that do not end it";
    if (stream.isConnect) fault = "HEADERS on a connected CONNECT stream";
    if (fault !== undefined) {
      this.breakStream(stream, errorCodes.protocolError, fault);
      return;
    }
    stream.acceptTrailers(fields);
    if (!stream.isClosed) stream.acceptEnd();
  }

  /** Resets a stream whose peer broke a rule on it. */
  breakStream(stream: H2Stream, code: number, what: string): void {
    this.#refuse(stream.id, code);
    stream.fail(
      new H2Error(`Cannot keep the stream as open: its peer sent ${what}`, { code, source: "local" }),
    );
  }

  #refuse(id: number, code: number): void {
    const { sender, budget } = this.#parts;
    if (budget.spend("reset")) sender.resetId(id, code);
    else
      sender.fail({
        code: errorCodes.enhanceYourCalm,
        message: "Cannot reset streams as fast as the peer breaks them",
      });
  }
}

function findLengthFault(
  contentLeft: number | undefined,
  head: { readonly isLast: boolean; readonly isInterim: boolean; readonly hasBody: boolean },
): string | undefined {
  if (contentLeft === undefined) return "a malformed content-length";
  if (!head.isLast) return undefined;
  if (head.isInterim) return "an interim response that ends it";
  return head.hasBody && contentLeft > 0 ? "content shorter than its content-length" : undefined;
}
