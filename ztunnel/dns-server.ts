/** A name server inside a workload's namespace, on the address that its resolver asks, by UDP and TCP; what is answered is decided elsewhere. */
import type { IpAddress } from "#core/address/ip.ts";
import { withNamespace } from "#host/linux/namespaces.ts";
import { startListen } from "#host/linux/sockets.ts";
import { listenStreams } from "#host/tunnel/socket-stream.ts";
import type { SocketStream } from "#host/tunnel/tcp-stream.ts";
import { errorText } from "#host/mesh-error.ts";
import { answerName, type NameServer } from "./answer-name.ts";
import { frameMessage, MessageReader } from "./dns-frames.ts";
import type { Parts } from "./parts.ts";

const dnsPort = 53;
const tcpConnectionsMax = 16;
const tcpIdleMs = 10_000;
const tcpMessageBytesMax = 4096;
/** Queries that one TCP connection may have waiting for their answers. */
const tcpPendingMax = 16;

/** Starts serving. @returns how to stop. @throws LinuxError when the address cannot be bound. */
export function openDnsServer(parts: Parts, server: NameServer, address: IpAddress): () => void {
  const turn: Turn = (message, transport) => answerName(parts, server, message, transport);
  const { libc } = parts;
  const { namespaceFd } = server.workload;
  const fd = startListen(libc, namespaceFd, { address, port: dnsPort }, { freeBind: true });
  const listener = listenStreams({ kind: "fd", fd }, acceptLimited(parts, turn));
  const closeUdp = serveUdp(parts, { namespaceFd, address, turn });
  return () => {
    listener.close();
    closeUdp();
  };
}

/** Answers a message; undefined when it deserves none. */
type Turn = (message: Uint8Array, transport: "udp" | "tcp") => Promise<Uint8Array | undefined>;

function serveUdp(
  parts: Parts,
  place: { readonly namespaceFd: number; readonly address: IpAddress; readonly turn: Turn },
): () => void {
  let isOpen = true;
  const opening = withNamespace(parts.libc, place.namespaceFd, () =>
    Bun.udpSocket({
      hostname: place.address,
      port: dnsPort,
      socket: {
        data(socket, bytes, port, address) {
          const told = place.turn(Uint8Array.from(bytes), "udp").then((answer) => {
            if (answer !== undefined && isOpen) sendAnswer(() => socket.send(answer, port, address));
          });
          told.catch((error: unknown) =>
            parts.log.debug("name not answered", { asker: `${address}:${port}`, error: errorText(error) }),
          );
        },
        // An earlier asker is gone: the kernel tells the socket that all share, and no one else is concerned.
        error() {},
      },
    }),
  );
  opening.catch((error: unknown) => parts.log.error("name server not opened", { error: errorText(error) }));
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

function acceptLimited(parts: Parts, turn: Turn): (stream: SocketStream) => void {
  let open = 0;
  return (stream) => {
    if (open >= tcpConnectionsMax) return stream.reset();
    open++;
    serveTcp(parts, stream, turn, () => open--);
  };
}

function serveTcp(parts: Parts, stream: SocketStream, turn: Turn, onClose: () => void): void {
  const reader = new MessageReader(tcpMessageBytesMax);
  let waiting = Promise.resolve();
  let pending = 0;
  let timer = parts.clock.after(tcpIdleMs, () => stream.reset());
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
      timer = parts.clock.after(tcpIdleMs, () => stream.reset());
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
