/** Many watches of one object, told when each has its next event: HTTP/1.1 over TLS by hand, since a hundred fetches would be measured themselves. */
import type { Socket } from "bun";

/** What is watched. */
export interface WatchOptions {
  readonly url: string;
  readonly token: string;
  readonly ca: string;
  readonly path: string;
  /** The object's name. */
  readonly name: string;
  readonly count: number;
}

/** Open watches. */
export interface Watches {
  /** When each watch has its next event, by the clock of `performance.now`. */
  next(): Promise<readonly number[]>;
  close(): void;
}

/** Opens them; they see only what comes after. @throws Error when one is refused */
export async function openWatches(options: WatchOptions): Promise<Watches> {
  let arrivals: number[] = [];
  let done: ((arrivals: readonly number[]) => void) | undefined;
  const onEvent = (): void => {
    arrivals.push(performance.now());
    if (arrivals.length < options.count) return;
    done?.(arrivals);
    arrivals = [];
  };
  const sockets = await Promise.all(Array.from({ length: options.count }, () => openWatch(options, onEvent)));
  return {
    next: () => new Promise((resolve) => (done = resolve)),
    close: () => sockets.forEach((socket) => socket.terminate()),
  };
}

function openWatch(options: WatchOptions, onEvent: () => void): Promise<Socket> {
  const { hostname, port } = new URL(options.url);
  const query = `watch=true&fieldSelector=metadata.name%3D${options.name}&timeoutSeconds=600`;
  const request = [
    `GET ${options.path}?${query} HTTP/1.1`,
    `host: ${hostname}`,
    `authorization: Bearer ${options.token}`,
    "accept: application/json",
    "",
    "",
  ].join("\r\n");
  return new Promise((resolve, reject) => {
    let isOpen = false;
    Bun.connect({
      hostname,
      port: Number(port),
      tls: { ca: options.ca },
      socket: {
        handshake: (socket) => void socket.write(request),
        data(socket, bytes) {
          const text = bytes.toString("latin1");
          if (!isOpen) {
            isOpen = true;
            if (text.startsWith("HTTP/1.1 200")) resolve(socket);
            else reject(new Error(`Cannot watch: ${text.slice(0, 300)}`));
          }
          // An event is a line that begins so; an object of this size comes in one piece.
          if (text.includes('{"type":"')) onEvent();
        },
        error: (_socket, error) => reject(error),
        close: () => reject(new Error("Cannot watch: the server hung up")),
      },
    }).catch(reject);
  });
}
