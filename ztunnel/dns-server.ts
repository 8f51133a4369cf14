/** A name server inside a workload's namespace, on the address that its resolver asks, by UDP and TCP; what is answered is decided elsewhere. */
import type { IpAddress } from "#core/address/ip.ts";
import { withNamespace } from "#host/linux/namespaces.ts";
import { startListen } from "#host/linux/sockets.ts";
import { listenStreams, type SocketStream } from "#host/tunnel/socket-stream.ts";
import { errorText } from "#host/mesh-error.ts";
import { answerName, type NameServer } from "./answer-name.ts";
import { frameMessage, MessageReader } from "./dns-frames.ts";
import type { Parts } from "./parts.ts";

const dnsPort = 53;
/** Queries of one workload that wait for others' answers. */
const inFlightMax = 64;
const tcpConnectionsMax = 16;
const tcpIdleMs = 10_000;
const tcpMessageBytesMax = 4096;

/** Starts serving. @returns how to stop. @throws LinuxError when the address cannot be bound. */
export function openDnsServer(parts: Parts, server: NameServer, address: IpAddress): () => void {
  const turn = makeTurn(parts, server);
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

/** Answers within the workload's bound; undefined when there is no answer, or no room for the question. */
type Turn = (message: Uint8Array, transport: "udp" | "tcp") => Promise<Uint8Array | undefined>;

function makeTurn(parts: Parts, server: NameServer): Turn {
  let inFlight = 0;
  return async (message, transport) => {
    // Silence, as from a busy server: the asker's resolver asks again.
    if (inFlight >= inFlightMax) return undefined;
    inFlight++;
    try {
      return await answerName(parts, server, message, transport);
    } finally {
      inFlight--;
    }
  };
}

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
          void place.turn(Uint8Array.from(bytes), "udp").then((answer) => {
            if (answer !== undefined && isOpen) socket.send(answer, port, address);
          });
        },
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
  let timer = parts.clock.after(tcpIdleMs, () => stream.reset());
  const answer = async (message: Uint8Array): Promise<void> => {
    const answered = await turn(message, "tcp");
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
      if (messages === undefined) return stream.reset();
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
