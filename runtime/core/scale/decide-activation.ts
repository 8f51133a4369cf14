/** Decides what an activation gets: an instance that runs, one that starts, a new one, or a refusal. Says nothing of how instances start. */

/** A running instance as the decision sees it. */
export interface RunningInstance {
  readonly id: string;
  /** How many hold a lease of it. */
  readonly leases: number;
  /** Whether the caller is one of them. */
  readonly isHeldByCaller: boolean;
}

/** One revision at one moment. */
export interface RevisionScale {
  readonly running: readonly RunningInstance[];
  /** How many are on their way. */
  readonly starting: number;
  /** Most instances at once. */
  readonly max: number;
}

/** What the caller gets. */
export type ActivationDecision =
  | { readonly kind: "use"; readonly id: string }
  | { readonly kind: "join" }
  | { readonly kind: "start" }
  | { readonly kind: "refuse"; readonly reason: string };

/** For a caller that is content with any instance: shares before it starts. */
export function decideActivation(scale: RevisionScale): ActivationDecision {
  const running = leastLeased(scale.running);
  if (running !== undefined) return { kind: "use", id: running.id };
  if (scale.starting > 0) return { kind: "join" };
  return startOrRefuse(scale);
}

/** For a caller whose instances are all full: one that it does not hold yet, or a new one. */
export function decideFurtherActivation(scale: RevisionScale): ActivationDecision {
  const spare = leastLeased(scale.running.filter((instance) => !instance.isHeldByCaller));
  if (spare !== undefined) return { kind: "use", id: spare.id };
  if (scale.running.length + scale.starting < scale.max) return { kind: "start" };
  return scale.starting > 0 ? { kind: "join" } : startOrRefuse(scale);
}

function startOrRefuse(scale: RevisionScale): ActivationDecision {
  const count = scale.running.length + scale.starting;
  if (count < scale.max) return { kind: "start" };
  return { kind: "refuse", reason: `all ${count} of scale.max ${scale.max} instances run already` };
}

function leastLeased(instances: readonly RunningInstance[]): RunningInstance | undefined {
  let best: RunningInstance | undefined;
  for (const instance of instances) if (best === undefined || instance.leases < best.leases) best = instance;
  return best;
}
