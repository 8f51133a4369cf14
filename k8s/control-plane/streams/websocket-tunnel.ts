/** The bytes of another protocol in the binary messages of a WebSocket, as a {@link ByteStream}; where messages begin and end means nothing. */
import type { ByteStream, ByteStreamHandler } from "#host/byte-stream.ts";
import { closeCode, type MessagePart, WebSocketPeer } from "./websocket-peer.ts";

/** See the file's head. */
export class WebSocketTunnel implements ByteStream {
  readonly #peer: WebSocketPeer;
  readonly #rest: Uint8Array;
  #handler: ByteStreamHandler | undefined;
  #isStarted = false;
  #isEnded = false;
  #isClosed = false;

  /** @param rest what of the connection was read already */
  constructor(stream: ByteStream, rest: Uint8Array) {
    this.#peer = new WebSocketPeer(stream);
    this.#rest = rest;
  }

  write(bytes: Uint8Array): number {
    if (this.#isEnded || this.#isClosed || this.#peer.isFull) return 0;
    this.#peer.send("binary", [bytes]);
    return bytes.length;
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#peer.close(closeCode.normal);
  }

  reset(): void {
    this.#peer.close(closeCode.internalError);
    this.#onClose();
  }

  pause(): void {
    if (this.#isStarted) this.#peer.pause();
  }

  resume(): void {
    if (this.#isStarted) return this.#peer.resume();
    this.#isStarted = true;
    this.#peer.start(this.#rest, {
      onPart: (part) => this.#onPart(part),
      onRoom: () => this.#handler?.onDrain(),
      onClose: () => this.#onClose(),
    });
  }

  handle(handler: ByteStreamHandler): void {
    this.#handler = handler;
  }

  #onPart({ isText, bytes }: MessagePart): void {
    if (isText) return this.#peer.close(closeCode.protocolError);
    if (bytes.length > 0) this.#handler?.onData(bytes);
  }

  #onClose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#handler?.onClose();
  }
}
