/** Which revisions of a function get its traffic: what its spec wants, as far as revisions are ready; else what was applied last. */
import type { FunctionObject, RevisionObject } from "#host/kube/known-resources.ts";

/** A share of a function's traffic. */
export interface TrafficShare {
  /** Name without the function's prefix. */
  readonly revision: string;
  readonly percent: number;
}

/** What is applied, and why it is not what is wanted. */
export interface FunctionTraffic {
  readonly shares: readonly TrafficShare[];
  readonly latestReady: string | undefined;
  readonly problem: string | undefined;
}

/** Whether a revision can serve: signed, and loaded once by a node. */
export function isReady(revision: RevisionObject): boolean {
  return (
    revision.metadata.deletionTimestamp === undefined &&
    (revision.status?.conditions ?? []).some(({ type, status }) => type === "Ready" && status === "True")
  );
}

/** A revision's name without its function's prefix. */
export function shortName(revision: RevisionObject): string {
  return revision.metadata.name.slice(revision.spec.function.length + 1);
}

/**
 * Decides.
 * @param revisions those of this function.
 * @param current short name of the revision that the spec describes now.
 */
export function decideTraffic(
  object: FunctionObject,
  revisions: readonly RevisionObject[],
  current: string,
): FunctionTraffic {
  const ready = new Set(revisions.filter(isReady).map(shortName));
  const latestReady = decideLatestReady(object, revisions, ready, current);
  const wanted = object.spec.traffic ?? [{ revision: "latest", percent: 100 }];
  const shares: TrafficShare[] = [];
  const missing: string[] = [];
  for (const { revision, percent } of wanted) {
    const name = revision === "latest" ? latestReady : revision;
    if (name === undefined || !ready.has(name)) missing.push(name ?? current);
    else if (percent > 0) shares.push({ revision: name, percent });
  }
  if (missing.length === 0) return { shares: merged(shares), latestReady, problem: undefined };
  const problem = `revision ${missing.join(", ")} is not ready; what was applied last keeps serving`;
  return { shares: lastApplied(object, ready, latestReady), latestReady, problem };
}

/** The one the spec describes when it is ready; else the one that was it before; else the newest. */
function decideLatestReady(
  ...[object, revisions, ready, current]: [
    FunctionObject,
    readonly RevisionObject[],
    ReadonlySet<string>,
    string,
  ]
): string | undefined {
  if (ready.has(current)) return current;
  const before = object.status?.latestReadyRevision;
  if (before !== undefined && ready.has(before)) return before;
  const newestFirst = revisions
    .filter(isReady)
    .sort((a, b) => compare(b.metadata.creationTimestamp, a.metadata.creationTimestamp));
  return newestFirst[0] === undefined ? undefined : shortName(newestFirst[0]);
}

function lastApplied(
  object: FunctionObject,
  ready: ReadonlySet<string>,
  latestReady: string | undefined,
): readonly TrafficShare[] {
  const applied = object.status?.traffic ?? [];
  if (applied.length > 0 && applied.every(({ revision }) => ready.has(revision))) return applied;
  return latestReady === undefined ? [] : [{ revision: latestReady, percent: 100 }];
}

/** `latest` and its name may both be listed. */
function merged(shares: readonly TrafficShare[]): TrafficShare[] {
  const sums = new Map<string, number>();
  for (const { revision, percent } of shares) sums.set(revision, (sums.get(revision) ?? 0) + percent);
  return [...sums].map(([revision, percent]) => ({ revision, percent }));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
