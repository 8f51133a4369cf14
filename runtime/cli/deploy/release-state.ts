/** Whether a Function's wish has come true, read from its status. Pure. */
import type { Condition, FunctionObject, FunctionStatus } from "#host/kube/known-resources.ts";

/** How far a release is. */
export type ReleaseState =
  | { readonly kind: "pending"; readonly reason: string }
  | { readonly kind: "ready"; readonly revision: string; readonly url: string }
  | { readonly kind: "failed"; readonly reason: string; readonly serving: string | undefined };

/** Reasons of a False that time may still turn. */
const passing: ReadonlySet<string> = new Set([
  "Pending",
  "Progressing",
  "Checking",
  "RevisionPending",
  "Deploying",
]);

/** Reads the status; one of an older wish says nothing of this one. */
export function decideRelease({ status = {}, metadata }: FunctionObject): ReleaseState {
  const ready = status.conditions?.find((condition) => condition.type === "Ready");
  if (ready === undefined || isOlder(status, ready, metadata.generation ?? 1)) {
    return { kind: "pending", reason: "the control plane has not looked at it yet" };
  }
  const { latestReadyRevision: serving, url = "" } = status;
  if (ready.status === "True") return { kind: "ready", revision: serving ?? "", url };
  const reason = ready.message === "" ? ready.reason : ready.message;
  const isPassing = ready.status === "Unknown" || passing.has(ready.reason);
  return isPassing ? { kind: "pending", reason } : { kind: "failed", reason, serving };
}

function isOlder(status: FunctionStatus, ready: Condition, generation: number): boolean {
  return (ready.observedGeneration ?? status.observedGeneration ?? 0) < generation;
}

/** What a failure leaves serving, as the end of a sentence. */
export function describeServing(serving: string | undefined): string {
  return serving === undefined || serving === ""
    ? "nothing serves yet"
    : `revision "${serving}" keeps serving`;
}
