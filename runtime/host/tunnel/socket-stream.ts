/** A plain TCP connection as a {@link ByteStream}: accepted, dialled or adopted by descriptor; no TLS. */
import type { SocketAddress } from "#core/address/socket-address.ts";
import type { ByteStream } from "../byte-stream.ts";
import type { ListenTarget } from "./tunnel-listener.ts";
import type { TunnelDial } from "./open-tunnel.ts";

/** A TCP connection. Bytes that arrive before a handler is set wait in the kernel. */
export interface SocketStream extends ByteStream {
  readonly localAddress: SocketAddress;
  readonly peerAddress: SocketAddress;
  /** The descriptor, for socket options; not to be closed. */
  readonly fd: number;
}

/** A listener of plain TCP that runs. */
export interface StreamListener {
  /** Undefined when the listener was made elsewhere (`fd`). */
  readonly port: number | undefined;
  /** Stops accepting; connections live on. */
  close(): void;
}

/** Accepts TCP connections. `onStream` is called with each; it sets the handler at once or later. @throws when the address cannot be bound. */
export declare function listenStreams(
  target: ListenTarget,
  onStream: (stream: SocketStream) => void,
): StreamListener;

/**
 * Makes a TCP connection, or waits until an adopted one is connected.
 * @throws TunnelError (rejects) with code connect or timeout.
 */
export declare function connectStream(
  dial: TunnelDial,
  options?: { readonly timeoutMs?: number },
): Promise<SocketStream>;
