/** A Pod's whole status from what its node knows. Pure. */
import type { PodObject, PodPhase, PodStatus, RestartPolicy } from "../../model/pod.ts";
import { earliestStartMs, type BackOffLimits } from "./back-off.ts";
import { type ContainerFacts, containersOf, isRestarted } from "./container-facts.ts";
import { decideContainerStatus, formatTime } from "./container-status.ts";
import { decideConditions } from "./pod-conditions.ts";
import { decidePhase } from "./pod-phase.ts";
import { qosClassOf } from "./quality-of-service.ts";

/** What a status is made from. */
export interface StatusFacts {
  readonly pod: PodObject;
  /** In the order of the Pod's init containers, then of its containers. */
  readonly containers: readonly ContainerFacts[];
  readonly hasSandbox: boolean;
  /** Once it has one. */
  readonly address: string | undefined;
  readonly hostIP: string;
  readonly startedAtMs: number;
  readonly nowMs: number;
  readonly backOff: BackOffLimits;
  /** Why the node has given the Pod up, such as its deadline. */
  readonly failure: { readonly reason: string; readonly message: string } | undefined;
  readonly imageIdOf: (container: string) => string;
}

/** Builds it. */
export function decideStatus(facts: StatusFacts): PodStatus {
  const { pod, containers, failure, address, hostIP } = facts;
  const policy = pod.spec.restartPolicy ?? "Always";
  const phase = phaseOf(facts, policy);
  const statuses = containerStatuses(facts, policy);
  return {
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    phase,
    conditions: decideConditions({
      spec: pod.spec,
      phase,
      containers,
      hasSandbox: facts.hasSandbox,
      before: pod.status?.conditions ?? [],
      now: formatTime(facts.nowMs),
      generation: pod.metadata.generation,
    }),
    ...failure,
    hostIP,
    hostIPs: [{ ip: hostIP }],
    ...(address === undefined ? {} : { podIP: address, podIPs: [{ ip: address }] }),
    startTime: pod.status?.startTime ?? formatTime(facts.startedAtMs),
    ...(statuses.init.length === 0 ? {} : { initContainerStatuses: statuses.init }),
    containerStatuses: statuses.main,
    qosClass: qosClassOf(pod.spec),
  };
}

function phaseOf({ pod, containers, failure }: StatusFacts, policy: RestartPolicy): PodPhase {
  const before = pod.status?.phase;
  // What has ended for good stays so, whatever is found later.
  if (before === "Succeeded" || before === "Failed") return before;
  return failure === undefined ? decidePhase(containers, policy) : "Failed";
}

function containerStatuses(facts: StatusFacts, policy: RestartPolicy) {
  const { pod, containers } = facts;
  const isInitializing = containers.some(
    ({ role, run }) => role === "init" && !(run?.kind === "ended" && run.exitCode === 0),
  );
  const made = containersOf(pod.spec).flatMap(({ container, role }) => {
    const known = containers.find(({ name }) => name === container.name);
    if (known === undefined) return [];
    const status = decideContainerStatus(known, {
      image: container.image ?? "",
      imageID: known.run === undefined ? "" : facts.imageIdOf(container.name),
      waitsFor: isInitializing ? "PodInitializing" : "ContainerCreating",
      crashMessage: crashMessage(facts, known, policy),
    });
    return [{ role, status }];
  });
  const of = (isMain: boolean) =>
    made.filter(({ role }) => (role === "main") === isMain).map(({ status }) => status);
  return { init: of(false), main: of(true) };
}

/** What a container that waits after a crash says; undefined when it does not. */
function crashMessage(
  facts: StatusFacts,
  container: ContainerFacts,
  policy: RestartPolicy,
): string | undefined {
  const { run, role, backOff, name } = container;
  if (run?.kind !== "ended" || !isRestarted(role, policy, run.exitCode)) return undefined;
  if (facts.failure !== undefined || facts.pod.metadata.deletionTimestamp !== undefined) return undefined;
  if (earliestStartMs(backOff, run.endedAtMs, facts.backOff) <= facts.nowMs) return undefined;
  return backOffMessage(facts.pod, name, backOff?.delayMs ?? 0);
}

/** The sentence that status and Event share. */
export function backOffMessage({ metadata }: PodObject, container: string, delayMs: number): string {
  const pod = `${metadata.name}_${metadata.namespace}(${metadata.uid})`;
  return `back-off ${formatDelay(delayMs)} restarting failed container=${container} pod=${pod}`;
}

/** `10s`, `2m40s`, as Kubernetes writes durations. */
function formatDelay(delayMs: number): string {
  const seconds = Math.round(delayMs) / 1000;
  const minutes = Math.floor(seconds / 60);
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds - 60 * minutes}s`;
}
