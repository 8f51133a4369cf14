/** The one word for where a Pod is in its life, from its containers. Pure. */
import type { PodPhase, RestartPolicy } from "../../model/pod.ts";
import type { ContainerFacts } from "./container-facts.ts";

/** Decides the phase as Kubernetes does. */
export function decidePhase(containers: readonly ContainerFacts[], policy: RestartPolicy): PodPhase {
  const mains = containers.filter(({ role }) => role === "main");
  const hasBegun = mains.some(({ run }) => run !== undefined);
  if (!hasBegun) {
    const hasFailed = containers.some(
      ({ role, run }) => role === "init" && run?.kind === "ended" && run.exitCode !== 0 && policy === "Never",
    );
    return hasFailed ? "Failed" : "Pending";
  }
  if (mains.some(({ run }) => run === undefined)) return "Pending";
  if (policy === "Always" || mains.some(({ run }) => run?.kind === "running")) return "Running";
  const failed = mains.filter(({ run }) => run?.kind === "ended" && run.exitCode !== 0).length;
  if (failed === 0) return "Succeeded";
  return policy === "Never" ? "Failed" : "Running";
}
