/** Whether a Pod is taken into the mesh, and how, by its labels and annotations and its namespace's; the same questions as Istio's, in the same order of precedence. */
import type { ObjectMeta } from "#host/kube/object.ts";
import { instanceAnnotation, type PodObject } from "../../model/pod.ts";

/** What was decided. */
export type EnrolmentDecision =
  | { readonly kind: "out"; readonly reason: StayOutReason }
  | {
      readonly kind: "in";
      /** Whether plaintext to the Pod is captured too. */
      readonly capturesInbound: boolean;
      /** Whether its name queries are. */
      readonly capturesDns: boolean;
    };

/** Why a Pod stays out. */
export type StayOutReason =
  | "instance"
  | "ended"
  | "host-network"
  | "namespace-excluded"
  | "sidecar"
  | "opted-out"
  | "not-labelled";

/** What holds for all Pods. */
export interface EnrolmentSettings {
  /** Namespaces whose Pods are never taken in. */
  readonly excludedNamespaces: ReadonlySet<string>;
}

/** Takes a Pod in on itself or on a namespace; `none` on a Pod opts out of the latter. */
export const dataplaneModeLabel = "istio.io/dataplane-mode";

const sidecarStatusAnnotation = "sidecar.istio.io/status";
const sidecarInjectKey = "sidecar.istio.io/inject";
const bypassInboundAnnotation = "ambient.istio.io/bypass-inbound-capture";
const dnsCaptureAnnotation = "ambient.istio.io/dns-capture";

/** Decides. @param namespace metadata of the Pod's namespace, undefined while it is not known */
export function decideEnrolment(
  pod: PodObject,
  namespace: Pick<ObjectMeta, "labels"> | undefined,
  settings: EnrolmentSettings,
): EnrolmentDecision {
  const refusal = refusalOf(pod, settings);
  if (refusal !== undefined) return { kind: "out", reason: refusal };
  const own = pod.metadata.labels?.[dataplaneModeLabel];
  if (own === "none") return { kind: "out", reason: "opted-out" };
  const isAsked = own === "ambient" || namespace?.labels?.[dataplaneModeLabel] === "ambient";
  if (!isAsked) return { kind: "out", reason: "not-labelled" };
  const { annotations } = pod.metadata;
  return {
    kind: "in",
    capturesInbound: annotations?.[bypassInboundAnnotation] !== "true",
    capturesDns: annotations?.[dnsCaptureAnnotation] !== "false",
  };
}

/** Whether two decisions ask for the same, for whatever reason. */
export function isSameDecision(a: EnrolmentDecision, b: EnrolmentDecision | undefined): boolean {
  if (b === undefined || a.kind !== b.kind) return false;
  if (a.kind === "out" || b.kind === "out") return true;
  return a.capturesInbound === b.capturesInbound && a.capturesDns === b.capturesDns;
}

/** What keeps a Pod out whatever it asks for. */
function refusalOf(
  { metadata, spec, status }: PodObject,
  { excludedNamespaces }: EnrolmentSettings,
): StayOutReason | undefined {
  if (metadata.annotations?.[instanceAnnotation] !== undefined) return "instance";
  if (status?.phase === "Succeeded" || status?.phase === "Failed") return "ended";
  if (spec.hostNetwork === true) return "host-network";
  if (excludedNamespaces.has(metadata.namespace)) return "namespace-excluded";
  return hasSidecar(metadata) ? "sidecar" : undefined;
}

/** Whether it has one, or asks to get one; a label beats the annotation of the same name, as Istio's injector has it. */
function hasSidecar({ annotations = {}, labels = {} }: ObjectMeta): boolean {
  const asked = labels[sidecarInjectKey] ?? annotations[sidecarInjectKey];
  return asked === "true" || annotations[sidecarStatusAnnotation] !== undefined;
}
