/** The control plane's metrics: name, help and labels of each; Istio's names where istiod has the metric. */
import type { Counter, Family, Gauge, MetricsRegistry } from "#host/admin/metrics.ts";

/** What is counted. */
export interface ControlPlaneMetrics {
  readonly streams: Gauge;
  readonly refusals: Family<"type", Counter>;
  readonly resources: Family<"type", Gauge>;
  readonly translations: Counter;
  readonly translationSeconds: Counter;
  readonly requests: Counter;
  readonly signed: Counter;
  readonly unauthenticated: Counter;
  readonly refused: Counter;
  readonly malformed: Counter;
  readonly actionFailures: Counter;
  readonly controllerFailures: Family<"controller", Counter>;
  readonly spans: Gauge;
  readonly instances: Gauge;
}

/** Registers them. */
export function makeMetrics(registry: MetricsRegistry): ControlPlaneMetrics {
  const counter = (name: string, help: string): Counter => registry.counter({ name, help, labels: [] })({});
  const gauge = (name: string, help: string): Gauge => registry.gauge({ name, help, labels: [] })({});
  return {
    streams: gauge("pilot_xds", "Number of endpoints connected to this pilot using XDS."),
    refusals: registry.counter({
      name: "pilot_total_xds_rejects",
      help: "Total number of XDS responses from pilot rejected by proxy.",
      labels: ["type"],
    }),
    resources: registry.gauge({
      name: "lambient_discovery_resources",
      help: "Resources that discovery serves, by type.",
      labels: ["type"],
    }),
    translations: counter("lambient_translations_total", "Translations of the mesh's objects to resources."),
    translationSeconds: counter("lambient_translation_seconds_total", "Time that translations took."),
    requests: counter("citadel_server_csr_count", "The number of CSRs received by Citadel server."),
    signed: counter(
      "citadel_server_success_cert_issuance_count",
      "The number of certificates issuances that have succeeded.",
    ),
    unauthenticated: counter(
      "citadel_server_authentication_failure_count",
      "The number of authentication failures.",
    ),
    refused: counter(
      "lambient_authority_refusals_total",
      "Certificates refused to a program that may not have them.",
    ),
    malformed: counter(
      "citadel_server_csr_parsing_err_count",
      "The number of errors occurred when parsing the CSR.",
    ),
    actionFailures: counter("lambient_reconcile_failures_total", "Actions of reconciliation that failed."),
    controllerFailures: registry.counter({
      name: "lambient_controller_failures_total",
      help: "Tries of controllers that failed and are made again, by controller.",
      labels: ["controller"],
    }),
    spans: gauge("lambient_spans", "Spans in the store."),
    instances: gauge("lambient_instances", "Instances that run."),
  };
}
