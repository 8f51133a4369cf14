/** HTTP/1.1 over TLS on a port of 127.0.0.1, with connections that can become something else; Bun's own server cannot give one away. */
import type { Clock } from "#host/clock.ts";
import { listenStreams } from "#host/tunnel/socket-stream.ts";
import type { WatchLeft } from "./given-stream.ts";
import { HttpConnection } from "./http-connection.ts";

/** Where to listen, and who answers. */
export interface ServeHttpOptions {
  /** 0 takes a free one. */
  readonly port: number;
  readonly keyPem: string;
  readonly chainPem: string;
  readonly bodyBytesMax: number;
  /** Must not reject. */
  readonly handle: (request: Request) => Promise<Response>;
  readonly clock: Clock;
  /** Watches the clients of connections that were given away. */
  readonly watchLeft?: WatchLeft;
}

/** A server that runs. */
export interface HttpServer {
  readonly port: number;
  readonly connectionsOpen: number;
  /** Stops listening and ends every connection. */
  close(): void;
}

/** Connections at once; further ones are closed before TLS. */
const connectionsMax = 4096;
/** How long a request may take to arrive. */
const arrivalMs = 60_000;
/** How long a connection is kept without a request, as kube-apiserver does. */
const idleMs = 180_000;
const sweepMs = 5000;

/** Opens it. @throws the system's error when the port is taken */
export function serveHttp(options: ServeHttpOptions): HttpServer {
  const connections = new Set<HttpConnection>();
  const { clock, handle, bodyBytesMax, watchLeft } = options;
  const date = makeDate(clock);
  const listener = listenStreams(
    { kind: "address", hostname: "127.0.0.1", port: options.port },
    (stream) => {
      if (connections.size >= connectionsMax) return stream.reset();
      const connection: HttpConnection = new HttpConnection(stream, {
        handle,
        bodyBytesMax,
        monotonicMs: () => clock.monotonicMs(),
        date,
        ...(watchLeft === undefined ? {} : { watchLeft }),
        onClose: () => connections.delete(connection),
      });
      connections.add(connection);
    },
    { key: options.keyPem, cert: options.chainPem },
  );
  let sweeping = clock.after(sweepMs, sweep);
  function sweep(): void {
    const now = clock.monotonicMs();
    for (const connection of connections) {
      const since = connection.idleSinceMs;
      const mostMs = connection.isInRequest ? arrivalMs : idleMs;
      if (since === undefined || now - since < mostMs) continue;
      // One that was told before and did not go is cut.
      if (now - since > mostMs + 2 * sweepMs) connection.cut();
      else connection.expire();
    }
    sweeping = clock.after(sweepMs, sweep);
  }
  return {
    port: listener.port ?? options.port,
    get connectionsOpen() {
      return connections.size;
    },
    close() {
      sweeping.cancel();
      listener.close();
      for (const connection of connections) connection.cut();
    },
  };
}

/** Text of the present second, made once in it. */
function makeDate(clock: Clock): () => string {
  let second = 0;
  let text = "";
  return () => {
    const now = Math.floor(clock.nowMs() / 1000);
    if (now !== second) text = new Date(now * 1000).toUTCString();
    second = now;
    return text;
  };
}
