/** A Deployment's revisions: which ReplicaSet has its template, what each is numbered, and what annotations tell of it. */
import { canonicalJson } from "#core/release/canonical-json.ts";
import type { Draft } from "#host/kube/object.ts";
import {
  type DeploymentObject,
  deploymentResource,
  type PodTemplate,
  type ReplicaSetObject,
} from "../../model/workload.ts";
import { controllerReference } from "../workloads/owned.ts";
import { templateHash } from "../workloads/template-hash.ts";
import { maxSurge, newReplicas, wantedOf } from "./replica-counts.ts";

/** On Pods of a Deployment and their ReplicaSet: which template they are of. */
const hashLabel = "pod-template-hash";
/** Number of a template: `kubectl rollout history` shows it. */
export const revisionAnnotation = "deployment.kubernetes.io/revision";
/** Numbers that a template had before it came back. */
export const historyAnnotation = "deployment.kubernetes.io/revision-history";
/** Pods that the Deployment wished for when the ReplicaSet was last scaled. */
export const desiredAnnotation = "deployment.kubernetes.io/desired-replicas";
/** Pods that may be there in all. */
export const maxAnnotation = "deployment.kubernetes.io/max-replicas";

/** Annotations of a Deployment that are its own matter. */
const notCopied = new Set([
  "kubectl.kubernetes.io/last-applied-configuration",
  revisionAnnotation,
  historyAnnotation,
  desiredAnnotation,
  maxAnnotation,
  "deprecated.deployment.rollback.to",
]);

/** The ReplicaSet whose template is the Deployment's: the oldest, should there be several. */
export function findNewSet(
  deployment: DeploymentObject,
  sets: readonly ReplicaSetObject[],
): ReplicaSetObject | undefined {
  const wanted = canonicalJson(withoutHash(deployment.spec.template));
  return [...sets].sort(byAge).find(({ spec }) => canonicalJson(withoutHash(spec.template)) === wanted);
}

/** Older first. */
export function byAge(a: ReplicaSetObject, b: ReplicaSetObject): number {
  const [one, other] = [a.metadata.creationTimestamp, b.metadata.creationTimestamp];
  if (one === other) return a.metadata.name < b.metadata.name ? -1 : 1;
  return one < other ? -1 : 1;
}

/** The number of a ReplicaSet's template; 0 when it has none. */
export function revisionOf({ metadata }: ReplicaSetObject): number {
  return Number(metadata.annotations?.[revisionAnnotation] ?? 0) || 0;
}

/** The number that the newest template has or gets. */
export function newRevision(newSet: ReplicaSetObject | undefined, old: readonly ReplicaSetObject[]): number {
  const next = Math.max(0, ...old.map(revisionOf)) + 1;
  return Math.max(next, newSet === undefined ? 0 : revisionOf(newSet));
}

/** Annotations of the ReplicaSet of the newest template, as they are to be. */
export function newSetAnnotations(
  deployment: DeploymentObject,
  newSet: ReplicaSetObject | undefined,
  revision: number,
): Readonly<Record<string, string>> {
  const before = newSet?.metadata.annotations ?? {};
  const own = Object.entries(deployment.metadata.annotations ?? {}).filter(([name]) => !notCopied.has(name));
  const had = before[revisionAnnotation];
  const history =
    had === undefined || had === String(revision)
      ? {}
      : { [historyAnnotation]: [before[historyAnnotation], had].filter(Boolean).join(",") };
  return { ...before, ...Object.fromEntries(own), ...history, [revisionAnnotation]: String(revision) };
}

/** Annotations by which it is seen later that the Deployment was scaled. */
export function sizeAnnotations(deployment: DeploymentObject): Readonly<Record<string, string>> {
  const wanted = wantedOf(deployment);
  return { [desiredAnnotation]: String(wanted), [maxAnnotation]: String(wanted + maxSurge(deployment)) };
}

/** The ReplicaSet of a template that has none yet. */
export function newSetDraft(
  deployment: DeploymentObject,
  old: readonly ReplicaSetObject[],
): Draft<ReplicaSetObject> {
  const { spec, metadata, status } = deployment;
  const hash = templateHash(spec.template, status?.collisionCount ?? 0);
  const labels = { ...spec.template.metadata?.labels, [hashLabel]: hash };
  const annotations = {
    ...newSetAnnotations(deployment, undefined, newRevision(undefined, old)),
    ...sizeAnnotations(deployment),
  };
  return {
    metadata: {
      name: `${metadata.name}-${hash}`,
      namespace: metadata.namespace,
      labels,
      annotations,
      ownerReferences: [controllerReference(deploymentResource, deployment)],
    },
    spec: {
      replicas: newReplicas(deployment, old, 0),
      ...(spec.minReadySeconds === undefined ? {} : { minReadySeconds: spec.minReadySeconds }),
      selector: {
        ...spec.selector,
        matchLabels: { ...spec.selector.matchLabels, [hashLabel]: hash },
      },
      template: { ...spec.template, metadata: { ...spec.template.metadata, labels } },
    },
  };
}

function withoutHash({ metadata, spec }: PodTemplate): unknown {
  const { [hashLabel]: _hash, ...labels } = metadata?.labels ?? {};
  return { metadata: { ...metadata, labels }, spec };
}
