/** What a program tells of itself: access lines, metrics, spans. */
import { makeMetricsRegistry, type MetricsRegistry } from "#host/admin/metrics.ts";
import { openSpanExporter, postToStore, type SpanExporter } from "#host/spans/span-exporter.ts";
import { makeSpanIds, type SpanIds } from "#host/spans/span-ids.ts";
import { type AccessFields, formatAccess } from "./access-log.ts";
import { declareMetrics, type WaypointMetrics } from "./metrics.ts";
import type { AppPorts, Self } from "./self.ts";

/** The parts. */
export interface Telemetry {
  readonly ids: SpanIds;
  readonly spans: SpanExporter;
  readonly registry: MetricsRegistry;
  readonly metrics: WaypointMetrics;
  readonly access: (fields: AccessFields) => void;
}

/** Opens them. */
export function openTelemetry(self: Self, { config, clock, log, lines }: AppPorts): Telemetry {
  const registry = makeMetricsRegistry();
  const spans = openSpanExporter({
    resource: { service: self.kind, instance: `${self.namespace}/${self.name}` },
    post: postToStore(config.runDir, self.kind),
    clock,
    onLost: (count, reason) => log.debug("spans lost", { count, reason }),
  });
  const access = config.accessLog
    ? (fields: AccessFields): void => lines.write(formatAccess(fields, clock.nowMs(), config.logFormat))
    : (): void => undefined;
  return { ids: makeSpanIds(), spans, registry, metrics: declareMetrics(registry, self.kind), access };
}
