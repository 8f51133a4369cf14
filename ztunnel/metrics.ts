/** ztunnel's metrics under Istio's names, with Istio's labels in Istio's order. */
import type { Counter, Family, Gauge, Histogram, MetricsRegistry } from "#host/admin/metrics.ts";
import type { Party, ServiceNames } from "./party.ts";

/** Why a connection did not come about, `-` when it did. */
export type ResponseFlag = "-" | "DENY" | "CONNECT" | "TLS_FAILURE" | "IDENTITY_ERROR";

const connectionLabels = [
  "reporter",
  "source_workload",
  "source_canonical_service",
  "source_canonical_revision",
  "source_workload_namespace",
  "source_principal",
  "source_app",
  "source_version",
  "source_cluster",
  "destination_service",
  "destination_service_namespace",
  "destination_service_name",
  "destination_workload",
  "destination_canonical_service",
  "destination_canonical_revision",
  "destination_workload_namespace",
  "destination_principal",
  "destination_app",
  "destination_version",
  "destination_cluster",
  "request_protocol",
  "response_flags",
  "connection_security_policy",
  "source_region",
  "source_zone",
  "destination_region",
  "destination_zone",
] as const;

type ConnectionLabel = (typeof connectionLabels)[number];

/** What the series of a connection are found by. Parties are compared as objects: take each from where it is kept. */
export interface ConnectionLabels {
  readonly reporter: "source" | "destination";
  readonly source: Party;
  readonly destination: Party;
  readonly service: ServiceNames;
  readonly flag: ResponseFlag;
  readonly isMutualTls: boolean;
}

/** The series of connections between two parties. */
export interface ConnectionSeries {
  readonly opened: Counter;
  readonly closed: Counter;
  readonly failed: Counter;
  /** From the destination to the source. */
  readonly sentBytes: Counter;
  /** From the source to the destination. */
  readonly receivedBytes: Counter;
}

const dnsLabels = [
  "request_query_type",
  "request_protocol",
  "source_canonical_service",
  "source_canonical_revision",
] as const;

/** Counts of one kind of name queries. */
export type DnsFamily<Series> = Family<(typeof dnsLabels)[number], Series>;

/** Everything that is counted. */
export interface ZtunnelMetrics {
  connection(labels: ConnectionLabels): ConnectionSeries;
  readonly socketsOpen: Family<"reporter", Gauge>;
  readonly dnsRequests: DnsFamily<Counter>;
  readonly dnsUpstreamRequests: DnsFamily<Counter>;
  readonly dnsUpstreamFailures: DnsFamily<Counter>;
  readonly dnsUpstreamSeconds: DnsFamily<Histogram>;
  readonly xdsTerminations: Family<"reason", Counter>;
  readonly proxiesActive: Gauge;
  readonly proxiesStarted: Counter;
  readonly proxiesStopped: Counter;
  readonly tunnelsOpen: Gauge;
  readonly accessLinesDropped: Gauge;
  readonly spansDropped: Gauge;
}

/** Registers them. */
export function makeZtunnelMetrics(registry: MetricsRegistry, version: string): ZtunnelMetrics {
  registry
    .gauge({ name: "istio_build", help: "Build of this proxy", labels: ["component", "tag"] })({
      component: "ztunnel",
      tag: version,
    })
    .set(1);
  return {
    connection: connectionFamily(registry),
    socketsOpen: registry.gauge({
      name: "istio_tcp_sockets_open",
      help: "Connections open now",
      labels: ["reporter"],
    }),
    dnsRequests: registry.counter(dns("istio_dns_requests_total", "Name queries")),
    dnsUpstreamRequests: registry.counter(dns("istio_dns_upstream_requests_total", "Name queries sent on")),
    dnsUpstreamFailures: registry.counter(
      dns("istio_dns_upstream_failures_total", "Name queries sent on that were not answered"),
    ),
    dnsUpstreamSeconds: registry.histogram({
      ...dns("istio_dns_upstream_request_duration_seconds", "Time of name queries sent on"),
      bounds: [0.0005, 0.001, 0.01, 0.1, 1, 5],
    }),
    xdsTerminations: registry.counter({
      name: "istio_xds_connection_terminations_total",
      help: "Ends of the connection to discovery",
      labels: ["reason"],
    }),
    proxiesActive: registry.gauge(plain("workload_manager_active_proxy_count", "Workloads served"))({}),
    proxiesStarted: registry.counter(
      plain("workload_manager_proxies_started_total", "Workloads whose serving began"),
    )({}),
    proxiesStopped: registry.counter(
      plain("workload_manager_proxies_stopped_total", "Workloads whose serving ended"),
    )({}),
    tunnelsOpen: registry.gauge(plain("lambient_tunnels_open", "Outward tunnels open now"))({}),
    accessLinesDropped: registry.gauge(
      plain("lambient_access_lines_dropped", "Access-log lines lost to a slow reader"),
    )({}),
    spansDropped: registry.gauge(plain("lambient_spans_dropped", "Spans lost"))({}),
  };
}

interface Described<Label extends string> {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly Label[];
}

function plain(name: string, help: string): Described<never> {
  return { name, help, labels: [] };
}

function dns(name: string, help: string): Described<(typeof dnsLabels)[number]> {
  return { name, help, labels: dnsLabels };
}

function connectionFamily(registry: MetricsRegistry): (labels: ConnectionLabels) => ConnectionSeries {
  const counter = (name: string, help: string): Family<ConnectionLabel, Counter> =>
    registry.counter({ name, help, labels: connectionLabels });
  const opened = counter("istio_tcp_connections_opened_total", "Connections opened");
  const closed = counter("istio_tcp_connections_closed_total", "Connections closed");
  const received = counter("istio_tcp_received_bytes_total", "Bytes received from the source");
  const sent = counter("istio_tcp_sent_bytes_total", "Bytes sent to the source");
  const failed = counter("istio_tcp_connections_failed_total", "Connections that failed to open");
  const known = new WeakMap<Party, WeakMap<Party, Map<string, ConnectionSeries>>>();
  return (labels) => {
    const byDestination = entryOf(
      known,
      labels.source,
      () => new WeakMap<Party, Map<string, ConnectionSeries>>(),
    );
    const byRest = entryOf(byDestination, labels.destination, () => new Map<string, ConnectionSeries>());
    const key = `${labels.reporter}${labels.flag}${labels.isMutualTls}${labels.service.namespace}/${labels.service.hostname}`;
    return entryOf(byRest, key, () => {
      const texts = labelTexts(labels);
      return {
        opened: opened(texts),
        closed: closed(texts),
        failed: failed(texts),
        sentBytes: sent(texts),
        receivedBytes: received(texts),
      };
    });
  };
}

function entryOf<Key, Value>(
  map: { get(key: Key): Value | undefined; set(key: Key, value: Value): unknown },
  key: Key,
  make: () => Value,
): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

function labelTexts({
  reporter,
  source,
  destination,
  service,
  flag,
  isMutualTls,
}: ConnectionLabels): Record<ConnectionLabel, string> {
  return {
    reporter,
    source_workload: shown(source.workload),
    source_canonical_service: shown(source.canonicalName),
    source_canonical_revision: shown(source.canonicalRevision),
    source_workload_namespace: shown(source.namespace),
    source_principal: shown(source.identity),
    source_app: shown(source.canonicalName),
    source_version: shown(source.canonicalRevision),
    source_cluster: shown(source.cluster),
    destination_service: shown(service.hostname),
    destination_service_namespace: shown(service.namespace),
    destination_service_name: shown(service.name),
    destination_workload: shown(destination.workload),
    destination_canonical_service: shown(destination.canonicalName),
    destination_canonical_revision: shown(destination.canonicalRevision),
    destination_workload_namespace: shown(destination.namespace),
    destination_principal: shown(destination.identity),
    destination_app: shown(destination.canonicalName),
    destination_version: shown(destination.canonicalRevision),
    destination_cluster: shown(destination.cluster),
    request_protocol: "tcp",
    response_flags: flag,
    connection_security_policy: isMutualTls ? "mutual_tls" : "unknown",
    source_region: shown(source.region),
    source_zone: shown(source.zone),
    destination_region: shown(destination.region),
    destination_zone: shown(destination.zone),
  };
}

function shown(text: string): string {
  return text === "" ? "unknown" : text;
}
