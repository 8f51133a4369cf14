/** A name server inside a workload's namespace, on the address that its resolver asks, by UDP and TCP; what is answered is decided elsewhere. */
import { writeFileSync } from "node:fs";
import type { IpAddress } from "#core/address/ip.ts";
import { withNamespace } from "#host/linux/namespaces.ts";
import { applyOptions, type SocketOptions, startListen } from "#host/linux/sockets.ts";
import { listenStreams } from "#host/tunnel/socket-stream.ts";
import type { SocketStream } from "#host/tunnel/tcp-stream.ts";
import { errorText } from "#host/mesh-error.ts";
import { answerName, type NameServer } from "./answer-name.ts";
import { frameMessage, MessageReader } from "./dns-frames.ts";
import type { Parts } from "./parts.ts";

const dnsPort = 53;
/** Lets the engine, which cannot set options before it binds, bind any address; of the namespace that the thread is in. */
const bindAnyPath = "/proc/sys/net/ipv4/ip_nonlocal_bind";
const tcpConnectionsMax = 16;
const tcpIdleMs = 10_000;
const tcpMessageBytesMax = 4096;
/** Queries that one TCP connection may have waiting for their answers. */
const tcpPendingMax = 16;

/** Starts serving on an address that the workload's namespace has. @returns how to stop. @throws LinuxError when it cannot be bound. */
export function openDnsServer(parts: Parts, server: NameServer, address: IpAddress): () => void {
  const { libc } = parts;
  const at = { address, port: dnsPort };
  const fd = startListen(libc, server.workload.namespaceFd, at, { freeBind: true });
  const listener = listenStreams({ kind: "fd", fd }, serveNameStreams(parts, server));
  const closeUdp = serveUdp(parts, server, { address, options: {} });
  return () => {
    listener.close();
    closeUdp();
  };
}

/** Serves queries by UDP to an address that is not the namespace's own, from sockets with these options. @returns how to stop. */
export function openCapturedNames(
  parts: Parts,
  server: NameServer,
  socket: { readonly address: IpAddress; readonly options: SocketOptions },
): () => void {
  withNamespace(parts.libc, server.workload.namespaceFd, () => writeFileSync(bindAnyPath, "1"));
  return serveUdp(parts, server, socket);
}

/** Serves name queries on TCP connections that were accepted elsewhere. */
export function serveNameStreams(parts: Parts, server: NameServer): (stream: SocketStream) => void {
  return acceptLimited(parts, turnOf(parts, server));
}

/** Answers a message; undefined when it deserves none. */
type Turn = (message: Uint8Array, transport: "udp" | "tcp") => Promise<Uint8Array | undefined>;

function turnOf(parts: Parts, server: NameServer): Turn {
  return (message, transport) => answerName(parts, server, message, transport);
}

function serveUdp(
  parts: Parts,
  server: NameServer,
  { address, options }: { readonly address: IpAddress; readonly options: SocketOptions },
): () => void {
  const { libc } = parts;
  const turn = turnOf(parts, server);
  let isOpen = true;
  const opening = withNamespace(libc, server.workload.namespaceFd, () =>
    Bun.udpSocket({
      hostname: address,
      port: dnsPort,
      socket: {
        data(socket, bytes, port, asker) {
          const told = turn(Uint8Array.from(bytes), "udp").then((answer) => {
            if (answer !== undefined && isOpen) sendAnswer(() => socket.send(answer, port, asker));
          });
          told.catch((error: unknown) =>
            parts.log.debug("name not answered", { asker: `${asker}:${port}`, error: errorText(error) }),
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
