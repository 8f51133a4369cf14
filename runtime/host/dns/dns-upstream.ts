/** Asks the host's resolver what the mesh does not know, from the host's namespace, by UDP or TCP; bounded in number and time. */
import type { SocketAddress } from "#core/address/socket-address.ts";
import { type IpAddress, parseIp } from "#core/address/ip.ts";
import { type DnsQuery, parseAnswer } from "#core/dns/message.ts";
import { withId } from "#core/dns/format-answer.ts";
import type { Clock } from "#host/clock.ts";
import type { Libc } from "#host/linux/libc.ts";
import { withNamespace } from "#host/linux/namespaces.ts";
import { startConnect } from "#host/linux/sockets.ts";
import { MeshError } from "#host/mesh-error.ts";
import { connectStream } from "#host/tunnel/socket-stream.ts";
import { frameMessage, MessageReader } from "./dns-frames.ts";

/** Asks others. */
export interface DnsUpstream {
  /**
   * Sends a query on as it came, under an id of its own, and gives the answer under the query's id.
   * @throws MeshError (rejects): `timeout`, `limit-reached`, `unavailable`.
   */
  ask(query: DnsQuery, message: Uint8Array, transport: "udp" | "tcp"): Promise<Uint8Array>;
}

/** What asking needs. */
export interface DnsUpstreamOptions {
  readonly libc: Libc;
  readonly clock: Clock;
  readonly hostNamespaceFd: number;
  /** In order of preference. */
  readonly resolvers: readonly SocketAddress[];
  /** In [0, 1). */
  readonly random: () => number;
}

const inFlightMax = 256;
const timeoutMs = 5000;
const messageBytesMax = 65_535;

/** Makes one. */
export function makeDnsUpstream(options: DnsUpstreamOptions): DnsUpstream {
  let inFlight = 0;
  return {
    async ask(query, message, transport) {
      const resolver = options.resolvers[Math.floor(options.random() * options.resolvers.length)];
      if (resolver === undefined)
        throw new MeshError("unavailable", `Cannot look up ${query.name}: no resolver is set up`);
      if (inFlight >= inFlightMax) {
        throw new MeshError(
          "limit-reached",
          `Cannot look up ${query.name}: ${inFlight} queries wait already`,
        );
      }
      inFlight++;
      try {
        const id = Math.floor(options.random() * 65_536);
        const exchange = transport === "udp" ? askByUdp : askByTcp;
        const answer = await exchange(options, resolver, {
          id,
          name: query.name,
          message: withId(message, id),
        });
        return withId(answer, query.id);
      } finally {
        inFlight--;
      }
    },
  };
}

interface Question {
  readonly id: number;
  readonly name: string;
  readonly message: Uint8Array;
}

/** A socket for each query: its port, chosen by the kernel, is what makes forging an answer hard. */
async function askByUdp(
  { libc, clock, hostNamespaceFd }: DnsUpstreamOptions,
  resolver: SocketAddress,
  question: Question,
): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const socket = await withNamespace(libc, hostNamespaceFd, () =>
    Bun.udpSocket({
      socket: {
        data(_socket, bytes, port, address) {
          const from = parseIp(address);
          const isResolver = from.ok && from.value === resolver.ip && port === resolver.port;
          if (isResolver && isAnswerTo(question, bytes)) resolve(Uint8Array.from(bytes));
        },
        error: (_socket, error) => reject(error),
      },
    }),
  );
  const timer = clock.after(timeoutMs, () => reject(tooLate(question)));
  try {
    socket.send(question.message, resolver.port, resolver.ip);
    return await promise;
  } finally {
    timer.cancel();
    socket.close();
  }
}

async function askByTcp(
  { libc, clock, hostNamespaceFd }: DnsUpstreamOptions,
  resolver: SocketAddress,
  question: Question,
): Promise<Uint8Array> {
  const to = { address: resolver.ip, port: resolver.port };
  const fd = startConnect(libc, hostNamespaceFd, { to });
  const stream = await connectStream({ kind: "fd", fd }, { timeoutMs, clock });
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const reader = new MessageReader(messageBytesMax);
  const timer = clock.after(timeoutMs, () => reject(tooLate(question)));
  stream.handle({
    onData(bytes) {
      for (const message of reader.push(bytes) ?? []) if (isAnswerTo(question, message)) resolve(message);
    },
    onDrain() {},
    onEnd: () =>
      reject(new MeshError("unavailable", `Cannot look up ${question.name}: the resolver hung up`)),
    onClose: () =>
      reject(new MeshError("unavailable", `Cannot look up ${question.name}: the resolver hung up`)),
  });
  try {
    // A query is far smaller than a socket's buffer: it is taken whole or the connection is useless.
    const framed = frameMessage(question.message);
    if (stream.write(framed) < framed.length) throw new MeshError("io-failed", "Cannot send a query whole");
    return await promise;
  } finally {
    timer.cancel();
    stream.reset();
  }
}

function isAnswerTo(question: Question, bytes: Uint8Array): boolean {
  const answer = parseAnswer(bytes);
  // An answer that the reader cannot follow is passed on when its id is right: the asker may know better.
  if (answer === undefined)
    return bytes.length >= 12 && (((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0)) === question.id;
  return answer.id === question.id && (answer.name === undefined || answer.name === question.name);
}

function tooLate(question: Question): MeshError {
  return new MeshError("timeout", `Cannot look up ${question.name}: no answer within ${timeoutMs} ms`);
}

/** The resolvers that a `resolv.conf` names, at most three as in libc. */
export function readResolvers(text: string): SocketAddress[] {
  const found: IpAddress[] = [];
  for (const line of text.split("\n")) {
    const [, address] = /^\s*nameserver\s+([^\s%]+)/.exec(line) ?? [];
    const ip = parseIp(address ?? "");
    if (ip.ok) found.push(ip.value);
  }
  return found.slice(0, 3).map((ip) => ({ ip, port: 53 }));
}
