/** A plain TCP connection as a {@link ByteStream}: accepted, dialled or adopted by descriptor; no TLS. */
import type { Socket, SocketHandler, TCPSocketListener, TLSOptions } from "bun";
import { type Clock, systemClock } from "../clock.ts";
import type { TunnelDial } from "./open-tunnel.ts";
import { type SocketStream, TcpStream } from "./tcp-stream.ts";
import { TunnelError } from "./tunnel-error.ts";
import type { ListenTarget } from "./tunnel-listener.ts";

/** A listener of plain TCP that runs. */
export interface StreamListener {
  /** Undefined when the listener was made elsewhere (`fd`). */
  readonly port: number | undefined;
  /** Stops accepting; connections live on. */
  close(): void;
}

/** How long a connection may take to come about. */
export interface ConnectOptions {
  /** 10 s by default. */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
}

const connectTimeoutMs = 10_000;

/**
 * Accepts TCP connections. `onStream` is called with each; it sets the handler at once or later.
 * @param tls what the connections carry is inside TLS of this; the handshake needs the handler too
 * @throws when the address cannot be bound.
 */
export function listenStreams(
  target: ListenTarget,
  onStream: (stream: SocketStream) => void,
  tls?: TLSOptions,
): StreamListener {
  const socket: SocketHandler<TcpStream> = {
    open(accepted) {
      const stream = new TcpStream(accepted);
      accepted.data = stream;
      onStream(stream);
    },
    ...streamHandler,
  };
  const listener = listenAt(target, socket, tls);
  return {
    port: target.kind === "address" ? listener.port : undefined,
    close: () => listener.stop(),
  };
}

/**
 * Makes a TCP connection, or waits until an adopted one is connected.
 * @throws TunnelError (rejects) with code connect or timeout.
 */
export function connectStream(dial: TunnelDial, options: ConnectOptions = {}): Promise<SocketStream> {
  const { promise, resolve, reject } = Promise.withResolvers<SocketStream>();
  const timeoutMs = options.timeoutMs ?? connectTimeoutMs;
  let connecting: Socket<TcpStream> | undefined;
  let isLate = false;
  const timer = (options.clock ?? systemClock).after(timeoutMs, () => {
    isLate = true;
    reject(new TunnelError("timeout", `Cannot connect within ${timeoutMs} ms`));
    connecting?.terminate();
  });
  const fail = (cause: unknown): void => {
    timer.cancel();
    reject(connectError(cause));
  };
  const succeed = (socket: Socket<TcpStream>): void => {
    timer.cancel();
    const stream = new TcpStream(socket);
    socket.data = stream;
    resolve(stream);
  };
  const socket: SocketHandler<TcpStream> = {
    ...streamHandler,
    open(opened) {
      connecting = opened;
      if (isLate) opened.terminate();
      else if (isConnected(opened)) succeed(opened);
      else opened.pause();
    },
    // An adopted socket is "open" while still connecting; it can be written to, and asked for its peer, once it is connected.
    drain(drained) {
      if (drained.data !== undefined) drained.data.onSocketDrain();
      else if (isConnected(drained)) succeed(drained);
    },
    close(closed, error) {
      if (closed.data === undefined) fail(error ?? new Error("it was refused"));
      else closed.data.onSocketClose(error);
    },
    connectError: (_failed, error) => fail(error),
  };
  const connectedTo =
    dial.kind === "fd"
      ? // Sound: descriptors are taken by `connect` itself, only its types lack an overload for them.
        Bun.connect({ fd: dial.fd, allowHalfOpen: true, socket } as unknown as ConnectArguments)
      : Bun.connect({ hostname: dial.hostname, port: dial.port, allowHalfOpen: true, socket });
  connectedTo.catch(fail);
  return promise;
}

type ConnectArguments = Parameters<typeof Bun.connect<TcpStream>>[0];

/** Shared by every connection of this kind, unix ones too; the stream is the socket's `data`. */
export const streamHandler: SocketHandler<TcpStream> = {
  data: (socket, bytes) => streamOf(socket)?.onSocketData(bytes),
  drain: (socket) => streamOf(socket)?.onSocketDrain(),
  end: (socket) => streamOf(socket)?.onSocketEnd(),
  close: (socket, error) => streamOf(socket)?.onSocketClose(error),
  error(socket, error) {
    const stream = streamOf(socket);
    if (stream === undefined) socket.terminate();
    else stream.onSocketError(error);
  },
};

/** A connection that ends while it is being opened, in the midst of TLS for instance, has no stream: it is told of all the same. */
function streamOf(socket: Socket<TcpStream>): TcpStream | undefined {
  return socket.data;
}

function listenAt(
  target: ListenTarget,
  socket: SocketHandler<TcpStream>,
  tls: TLSOptions | undefined,
): TCPSocketListener<TcpStream> {
  if (target.kind === "address") {
    const { hostname, port } = target;
    return Bun.listen({ hostname, port, allowHalfOpen: true, socket, ...(tls === undefined ? {} : { tls }) });
  }
  // Sound: descriptors are taken by `listen` itself, only its types lack an overload for them.
  return Bun.listen({ fd: target.fd, allowHalfOpen: true, socket } as unknown as {
    hostname: string;
    port: number;
    socket: typeof socket;
  });
}

/** By the peer's port: its address, once asked for in vain, stays unknown to the engine for the socket's life. */
function isConnected(socket: Socket<TcpStream>): boolean {
  return socket.remotePort > 0;
}

function connectError(cause: unknown): TunnelError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new TunnelError("connect", `Cannot connect: ${reason}`, { cause });
}
