/** What is known of a workload, waited for while it is none yet: the node loads a function into a slot while it still says whose the slot is. */
import type { LocalFacts, LocalWorkload } from "./local-workload.ts";
import type { Parts } from "./parts.ts";

/** Longer than the node takes to say it on a busy machine; what is only loaded to be checked gets no identity, and must not hang. */
const identityHoldMs = 250;

/** The facts once there are some; undefined when none came in time, or too many wait. */
export async function awaitFacts({ mesh }: Parts, workload: LocalWorkload): Promise<LocalFacts | undefined> {
  const find = (): LocalFacts | undefined => workload.factsAt(mesh.snapshot);
  await mesh.waitUntil(() => find() !== undefined, identityHoldMs);
  return find();
}
