/** Name queries as they come, by UDP and TCP, answered by whoever is asked here; what is answered is decided elsewhere. */
import type { IpAddress } from "#core/address/ip.ts";
import type { Clock } from "#host/clock.ts";
import type { Libc } from "#host/linux/libc.ts";
import { withNamespace } from "#host/linux/namespaces.ts";
import { applyOptions, type SocketOptions } from "#host/linux/sockets.ts";
import type { Log } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import type { SocketStream } from "#host/tunnel/tcp-stream.ts";
import { frameMessage, MessageReader } from "./dns-frames.ts";

/** Where name servers listen. */
export const dnsPort = 53;
const tcpConnectionsMax = 16;
const tcpIdleMs = 10_000;
const tcpMessageBytesMax = 4096;
/** Queries that one TCP connection may have waiting for their answers. */
const tcpPendingMax = 16;

/** Answers a message; undefined when it deserves none. */
export type NameTurn = (message: Uint8Array, transport: "udp" | "tcp") => Promise<Uint8Array | undefined>;

/** Where and for whom names are served by UDP. */
export interface NameSocketOptions {
  readonly libc: Libc;
  readonly log: Log;
  readonly namespaceFd: number;
  readonly address: IpAddress;
  readonly options: SocketOptions;
  readonly turn: NameTurn;
}

/** Serves queries by UDP. @returns how to stop */
export function serveNamesByUdp(place: NameSocketOptions): () => void {
  const { libc, log, namespaceFd, address, options, turn } = place;
  let isOpen = true;
  const opening = withNamespace(libc, namespaceFd, () =>
    Bun.udpSocket({
      hostname: address,
      port: dnsPort,
      socket: {
        data(socket, bytes, port, asker) {
          const told = turn(Uint8Array.from(bytes), "udp").then((answer) => {
            if (answer !== undefined && isOpen) sendAnswer(() => socket.send(answer, port, asker));
          });
          told.catch((error: unknown) =>
            log.debug("name not answered", { asker: `${asker}:${port}`, error: errorText(error) }),
          );
        },
        // An earlier asker is gone: the kernel tells the socket that all share, and no one else is concerned.
        error() {},
      },
    }),
  ).then((socket) => {
    // Sound: sockets have it, only their types do not.
    applyOptions(libc, (socket as unknown as { readonly fd: number }).fd, false, options);
    return socket;
  });
  opening.catch((error: unknown) => log.error("name server not opened", { error: errorText(error) }));
  return () => {
    isOpen = false;
    void opening.then(
      (socket) => socket.close(),
      () => undefined, // it never opened, and was reported then
    );
  };
}

/**
 * The news that an earlier asker is gone fails whatever is sent next, once: that next one is another asker's answer.
 * @throws when it cannot be sent for a reason of its own.
 */
function sendAnswer(send: () => boolean): void {
  try {
    send();
  } catch {
    send();
  }
}

/** Serves queries on TCP connections that were accepted elsewhere; no more of them than are bounded here. */
export function serveNamesByTcp(clock: Clock, turn: NameTurn): (stream: SocketStream) => void {
  let open = 0;
  return (stream) => {
    if (open >= tcpConnectionsMax) return stream.reset();
    open++;
    serveTcp(clock, stream, turn, () => open--);
  };
}

function serveTcp(clock: Clock, stream: SocketStream, turn: NameTurn, onClose: () => void): void {
  const reader = new MessageReader(tcpMessageBytesMax);
  let waiting = Promise.resolve();
  let pending = 0;
  let timer = clock.after(tcpIdleMs, () => stream.reset());
  const answer = async (message: Uint8Array): Promise<void> => {
    const answered = await turn(message, "tcp");
    pending--;
    if (answered === undefined) return stream.reset();
    const framed = frameMessage(answered);
    // An asker that does not read its answers gets no more of them.
    if (stream.write(framed) < framed.length) stream.reset();
  };
  stream.handle({
    onData(bytes) {
      timer.cancel();
      timer = clock.after(tcpIdleMs, () => stream.reset());
      const messages = reader.push(bytes);
      pending += messages?.length ?? 0;
      if (messages === undefined || pending > tcpPendingMax) return stream.reset();
      for (const message of messages) waiting = waiting.then(() => answer(message));
    },
    onDrain() {},
    onEnd: () => void waiting.then(() => stream.end()),
    onClose() {
      timer.cancel();
      onClose();
    },
  });
}
