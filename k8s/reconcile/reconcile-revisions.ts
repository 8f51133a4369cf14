/** Revisions → checks of those that no node has loaded yet, and the refusal of those that were not signed here. */
import { canonicalJson } from "#core/release/canonical-json.ts";
import { type RevisionObject, revisionResource } from "#host/kube/known-resources.ts";
import type { Result } from "#core/result.ts";
import type { MeshIndex } from "../translate/mesh-index.ts";
import { currentRevision } from "../translate/revision-name.ts";
import type { Action } from "./action.ts";
import { type ConditionDraft, mergeConditions } from "./conditions.ts";

/** Verifies a revision's signature. */
export type Verify = (revision: {
  namespace: string;
  name: string;
  spec: RevisionObject["spec"];
}) => Result<true>;

/** What a node found out about a revision. */
export interface CheckOutcome {
  readonly status: ConditionDraft["status"];
  readonly reason: "Loaded" | "LoadFailed" | "BundleMissing" | "NodeUnavailable" | "SignatureInvalid";
  readonly message: string;
}

/** Decides for every Revision. @param now RFC 3339 */
export function reconcileRevisions(index: MeshIndex, verify: Verify, now: string): readonly Action[] {
  const wanted = wantedRevisions(index);
  return [...index.revisions]
    .filter(([, { metadata }]) => metadata.deletionTimestamp === undefined)
    .filter(([key, revision]) => isOpen(revision, wanted.has(key)))
    .flatMap(([, revision]) => reconcileRevision(revision, verify, now));
}

/** What Functions say now. A check that failed is made again for these only: for the rest nobody waits. */
function wantedRevisions({ functions }: MeshIndex): ReadonlySet<string> {
  const wanted = new Set<string>();
  for (const [key, object] of functions) {
    wanted.add(`${key}-${currentRevision(object)}`);
    for (const { revision } of object.spec.traffic ?? []) wanted.add(`${key}-${revision}`);
  }
  return wanted;
}

/** A verdict stands once it was True: what a node has loaded does not change. */
function isOpen({ status }: RevisionObject, isWanted: boolean): boolean {
  const ready = status?.conditions?.find(({ type }) => type === "Ready")?.status;
  return ready === "False" ? isWanted : ready !== "True";
}

function reconcileRevision(revision: RevisionObject, verify: Verify, now: string): readonly Action[] {
  const { namespace, name, generation = 1 } = revision.metadata;
  const { spec } = revision;
  const verified = verify({ namespace, name, spec });
  if (!verified.ok) {
    const outcome = { status: "False", reason: "SignatureInvalid", message: verified.error } as const;
    return revisionStatus(revision, outcome, now);
  }
  return [{ kind: "check", revision: { namespace, name, spec }, generation }];
}

/** The status that an outcome makes. @returns nothing when it is there already */
export function revisionStatus(
  { metadata, status }: Pick<RevisionObject, "metadata" | "status">,
  outcome: CheckOutcome,
  now: string,
): readonly Action[] {
  const { namespace, name, generation } = metadata;
  const observed = generation === undefined ? {} : { observedGeneration: generation };
  const wanted = {
    ...observed,
    conditions: mergeConditions(status?.conditions, [{ type: "Ready", ...outcome, ...observed }], now),
  };
  if (status !== undefined && canonicalJson(status) === canonicalJson(wanted)) return [];
  return [{ kind: "status", type: revisionResource, key: { namespace, name }, status: wanted }];
}
