/** The cluster's name server for Pods outside the mesh, on the address that their resolvers ask, in the node's namespace; what it does not know it asks the host's resolvers. */
import type { IpAddress } from "#core/address/ip.ts";
import { formatFault, formatRefusal } from "#core/dns/format-answer.ts";
import { type AnswerRecord, formatRecords, pointerType, serviceType } from "#core/dns/format-records.ts";
import {
  type DnsQuery,
  isInternet,
  parseAnswer,
  parseQuery,
  recordType,
  responseCode,
} from "#core/dns/message.ts";
import type { Clock } from "#host/clock.ts";
import type { DnsUpstream } from "#host/dns/dns-upstream.ts";
import { dnsPort, serveNamesByTcp, serveNamesByUdp } from "#host/dns/name-sockets.ts";
import type { Libc } from "#host/linux/libc.ts";
import { startListen } from "#host/linux/sockets.ts";
import type { Log } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import { listenStreams } from "#host/tunnel/socket-stream.ts";
import { findClusterName, type ServiceIndex } from "./cluster-names.ts";

/** What the server needs. */
export interface NameServerOptions {
  readonly libc: Libc;
  readonly clock: Clock;
  readonly log: Log;
  readonly address: IpAddress;
  readonly domain: string;
  readonly index: ServiceIndex;
  readonly upstream: DnsUpstream;
  /** In [0, 1). */
  readonly random: () => number;
}

const tcpBytesMax = 65_535;

/** Starts serving. @returns how to stop. @throws LinuxError when the address cannot be bound */
export function serveNames(options: NameServerOptions): () => void {
  const { libc, clock, log, address } = options;
  const turn = (message: Uint8Array, transport: "udp" | "tcp") => answer(options, message, transport);
  const namespaceFd = libc.homeNamespace;
  const fd = startListen(libc, namespaceFd, { address, port: dnsPort });
  const listener = listenStreams({ kind: "fd", fd }, serveNamesByTcp(clock, turn));
  const closeUdp = serveNamesByUdp({ libc, log, namespaceFd, address, options: {}, turn });
  return () => {
    listener.close();
    closeUdp();
  };
}

async function answer(
  options: NameServerOptions,
  message: Uint8Array,
  transport: "udp" | "tcp",
): Promise<Uint8Array | undefined> {
  const read = parseQuery(message);
  if (!read.ok) return read.error.id === undefined ? undefined : formatFault(read.error.id, read.error.code);
  const query = read.value;
  if (!isInternet(query)) return formatRefusal(query, responseCode.refused);
  const bytesMax = transport === "tcp" ? tcpBytesMax : query.udpBytesMax;
  const found = findClusterName(query.name, options.domain, options.index);
  switch (found.kind) {
    case "records":
      return formatRecords(query, shuffle(asked(query, found.records), options.random), bytesMax);
    case "unknown":
      return formatRefusal(query, responseCode.nxDomain);
    case "alias": {
      const behind = await lookUp(options, query, found.target);
      return formatRecords(query, [{ kind: "alias", target: found.target }, ...behind], bytesMax);
    }
    case "outside":
      return askOthers(options, { query, message, transport });
  }
}

/** The records of the asked type: a name may exist without any. */
function asked(query: DnsQuery, records: readonly AnswerRecord[]): readonly AnswerRecord[] {
  return records.filter((record) => {
    switch (record.kind) {
      case "address":
        return query.type === (record.address.includes(":") ? recordType.aaaa : recordType.a);
      case "service":
        return query.type === serviceType;
      case "pointer":
        return query.type === pointerType;
      case "alias":
        return true;
    }
  });
}

/** The addresses behind an alias, as the host's resolvers know them; none when they do not. */
async function lookUp(
  { upstream, log }: NameServerOptions,
  query: DnsQuery,
  target: string,
): Promise<readonly AnswerRecord[]> {
  const message = questionFor(query, target);
  const read = parseQuery(message);
  if (!read.ok) return [];
  try {
    const found = parseAnswer(await upstream.ask(read.value, message, "udp"));
    return (found?.addresses ?? []).map(({ ip }) => ({ kind: "address", name: target, address: ip }));
  } catch (error) {
    log.debug("name not looked up", { name: target, error: errorText(error) });
    return [];
  }
}

/** The same question about another name. */
function questionFor(query: DnsQuery, name: string): Uint8Array {
  const labels = name.split(".").flatMap((label) => [label.length, ...Buffer.from(label)]);
  const bytes = Buffer.from([0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 0, 0, 1]);
  bytes.writeUInt16BE(query.id, 0);
  bytes.writeUInt16BE(query.type, bytes.length - 4);
  return bytes;
}

async function askOthers(
  { upstream, log }: NameServerOptions,
  asking: { readonly query: DnsQuery; readonly message: Uint8Array; readonly transport: "udp" | "tcp" },
): Promise<Uint8Array> {
  const { query, message, transport } = asking;
  try {
    return await upstream.ask(query, message, transport);
  } catch (error) {
    log.debug("name not looked up", { name: query.name, error: errorText(error) });
    return formatRefusal(query, responseCode.serverFailure);
  }
}

function shuffle<Item>(items: readonly Item[], random: () => number): readonly Item[] {
  if (items.length < 2) return items;
  return items
    .map((item) => ({ item, order: random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item);
}
