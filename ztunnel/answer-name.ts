/** Answers one name query of a workload: from the mesh, with a refusal, or from the host's resolver as its egress allows. */
import { formatAddresses, formatFault, formatRefusal } from "#core/dns/format-answer.ts";
import {
  type DnsQuery,
  isInternet,
  parseAnswer,
  parseQuery,
  recordType,
  responseCode,
} from "#core/dns/message.ts";
import { resolveName } from "#core/dns/resolve-name.ts";
import { allowsName } from "#core/mesh/egress-rules.ts";
import { errorText, meshErrorCode } from "#host/mesh-error.ts";
import type { DnsUpstream } from "#host/dns/dns-upstream.ts";
import type { LocalFacts, LocalWorkload } from "./local-workload.ts";
import type { OutsideNames } from "./outside-names.ts";
import type { Parts } from "./parts.ts";

/** A workload's name server. */
export interface NameServer {
  readonly workload: LocalWorkload;
  readonly upstream: DnsUpstream;
  readonly names: OutsideNames;
  /** Its queries that wait for others' answers. */
  waiting: number;
}

/** Queries of one workload that may wait for others' answers; names of the mesh are answered all the same. */
const waitingMax = 64;

/** The largest answer by TCP. */
const tcpBytesMax = 65_535;

/** Answers a message; undefined when it deserves none. Never throws. */
export async function answerName(
  parts: Parts,
  server: NameServer,
  message: Uint8Array,
  transport: "udp" | "tcp",
): Promise<Uint8Array | undefined> {
  const query = parseQuery(message);
  if (!query.ok)
    return query.error.id === undefined ? undefined : formatFault(query.error.id, query.error.code);
  const facts = server.workload.factsAt(parts.mesh.snapshot);
  // Without an identity it is not known whose names these are.
  if (facts === undefined) return formatRefusal(query.value, responseCode.serverFailure);
  const labels = labelsOf(query.value, transport, facts);
  parts.metrics.dnsRequests(labels).add();
  if (!isInternet(query.value)) return formatRefusal(query.value, responseCode.refused);
  const { namespace } = facts.source;
  const { network, domain } = parts.config;
  const meaning = resolveName(parts.mesh.snapshot, { namespace, network, domain }, query.value.name);
  if (meaning.kind === "unknown") return formatRefusal(query.value, responseCode.nxDomain);
  if (meaning.kind === "service") {
    const shuffled = shuffle(meaning.addresses, parts.random);
    return formatAddresses(
      query.value,
      shuffled,
      transport === "tcp" ? tcpBytesMax : query.value.udpBytesMax,
    );
  }
  if (facts.egress !== undefined && !allowsName(facts.egress, query.value.name)) {
    return formatRefusal(query.value, responseCode.nxDomain);
  }
  return await askOthers(parts, server, { query: query.value, message, transport, labels });
}

interface Forwarded {
  readonly query: DnsQuery;
  readonly message: Uint8Array;
  readonly transport: "udp" | "tcp";
  readonly labels: Parameters<Parts["metrics"]["dnsRequests"]>[0];
}

async function askOthers(
  { metrics, clock, log }: Parts,
  server: NameServer,
  { query, message, transport, labels }: Forwarded,
): Promise<Uint8Array> {
  if (server.waiting >= waitingMax) return formatRefusal(query, responseCode.serverFailure);
  server.waiting++;
  metrics.dnsUpstreamRequests(labels).add();
  const startedMs = clock.monotonicMs();
  try {
    const answer = await server.upstream.ask(query, message, transport);
    metrics.dnsUpstreamSeconds(labels).observe((clock.monotonicMs() - startedMs) / 1000);
    const read = parseAnswer(answer);
    if (read !== undefined) server.names.record(query.name, read.addresses);
    return answer;
  } catch (error) {
    metrics.dnsUpstreamFailures(labels).add();
    log.debug("name not looked up", {
      name: query.name,
      error: errorText(error),
      code: meshErrorCode(error),
    });
    return formatRefusal(query, responseCode.serverFailure);
  } finally {
    server.waiting--;
  }
}

const typeNames: Readonly<Record<number, string>> = { [recordType.a]: "A", [recordType.aaaa]: "AAAA" };

function labelsOf(query: DnsQuery, transport: "udp" | "tcp", { party }: LocalFacts): Forwarded["labels"] {
  return {
    // A closed set: every other type is the asker's choice, of which there are 65 000.
    request_query_type: typeNames[query.type] ?? "OTHER",
    request_protocol: transport,
    source_canonical_service: party.canonicalName || "unknown",
    source_canonical_revision: party.canonicalRevision || "unknown",
  };
}

function shuffle<Item>(items: readonly Item[], random: () => number): readonly Item[] {
  if (items.length < 2) return items;
  return items
    .map((item) => ({ item, order: random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item);
}
