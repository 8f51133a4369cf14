/** The `baggage` field as Istio uses it: which workload an end of a tunnel is, for telemetry only; never for a decision. */

/** Kinds of workload, as the key names them. */
export type BaggageWorkloadKind = "deployment" | "cronjob" | "pod" | "job";

/** What is said of a workload; whatever is not known is left out. */
export interface Baggage {
  readonly clusterName?: string;
  readonly namespace?: string;
  readonly workloadKind?: BaggageWorkloadKind;
  readonly workloadName?: string;
  /** Canonical name and revision. */
  readonly serviceName?: string;
  readonly serviceVersion?: string;
  readonly region?: string;
  readonly zone?: string;
}

const workloadKinds: readonly BaggageWorkloadKind[] = ["deployment", "cronjob", "pod", "job"];

/** Keys with one meaning; the workload's own key carries its kind. */
const plainKeys = {
  "k8s.cluster.name": "clusterName",
  "k8s.namespace.name": "namespace",
  "service.name": "serviceName",
  "service.version": "serviceVersion",
  "cloud.region": "region",
  "cloud.availability_zone": "zone",
} as const;

/** Printable ASCII without what separates members and properties. */
const valuePattern = /^[\x21-\x2b\x2d-\x3a\x3c-\x7e]{1,253}$/;

const fieldBytesMax = 4096;
const membersMax = 32;

/** Formats the field, in Istio's order; what is empty or not printable is left out. */
export function formatBaggage(baggage: Baggage): string {
  const members: readonly (readonly [key: string, value: string | undefined])[] = [
    ["k8s.cluster.name", baggage.clusterName],
    ["k8s.namespace.name", baggage.namespace],
    [`k8s.${baggage.workloadKind ?? "pod"}.name`, baggage.workloadName],
    ["service.name", baggage.serviceName],
    ["service.version", baggage.serviceVersion],
    ["cloud.region", baggage.region],
    ["cloud.availability_zone", baggage.zone],
  ];
  return members
    .filter(([, value]) => value !== undefined && valuePattern.test(value))
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}

/** Reads what is understood of the field's values; the rest, and all beyond the bounds, is passed over. */
export function readBaggage(values: readonly string[]): Baggage {
  const found: { -readonly [Key in keyof Baggage]: Baggage[Key] } = {};
  const text = values.join(",");
  if (text.length > fieldBytesMax) return found;
  for (const member of text.split(",", membersMax)) {
    const at = member.indexOf("=");
    if (at < 0) continue;
    const key = member.slice(0, at).trim();
    const value = member.slice(at + 1).trim();
    if (!valuePattern.test(value)) continue;
    if (Object.hasOwn(plainKeys, key)) {
      // Sound: the key was just shown to be one of the table's.
      found[plainKeys[key as keyof typeof plainKeys]] = value;
      continue;
    }
    const kind = workloadKinds.find((name) => key === `k8s.${name}.name`);
    if (kind === undefined) continue;
    found.workloadKind = kind;
    found.workloadName = value;
  }
  return found;
}
