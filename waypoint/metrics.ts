/** The metrics of a waypoint or edge, with Istio's names and labels; what is not known of a peer reads `unknown`. */
import { identityOf, type SpiffeId } from "#core/identity/spiffe-id.ts";
import type { Counter, Histogram, MetricsRegistry } from "#host/admin/metrics.ts";
import type { Exchange } from "./exchange.ts";

const labels = [
  "reporter",
  "source_workload",
  "source_canonical_service",
  "source_canonical_revision",
  "source_workload_namespace",
  "source_principal",
  "source_app",
  "source_version",
  "source_cluster",
  "destination_workload",
  "destination_workload_namespace",
  "destination_principal",
  "destination_app",
  "destination_version",
  "destination_service",
  "destination_service_name",
  "destination_service_namespace",
  "destination_canonical_service",
  "destination_canonical_revision",
  "destination_cluster",
  "request_protocol",
  "response_code",
  "grpc_response_status",
  "response_flags",
  "connection_security_policy",
] as const;

type Labels = Readonly<Record<(typeof labels)[number], string>>;

/** Envoy's bounds for durations, and Istio's for sizes. */
const durationBounds = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
];
const sizeBounds = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];
/** Sets of labels whose series are kept at hand, all let go at once beyond it; the registry itself bounds the series. */
const handlesMaxDefault = 4096;

interface Handles {
  readonly requests: Counter;
  readonly duration: Histogram;
  readonly requestBytes: Histogram;
  readonly responseBytes: Histogram;
}

/** Counts. */
export interface WaypointMetrics {
  onRequest(exchange: Exchange, durationMs: number): void;
  onActivation(result: "ok" | "failed", durationMs: number): void;
}

/** Values that are read when metrics are asked for. */
export interface WaypointGauges {
  readonly openRequests: () => number;
  readonly openConnections: () => number;
  readonly leasedInstances: () => number;
  readonly logLinesDropped: () => number;
  readonly spansDropped: () => number;
}

/** Declares the metrics in a registry. */
export function declareMetrics(
  registry: MetricsRegistry,
  reporter: "waypoint" | "edge",
  handlesMax: number = handlesMaxDefault,
): WaypointMetrics {
  const requests = registry.counter({ name: "istio_requests_total", help: "Requests answered.", labels });
  const duration = registry.histogram({
    name: "istio_request_duration_milliseconds",
    help: "From a request's head to its response's end.",
    labels,
    bounds: durationBounds,
  });
  const sizes = { labels, bounds: sizeBounds };
  const requestBytes = registry.histogram({
    name: "istio_request_bytes",
    help: "Bodies of requests.",
    ...sizes,
  });
  const responseBytes = registry.histogram({
    name: "istio_response_bytes",
    help: "Bodies of responses.",
    ...sizes,
  });
  const activations = registry.histogram({
    name: "lambient_activation_milliseconds",
    help: "From asking the node for an instance to its answer.",
    labels: ["result"],
    bounds: durationBounds,
  });
  const handles = new Map<string, Handles>();
  const handlesOf = (exchange: Exchange): Handles => {
    const key = handlesKey(exchange);
    const known = handles.get(key);
    if (known !== undefined) return known;
    const values = labelsOf(exchange, reporter);
    const made = {
      requests: requests(values),
      duration: duration(values),
      requestBytes: requestBytes(values),
      responseBytes: responseBytes(values),
    };
    if (handles.size >= handlesMax) handles.clear();
    handles.set(key, made);
    return made;
  };
  return {
    onRequest(exchange, durationMs) {
      const series = handlesOf(exchange);
      series.requests.add();
      series.duration.observe(durationMs);
      series.requestBytes.observe(exchange.bytesReceived);
      series.responseBytes.observe(exchange.bytesSent);
    },
    onActivation: (result, durationMs) => activations({ result }).observe(durationMs),
  };
}

/** Declares the gauges. */
export function declareGauges(registry: MetricsRegistry, gauges: WaypointGauges): void {
  const rows = [
    ["lambient_requests_open", "Requests under way.", gauges.openRequests],
    ["lambient_connections_open", "Callers' connections.", gauges.openConnections],
    ["lambient_instances_leased", "Instances leased from the node.", gauges.leasedInstances],
    ["lambient_log_lines_dropped", "Access log lines lost.", gauges.logLinesDropped],
    ["lambient_spans_dropped", "Spans lost.", gauges.spansDropped],
  ] as const;
  for (const [name, help, read] of rows) {
    const gauge = registry.gauge({ name, help, labels: [] })({});
    registry.onCollect(() => gauge.set(read()));
  }
}

function handlesKey(exchange: Exchange): string {
  const uid = exchange.route?.kind === "revision" ? exchange.route.backend.uid : "";
  return `${exchange.caller.identity} ${exchange.service.authority} ${uid} ${exchange.status} ${exchange.flag}`;
}

function labelsOf(exchange: Exchange, reporter: string): Labels {
  return {
    ...sourceLabels(exchange),
    ...destinationLabels(exchange),
    reporter,
    request_protocol: "http",
    response_code: String(exchange.status),
    grpc_response_status: "",
    response_flags: exchange.flag,
    connection_security_policy: exchange.caller.isOutside ? "none" : "mutual_tls",
  };
}

function sourceLabels({ caller }: Exchange): Pick<Labels, `source_${string}` & keyof Labels> {
  return {
    source_workload: unknown,
    source_canonical_service: unknown,
    source_canonical_revision: unknown,
    source_workload_namespace: caller.isOutside ? unknown : identityOf(caller.identity).namespace,
    source_principal: caller.isOutside ? unknown : principal(caller.identity),
    source_app: unknown,
    source_version: unknown,
    source_cluster: unknown,
  };
}

function destinationLabels({
  service,
  route,
  upstreamIdentity,
}: Exchange): Pick<Labels, `destination_${string}` & keyof Labels> {
  const backend = route?.kind === "revision" ? route.backend : undefined;
  const revision = backend?.uid.slice(backend.uid.indexOf("/") + 1) ?? unknown;
  const name = backend?.function ?? unknown;
  return {
    destination_workload: revision,
    destination_workload_namespace: service.namespace || unknown,
    destination_principal: upstreamIdentity === undefined ? unknown : principal(upstreamIdentity),
    destination_app: name,
    destination_version: revision,
    destination_service: service.hostname || unknown,
    destination_service_name: service.name || unknown,
    destination_service_namespace: service.namespace || unknown,
    destination_canonical_service: name,
    destination_canonical_revision: revision,
    destination_cluster: unknown,
  };
}

const unknown = "unknown";

function principal(identity: SpiffeId): string {
  return identity.slice("spiffe://".length);
}
