/** What a peer's SETTINGS and WINDOW_UPDATE do to the send windows, and its SETTINGS ACK to ours (RFC 9113 §6.5, §6.9). */
import { errorCodes } from "./error-code.ts";
import { frameFlags, int31Max } from "./frame.ts";
import type { HeaderReceiver, ReceiverParts } from "./header-receiver.ts";
import { withSettings } from "./settings.ts";

/** Takes SETTINGS and WINDOW_UPDATE. */
export class FlowReceiver {
  readonly #parts: ReceiverParts;
  readonly #headers: HeaderReceiver;

  constructor(parts: ReceiverParts, headers: HeaderReceiver) {
    this.#parts = parts;
    this.#headers = headers;
  }

  /** Takes the peer's settings, or its acknowledgement of ours. */
  onSettings(flags: number, payload: Uint8Array): void {
    const { state } = this.#parts;
    if ((flags & frameFlags.ack) !== 0) {
      this.#onSettingsAck();
      return;
    }
    if (!this.#parts.budget.spend("settings")) {
      this.#fail(errorCodes.enhanceYourCalm, "Cannot take SETTINGS as useful: too many of them");
      return;
    }
    const before = state.peer;
    const from = state.options.role === "server" ? "client" : "server";
    const after = withSettings(before, payload, from);
    if (!after.ok) {
      this.#parts.sender.fail(after.error);
      return;
    }
    state.peer = after.value;
    this.#parts.sender.resizeEncoderTable(after.value.headerTableBytes);
    if (!this.#shiftSendWindows(after.value.windowBytes - before.windowBytes)) return;
    this.#parts.sender.settingsAck();
    this.#parts.sender.drain();
    state.handler.onStreamsChanged();
  }

  #onSettingsAck(): void {
    const { state } = this.#parts;
    if (state.isAcknowledged) {
      this.#fail(errorCodes.protocolError, "Cannot take SETTINGS as acknowledged: none are outstanding");
      return;
    }
    state.isAcknowledged = true;
    // From here on the peer counts with our window, for open streams as well (§6.9.2).
    const delta = state.options.streamWindowBytes - state.streamWindowBytes;
    state.streamWindowBytes = state.options.streamWindowBytes;
    for (const stream of state.streams.all()) stream.wire.receiveWindowBytes += delta;
  }

  #shiftSendWindows(delta: number): boolean {
    if (delta === 0) return true;
    for (const stream of this.#parts.state.streams.all()) {
      stream.wire.sendWindowBytes += delta;
      if (stream.wire.sendWindowBytes > int31Max) {
        return this.#fail(
          errorCodes.flowControlError,
          "Cannot take INITIAL_WINDOW_SIZE as lawful: a window overflows",
        );
      }
    }
    return true;
  }

  /** Opens a send window. */
  onWindowUpdate(streamId: number, increment: number): void {
    const { state } = this.#parts;
    if (!this.#parts.budget.spend("windowUpdate")) {
      this.#fail(errorCodes.enhanceYourCalm, "Cannot take WINDOW_UPDATE as useful: too many of them");
      return;
    }
    if (streamId === 0) {
      this.#openConnectionWindow(increment);
      return;
    }
    const stream = state.streams.find(streamId);
    if (stream === undefined) {
      if (state.streams.isIdle(streamId)) {
        const message = `Cannot take WINDOW_UPDATE as on an open stream: stream ${streamId} is idle`;
        this.#fail(errorCodes.protocolError, message);
      }
      return;
    }
    if (increment === 0) this.#headers.breakStream(stream, errorCodes.protocolError, "WINDOW_UPDATE of 0");
    else if ((stream.wire.sendWindowBytes += increment) > int31Max) {
      this.#headers.breakStream(
        stream,
        errorCodes.flowControlError,
        "WINDOW_UPDATE beyond the largest window",
      );
    } else this.#parts.sender.drainStream(stream);
  }

  #openConnectionWindow(increment: number): void {
    const { state } = this.#parts;
    if (increment === 0) {
      this.#fail(errorCodes.protocolError, "Cannot take WINDOW_UPDATE as an increment: 0");
      return;
    }
    state.sendWindowBytes += increment;
    if (state.sendWindowBytes > int31Max) {
      this.#fail(
        errorCodes.flowControlError,
        `Cannot take the connection's window as at most ${int31Max}: it overflows`,
      );
      return;
    }
    this.#parts.sender.drain();
  }

  #fail(code: number, message: string): false {
    this.#parts.sender.fail({ code, message });
    return false;
  }
}
