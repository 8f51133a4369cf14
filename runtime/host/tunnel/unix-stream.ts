/** Connections over a unix path as {@link ByteStream}s; who is at the other end is not asked here. */
import { chmodSync, rmSync } from "node:fs";
import type { SocketHandler } from "bun";
import type { ByteStream } from "../byte-stream.ts";
import { errorText, MeshError } from "../mesh-error.ts";
import { streamHandler } from "./socket-stream.ts";
import { TcpStream } from "./tcp-stream.ts";

/** A connection; its descriptor is for waiting, not to be closed. */
export interface UnixStream extends ByteStream {
  readonly fd: number;
}

/** A served path; closing it leaves connections alone. */
export interface UnixListener {
  close(): void;
}

/** Serves a path, mode 0600, replacing a stale socket file. `onStream` sets the handler at once or later. */
export function listenUnixStreams(path: string, onStream: (stream: UnixStream) => void): UnixListener {
  rmSync(path, { force: true });
  const socket: SocketHandler<TcpStream> = {
    ...streamHandler,
    open(accepted) {
      const stream = new TcpStream(accepted);
      accepted.data = stream;
      onStream(stream);
    },
  };
  const listener = Bun.listen<TcpStream>({ unix: path, allowHalfOpen: true, socket } as UnixOptions);
  chmodSync(path, 0o600);
  return {
    close() {
      listener.stop();
      rmSync(path, { force: true });
    },
  };
}

type UnixOptions = Parameters<typeof Bun.listen<TcpStream>>[0] & { unix: string };

/**
 * Connects to a served path.
 * @throws MeshError (rejects) `unavailable` when nobody serves it
 */
export async function connectUnixStream(path: string): Promise<ByteStream> {
  const opened = Promise.withResolvers<ByteStream>();
  const socket: SocketHandler<TcpStream> = {
    ...streamHandler,
    open(connected) {
      const stream = new TcpStream(connected);
      connected.data = stream;
      opened.resolve(stream);
    },
    connectError: (_failed, error) => opened.reject(error),
  };
  try {
    await Bun.connect({ unix: path, allowHalfOpen: true, socket } as ConnectOptions);
    return await opened.promise;
  } catch (error) {
    opened.promise.catch(() => undefined); // Told by what is thrown.
    throw new MeshError("unavailable", `Cannot connect to "${path}": ${errorText(error)}`, error);
  }
}

type ConnectOptions = Parameters<typeof Bun.connect<TcpStream>>[0] & { unix: string };
