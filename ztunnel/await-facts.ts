/** What is known of a workload, waited for while it is none yet: the node loads a function into a slot while it still says whose the slot is. */
import type { LocalFacts, LocalWorkload } from "./local-workload.ts";
import type { Parts } from "./parts.ts";

/** The facts once there are some; undefined when none came within the time that policies are waited for, or too many wait. */
export async function awaitFacts(
  { mesh, config }: Parts,
  workload: LocalWorkload,
): Promise<LocalFacts | undefined> {
  const find = (): LocalFacts | undefined => workload.factsAt(mesh.snapshot);
  await mesh.waitUntil(() => find() !== undefined, config.policyHoldMs);
  return find();
}
