/**
 * The functions' instances and the Pods that show them → Pods to write, few at a time; what lived only for a moment is never
 * written, what ended stays for a while, and what nobody knows of any more goes.
 */
import { canonicalJson } from "#core/release/canonical-json.ts";
import type { RevisionObject } from "#host/kube/known-resources.ts";
import { functionLabel } from "../../translate/mesh-objects.ts";
import { instanceAnnotation, type PodObject, podResource } from "../../model/pod.ts";
import { isTerminal, isTerminating } from "../workloads/pod-facts.ts";
import { type Decision, decision, keyOf, sooner, type WorkloadAction } from "../workloads/workload-action.ts";
import {
  type EndedInstance,
  endedStatus,
  instancePod,
  type RunningInstance,
  runningStatus,
} from "./instance-pod.ts";

/** What is known. */
export interface InstanceFacts {
  readonly instances: readonly RunningInstance[];
  readonly ended: readonly EndedInstance[];
  /** Those that show instances. */
  readonly pods: readonly PodObject[];
  readonly findRevision: (namespace: string, name: string) => RevisionObject | undefined;
  readonly node: string;
  readonly nodeAddress: string;
  readonly nowMs: number;
}

/** An instance that lives shorter is not shown. */
export const shownAfterMs = 1000;
/** How long one that ended is shown, and how many of a function. */
export const endedShownMs = 300_000;
const endedShownMax = 3;
/** Objects dealt with in one step, and when the next one is. */
const perStep = 25;
const nextStepMs = 250;

/** Decides. */
export function reconcileInstances(facts: InstanceFacts): Decision {
  const { instances, pods, nowMs } = facts;
  const shown = new Map(pods.map((pod) => [placeOf(pod.metadata.namespace, instanceOf(pod)), pod]));
  const running = new Set(instances.map(({ namespace, instance }) => placeOf(namespace, instance)));
  const due = instances.filter(({ startedAtMs }) => nowMs - startedAtMs >= shownAfterMs);
  const steps = [
    ...due.map((each) => show(facts, each, shown.get(placeOf(each.namespace, each.instance)))),
    ...pods
      .filter((pod) => !running.has(placeOf(pod.metadata.namespace, instanceOf(pod))))
      .map((pod) => end(facts, pod)),
    ...forget(facts, running),
  ].filter((actions) => actions.length > 0);
  const young = instances.filter(({ startedAtMs }) => nowMs - startedAtMs < shownAfterMs);
  const shownInMs = young.map(({ startedAtMs }) => startedAtMs + shownAfterMs - nowMs);
  const fadesInMs = pods.filter(isTerminal).map((pod) => endedAtMs(pod) + endedShownMs - nowMs);
  const times = [...shownInMs, ...fadesInMs.filter((inMs) => inMs > 0)];
  const later = times.length === 0 ? undefined : Math.min(...times);
  const actions = steps.slice(0, perStep).flat();
  return decision(actions, steps.length > perStep ? sooner(nextStepMs, later) : later);
}

/** Its Pod, as it is to be. One that somebody deletes goes, and is written anew while the instance runs. */
function show(
  { findRevision, node, nodeAddress }: InstanceFacts,
  instance: RunningInstance,
  pod: PodObject | undefined,
): readonly WorkloadAction[] {
  const revision = findRevision(instance.namespace, instance.revision);
  if (revision === undefined || revision.metadata.deletionTimestamp !== undefined) return [];
  if (pod !== undefined && isTerminating(pod)) return [remove(pod)];
  const { namespace, instance: name } = instance;
  const status = runningStatus(instance, revision, nodeAddress);
  const write: WorkloadAction = { kind: "status", type: podResource, key: { namespace, name }, status };
  if (pod === undefined) {
    const draft = instancePod(instance, revision, node);
    return [{ kind: "create", type: podResource, draft }, write];
  }
  const isSame = factsOf(pod.status) === factsOf(status);
  return isSame ? [] : [write];
}

/** What is compared: since when a condition holds is not. */
function factsOf(status: PodObject["status"]): string {
  const { phase, podIP, containerStatuses } = status ?? {};
  const ready = status?.conditions?.find(({ type }) => type === "Ready")?.status;
  return canonicalJson([phase, podIP, ready, containerStatuses?.[0]?.state]);
}

/** One whose instance does not run: it says how that ended, when that is known. */
function end({ ended }: InstanceFacts, pod: PodObject): readonly WorkloadAction[] {
  if (isTerminating(pod)) return [remove(pod)];
  if (isTerminal(pod)) return [];
  const known = ended.find(
    ({ instance, namespace }) => instance === instanceOf(pod) && namespace === pod.metadata.namespace,
  );
  // Left from before a restart: how it ended nobody knows.
  if (known === undefined) return [remove(pod)];
  return [{ kind: "status", type: podResource, key: keyOf(pod), status: endedStatus(pod, known) }];
}

/** Those that ended long ago, and the oldest of a function beyond a few. */
function forget(
  { pods, nowMs }: InstanceFacts,
  running: ReadonlySet<string>,
): readonly (readonly WorkloadAction[])[] {
  const over = pods
    .filter((pod) => isTerminal(pod) && !isTerminating(pod))
    .filter((pod) => !running.has(placeOf(pod.metadata.namespace, instanceOf(pod))));
  const byFunction = Map.groupBy(over, ({ metadata: { namespace, labels } }) =>
    placeOf(namespace, labels?.[functionLabel] ?? ""),
  );
  return [...byFunction.values()].flatMap((group) => {
    const latestFirst = [...group].sort((a, b) => endedAtMs(b) - endedAtMs(a));
    return latestFirst
      .filter((pod, index) => index >= endedShownMax || nowMs - endedAtMs(pod) >= endedShownMs)
      .map((pod) => [remove(pod)]);
  });
}

function endedAtMs({ status, metadata }: PodObject): number {
  const finishedAt = status?.containerStatuses?.[0]?.state.terminated?.finishedAt;
  return Date.parse(finishedAt ?? metadata.creationTimestamp);
}

function remove(pod: PodObject): WorkloadAction {
  const { uid } = pod.metadata;
  return { kind: "delete", type: podResource, key: keyOf(pod), uid, graceSeconds: 0 };
}

function instanceOf({ metadata }: PodObject): string {
  return metadata.annotations?.[instanceAnnotation] ?? "";
}

function placeOf(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}
