/** A Pod's conditions, from its containers and its sandbox. Pure. Conditions that others write are kept. */
import type { PodCondition, PodPhase, PodSpec } from "../../model/pod.ts";
import type { ContainerFacts } from "./container-facts.ts";

/** What the conditions are made from. */
export interface ConditionFacts {
  readonly spec: Pick<PodSpec, "readinessGates">;
  readonly phase: PodPhase;
  readonly containers: readonly ContainerFacts[];
  /** The Pod's network and group are made. */
  readonly hasSandbox: boolean;
  /** As stored. */
  readonly before: readonly PodCondition[];
  readonly now: string;
  /** Of the Pod as it was looked at; absent for kinds that do not count. */
  readonly generation: number | undefined;
}

type Word = Omit<PodCondition, "lastTransitionTime" | "lastProbeTime" | "observedGeneration">;

/** All conditions; the time of one changes only with its status. */
export function decideConditions(facts: ConditionFacts): PodCondition[] {
  const contained = containersReady(facts);
  const ours: readonly Word[] = [
    { type: "PodReadyToStartContainers", status: facts.hasSandbox ? "True" : "False" },
    initialized(facts),
    podReady(facts, contained),
    contained,
    { type: "PodScheduled", status: "True" },
  ];
  const { before, now, generation } = facts;
  const others = before.filter(({ type }) => !ours.some((word) => word.type === type));
  const made = ours.map((word): PodCondition => {
    const old = before.find(({ type }) => type === word.type);
    const since = old?.status === word.status ? old.lastTransitionTime : undefined;
    const seen = generation === undefined ? {} : { observedGeneration: generation };
    return { ...word, lastProbeTime: null, lastTransitionTime: since ?? now, ...seen };
  });
  return [...made, ...others];
}

function initialized({ containers, phase }: ConditionFacts): Word {
  const isOver = phase === "Succeeded";
  const hasBegun = containers.some(({ role, run }) => role === "main" && run !== undefined);
  const incomplete = containers.filter((container) => !isComplete(container)).map(({ name }) => name);
  const type = "Initialized";
  if (isOver || hasBegun || incomplete.length === 0) {
    return { type, status: "True", ...(isOver ? { reason: "PodCompleted" } : {}) };
  }
  const message = `containers with incomplete status: [${incomplete.join(" ")}]`;
  return { type, status: "False", reason: "ContainersNotInitialized", message };
}

/** Of what must be done before the main containers. */
function isComplete({ role, run }: ContainerFacts): boolean {
  if (role === "main") return true;
  if (role === "sidecar") return run?.kind === "running" && run.isStarted;
  return run?.kind === "ended" && run.exitCode === 0;
}

function containersReady({ containers, phase }: ConditionFacts): Word {
  const type = "ContainersReady";
  if (phase === "Succeeded") return { type, status: "False", reason: "PodCompleted" };
  if (phase === "Failed") return { type, status: "False", reason: "PodFailed" };
  const counted = containers.filter(({ role }) => role !== "init");
  const unready = counted.filter(({ run }) => !(run?.kind === "running" && run.isReady));
  if (unready.length === 0) return { type, status: "True" };
  const names = unready.map(({ name }) => name).join(" ");
  const message = `containers with unready status: [${names}]`;
  return { type, status: "False", reason: "ContainersNotReady", message };
}

function podReady({ spec, before }: ConditionFacts, contained: Word): Word {
  if (contained.status !== "True") return { ...contained, type: "Ready" };
  const gates = (spec.readinessGates ?? []).map(({ conditionType }) => conditionType);
  const shut = gates.filter((gate) => before.find(({ type }) => type === gate)?.status !== "True");
  if (shut.length === 0) return { type: "Ready", status: "True" };
  const message = shut.map((gate) => describeGate(gate, before)).join("; ");
  return { type: "Ready", status: "False", reason: "ReadinessGatesNotReady", message };
}

function describeGate(gate: string, before: readonly PodCondition[]): string {
  const found = before.find(({ type }) => type === gate);
  return found === undefined
    ? `corresponding condition of pod readiness gate "${gate}" does not exist.`
    : `the status of pod readiness gate "${gate}" is not "True", but ${found.status}`;
}
