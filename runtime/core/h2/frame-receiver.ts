/** The receiving half of an HTTP/2 connection: what each frame does to the windows, the streams and the settings. */
import { AbuseBudget } from "./abuse-budget.ts";
import type { ConnectionState } from "./connection-state.ts";
import { errorCodes, formatErrorCode, H2Error } from "./error-code.ts";
import { frameFlags, frameTypes, int31Max, readUint32 } from "./frame.ts";
import type { FrameSink } from "./frame-reader.ts";
import { type FrameHeader, formatFrameType } from "./frame-rules.ts";
import { FlowReceiver } from "./flow-receiver.ts";
import type { FrameSender } from "./frame-sender.ts";
import type { H2Stream } from "./h2-stream.ts";
import { HeaderReceiver } from "./header-receiver.ts";
import type { Violation } from "./settings.ts";

/** Takes the frames that the reader has cut out. */
export class FrameReceiver implements FrameSink {
  readonly #state: ConnectionState;
  readonly #sender: FrameSender;
  readonly #budget = new AbuseBudget();
  readonly #headers: HeaderReceiver;
  readonly #flow: FlowReceiver;
  readonly #onPing: (payload: Uint8Array) => void;
  /** The stream of the DATA frame being read; undefined when its data goes nowhere. */
  #dataStream: H2Stream | undefined;
  /** Flow-controlled bytes of that frame not yet given back: at its end, the padding. */
  #dataLeft = 0;
  #dataSeen = false;

  constructor(state: ConnectionState, sender: FrameSender, onPing: (payload: Uint8Array) => void) {
    this.#state = state;
    this.#sender = sender;
    this.#onPing = onPing;
    const parts = { state, sender, budget: this.#budget };
    this.#headers = new HeaderReceiver(parts);
    this.#flow = new FlowReceiver(parts, this.#headers);
  }

  /** Time has passed: the peer's budget of cheap work is full again. */
  refill(): void {
    this.#budget.refill();
  }

  onViolation(violation: Violation): void {
    this.#sender.fail(violation);
  }

  onDataStart(streamId: number, length: number): void {
    const state = this.#state;
    this.#dataStream = undefined;
    this.#dataLeft = length;
    this.#dataSeen = false;
    state.receiveWindowBytes -= length;
    if (state.receiveWindowBytes < 0) {
      this.#fail(
        errorCodes.flowControlError,
        `Cannot take DATA as within the connection's window: ${length} bytes`,
      );
      return;
    }
    const stream = state.streams.find(streamId);
    if (stream === undefined) {
      this.#onDataNowhere(streamId);
      return;
    }
    if (stream.isRemoteEnded)
      this.#headers.breakStream(stream, errorCodes.streamClosed, "DATA after its end");
    else if (state.options.role === "client" && !stream.isAnswered) {
      this.#headers.breakStream(stream, errorCodes.protocolError, "DATA before its head");
    } else if ((stream.wire.receiveWindowBytes -= length) < 0) {
      this.#headers.breakStream(stream, errorCodes.flowControlError, "more DATA than its window");
    } else this.#dataStream = stream;
  }

  onDataBytes(bytes: Uint8Array): void {
    this.#dataLeft -= bytes.length;
    this.#dataSeen = true;
    const stream = this.#dataStream;
    if (stream === undefined || stream.isClosed) {
      this.#sender.credit(bytes.length);
      return;
    }
    const { wire } = stream;
    if (wire.contentLeft >= 0 && (wire.contentLeft -= bytes.length) < 0) {
      this.#headers.breakStream(stream, errorCodes.protocolError, "more content than its content-length");
      this.#sender.credit(bytes.length);
      return;
    }
    stream.acceptData(bytes);
  }

  onDataEnd(flags: number): void {
    const stream = this.#dataStream;
    const isLast = (flags & frameFlags.endStream) !== 0;
    this.#dataStream = undefined;
    if (this.#dataSeen) {
      this.#budget.earn("ping", 1);
      this.#budget.earn("emptyData", 1);
    } else if (!isLast && !this.#budget.spend("emptyData")) this.#calm("empty DATA");
    if (stream === undefined || stream.isClosed) {
      if (this.#dataLeft > 0) this.#sender.credit(this.#dataLeft);
      return;
    }
    if (this.#dataLeft > 0) this.#sender.consumed(stream, this.#dataLeft);
    if (!isLast) return;
    if (stream.wire.contentLeft > 0) {
      this.#headers.breakStream(stream, errorCodes.protocolError, "less content than its content-length");
    } else {
      this.#budget.earn("reset", 1);
      stream.acceptEnd();
    }
  }

  onFrame(header: FrameHeader, payload: Uint8Array): void {
    switch (header.type) {
      case frameTypes.headers:
      case frameTypes.continuation:
        this.#headers.take(header, payload);
        return;
      case frameTypes.rstStream:
        this.#onReset(header.streamId, readUint32(payload, 0));
        return;
      case frameTypes.settings:
        this.#flow.onSettings(header.flags, payload);
        return;
      case frameTypes.ping:
        this.#onPingFrame(header.flags, payload);
        return;
      case frameTypes.goaway:
        this.#onGoaway(payload);
        return;
      case frameTypes.windowUpdate:
        this.#flow.onWindowUpdate(header.streamId, readUint32(payload, 0) & int31Max);
        return;
      default:
        // PRIORITY and unknown types mean nothing to us (§5.3.2, §5.5), but a flood of them is work.
        if (!this.#budget.spend("ignored")) this.#calm(formatFrameType(header.type));
    }
  }

  #onDataNowhere(streamId: number): void {
    const { streams } = this.#state;
    if (streams.isIdle(streamId)) {
      this.#fail(
        errorCodes.protocolError,
        `Cannot take DATA as on an open stream: stream ${streamId} is idle`,
      );
    } else if (!streams.wasReset(streamId)) {
      if (this.#budget.spend("reset")) this.#sender.resetId(streamId, errorCodes.streamClosed);
      else this.#calm("DATA on closed streams");
    }
  }

  #onReset(streamId: number, code: number): void {
    const { streams } = this.#state;
    const stream = streams.find(streamId);
    if (stream === undefined) {
      if (streams.isIdle(streamId)) {
        this.#fail(
          errorCodes.protocolError,
          `Cannot take RST_STREAM as on an open stream: stream ${streamId} is idle`,
        );
      }
      return;
    }
    const isRapid = this.#state.options.role === "server" && !stream.isAnswered;
    if (isRapid && !this.#budget.spend("reset")) {
      this.#calm("RST_STREAM before the answer");
      return;
    }
    if (code === errorCodes.noError && stream.isAnswered) {
      stream.acceptQuietReset();
      return;
    }
    stream.fail(
      new H2Error(`Cannot use the stream as open: its peer reset it with ${formatErrorCode(code)}`, {
        code,
        source: "peer",
        isUnprocessed: code === errorCodes.refusedStream,
      }),
    );
  }

  #onPingFrame(flags: number, payload: Uint8Array): void {
    if ((flags & frameFlags.ack) !== 0) {
      if (this.#budget.spend("ignored")) this.#onPing(payload);
      else this.#calm("PING ACK");
    } else if (this.#budget.spend("ping")) this.#sender.ping(payload, frameFlags.ack);
    else this.#calm("PING");
  }

  #onGoaway(payload: Uint8Array): void {
    const state = this.#state;
    if (!this.#budget.spend("ignored")) {
      this.#calm("GOAWAY");
      return;
    }
    const last = readUint32(payload, 0) & int31Max;
    const code = readUint32(payload, 4);
    state.goawayReceived = Math.min(last, state.goawayReceived ?? int31Max);
    if (state.options.role === "client") {
      for (const stream of state.streams.all()) {
        if (stream.id <= state.goawayReceived) continue;
        const message = `Cannot use the stream as processed: GOAWAY with ${formatErrorCode(code)}`;
        stream.fail(new H2Error(message, { code, source: "peer", isUnprocessed: true }));
      }
    }
    state.handler.onGoaway();
  }

  #calm(what: string): void {
    this.#fail(errorCodes.enhanceYourCalm, `Cannot take ${what} as useful: too much of it`);
  }

  #fail(code: number, message: string): false {
    this.#sender.fail({ code, message });
    return false;
  }
}
