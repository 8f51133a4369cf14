/** What is known of a Pod's containers when something is decided about them. Only types, and which container plays which part. */
import type { Container } from "../../model/container.ts";
import type { PodSpec, RestartPolicy } from "../../model/pod.ts";
import type { BackOff } from "./back-off.ts";

/** The part a container plays: runs to its end before the others, stays beside them, or is what the Pod is for. */
export type ContainerRole = "init" | "sidecar" | "main";

/** A run that has ended. */
export interface EndedRun {
  readonly kind: "ended";
  readonly id: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly exitCode: number;
  readonly signal?: number;
  /** `Completed`, `Error`, `OOMKilled`, `StartError`, `ContainerStatusUnknown`. */
  readonly reason: string;
  readonly message?: string;
}

/** A run that goes on. */
export interface LiveRun {
  readonly kind: "running";
  readonly id: string;
  readonly startedAtMs: number;
  /** Its postStart hook is done and its startup probe has succeeded, where it has them. */
  readonly isStarted: boolean;
  /** Its readiness probe's word; true without one, once it is started. */
  readonly isReady: boolean;
  /** Set when it must end and be started again: the sentence that says why. */
  readonly mustEnd?: string;
}

/** Why a container cannot be started, as its status shows it. */
export interface StartProblem {
  /** `ErrImagePull`, `ImagePullBackOff`, `CreateContainerConfigError`, … */
  readonly reason: string;
  readonly message: string;
  /** When it is tried again. */
  readonly retryAtMs: number;
}

/** Everything about one container. */
export interface ContainerFacts {
  readonly name: string;
  readonly role: ContainerRole;
  /** How often it was started again. */
  readonly restarts: number;
  readonly run: LiveRun | EndedRun | undefined;
  /** The run before. */
  readonly lastRun: EndedRun | undefined;
  readonly backOff: BackOff | undefined;
  readonly problem: StartProblem | undefined;
}

/** A Pod's containers with their parts, in the order of their start. */
export function containersOf(
  spec: Pick<PodSpec, "containers" | "initContainers">,
): readonly { readonly container: Container; readonly role: ContainerRole }[] {
  return [
    ...(spec.initContainers ?? []).map((container) => {
      const role: ContainerRole = container.restartPolicy === "Always" ? "sidecar" : "init";
      return { container, role };
    }),
    ...spec.containers.map((container) => ({ container, role: "main" as const })),
  ];
}

/** Whether a container that ended so is started again. */
export function isRestarted(role: ContainerRole, policy: RestartPolicy, exitCode: number): boolean {
  switch (role) {
    case "sidecar":
      return true;
    case "init":
      return exitCode !== 0 && policy !== "Never";
    case "main":
      return policy === "Always" || (policy === "OnFailure" && exitCode !== 0);
  }
}
