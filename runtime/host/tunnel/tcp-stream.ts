/** One TCP socket behind the {@link ByteStream} port: half-close, resets and pauses as the kernel does them; no connecting. */
import type { Socket } from "bun";
import type { SocketAddress } from "#core/address/socket-address.ts";
import { ByteQueue } from "#core/h2/byte-queue.ts";
import type { ByteStream, ByteStreamHandler } from "../byte-stream.ts";
import { localAddressOf, peerAddressOf } from "./socket-address.ts";

/** A TCP connection. Bytes that arrive before a handler is set wait in the kernel. */
export interface SocketStream extends ByteStream {
  readonly localAddress: SocketAddress;
  readonly peerAddress: SocketAddress;
  /** The descriptor, for socket options; not to be closed. */
  readonly fd: number;
}

/** How long a connection may be silent before the kernel asks whether its peer still lives: Istio's value. */
const keepAliveMs = 180_000;

/** A connected socket. It is paused until it has a handler. */
export class TcpStream implements SocketStream {
  readonly #socket: Socket<TcpStream>;
  #handler: ByteStreamHandler | undefined;
  #isPaused = false;
  #isReading = false;
  /** What the engine delivered in spite of a pause: the rest of what it had read. */
  #held: ByteQueue | undefined;
  #localEnded = false;
  #remoteEnded = false;
  #endDelivered = false;
  #isClosed = false;
  #closeDelivered = false;
  #error: Error | undefined;

  constructor(socket: Socket<TcpStream>) {
    this.#socket = socket;
    socket.pause();
    socket.setKeepAlive(true, keepAliveMs);
  }

  get localAddress(): SocketAddress {
    return localAddressOf(this.#socket);
  }

  get peerAddress(): SocketAddress {
    return peerAddressOf(this.#socket);
  }

  get fd(): number {
    // Sound: sockets have it, only their types do not.
    return (this.#socket as unknown as { readonly fd: number }).fd;
  }

  write(bytes: Uint8Array): number {
    if (this.#localEnded || this.#isClosed || bytes.length === 0) return 0;
    const taken = this.#socket.write(bytes);
    if (taken >= 0) return taken;
    // The kernel tells a reset once, and it has told it to this write: what the reader sees next looks like a clean end.
    this.#error ??= new Error("Cannot write to the connection as open: its peer reset it");
    return 0;
  }

  end(): void {
    if (this.#localEnded || this.#isClosed) return;
    this.#localEnded = true;
    if (this.#remoteEnded) this.#socket.end();
    else this.#socket.shutdown();
  }

  reset(): void {
    if (this.#isClosed) {
      this.#held = undefined;
      this.#deliverClose();
      return;
    }
    this.#error ??= new Error("Cannot use the connection as open: it was reset here");
    this.#socket.terminate();
    this.onSocketClose(undefined);
  }

  pause(): void {
    this.#isPaused = true;
    this.#stopReading();
  }

  resume(): void {
    this.#isPaused = false;
    this.#flush();
  }

  handle(handler: ByteStreamHandler): void {
    this.#handler = handler;
    this.#flush();
  }

  onSocketData(bytes: Uint8Array): void {
    if (this.#handler === undefined || this.#isPaused || this.#held !== undefined) {
      this.#held ??= new ByteQueue();
      this.#held.push(bytes);
    } else this.#handler.onData(bytes);
  }

  onSocketDrain(): void {
    if (!this.#localEnded) this.#handler?.onDrain();
  }

  onSocketEnd(): void {
    this.#remoteEnded = true;
    if (this.#error !== undefined) this.#socket.terminate();
    else if (this.#localEnded) this.#socket.end();
    this.#deliver();
  }

  /** Code that was called with bytes threw: the connection dies, the process lives. */
  onSocketError(error: Error): void {
    this.#error ??= error;
    this.reset();
  }

  onSocketClose(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#error ??= error;
    // Once our side was shut down, the engine tells the peer's FIN and the close as one.
    if (this.#error === undefined) this.#remoteEnded = true;
    else this.#held = undefined;
    this.#deliver();
  }

  #flush(): void {
    if (this.#isPaused || this.#handler === undefined) return;
    this.#deliver();
    if (this.#isPaused || this.#isReading || this.#isClosed) return;
    this.#isReading = true;
    this.#socket.resume();
  }

  #stopReading(): void {
    if (!this.#isReading || this.#isClosed) return;
    this.#isReading = false;
    this.#socket.pause();
  }

  /** What is held, then the end, then the close: as far as the pause allows. An error does not wait. */
  #deliver(): void {
    this.#deliverHeld();
    if (this.#handler === undefined) return;
    if (this.#error === undefined && (this.#isPaused || this.#held !== undefined)) return;
    if (this.#remoteEnded && !this.#endDelivered && this.#error === undefined) {
      this.#endDelivered = true;
      this.#handler.onEnd();
    }
    if (this.#isClosed) this.#deliverClose();
  }

  #deliverHeld(): void {
    while (this.#held !== undefined && !this.#isPaused && this.#handler !== undefined) {
      const block = this.#held.shift();
      if (block === undefined) this.#held = undefined;
      else this.#handler.onData(block);
    }
  }

  #deliverClose(): void {
    if (this.#closeDelivered || this.#handler === undefined) return;
    this.#closeDelivered = true;
    this.#handler.onClose(this.#error);
  }
}
