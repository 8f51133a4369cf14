/** Whether a Job is over and why: complete, too many failures, too late; and the conditions that say so. */
import { timestamp } from "../../api/write-context.ts";
import type { JobObject } from "../../model/job.ts";
import type { WorkloadCondition } from "../../model/workload.ts";
import { restartsOf } from "../workloads/pod-facts.ts";
import type { EventDraft } from "../workloads/workload-action.ts";
import { findCondition, withCondition } from "../workloads/workload-conditions.ts";
import type { JobPods } from "./job-pods.ts";

/** Why it is over. */
export interface JobEnd {
  readonly outcome: "Complete" | "Failed";
  readonly reason: string;
  readonly message: string;
}

const succeeded: JobEnd = {
  outcome: "Complete",
  reason: "CompletionsReached",
  message: "Reached expected number of succeeded pods",
};

/** Whether it is over for good. */
export function isFinished({ status }: JobObject): boolean {
  return ["Complete", "Failed"].some((type) => findCondition(status?.conditions, type)?.status === "True");
}

/** Since when it is over. */
export function finishedAtMs({ status }: JobObject): number {
  const over = status?.conditions?.find(
    ({ type, status: state }) => (type === "Complete" || type === "Failed") && state === "True",
  );
  return Date.parse(over?.lastTransitionTime ?? "");
}

/** Why it is to end; undefined: it goes on. What was once found stays so. */
export function decideEnd(known: JobPods): JobEnd | undefined {
  const { status } = known.job;
  const doomed = findCondition(status?.conditions, "FailureTarget");
  if (doomed !== undefined) return failed(doomed.reason ?? "", doomed.message ?? "");
  if (findCondition(status?.conditions, "SuccessCriteriaMet") !== undefined) return succeeded;
  if (isBeyondLimit(known)) {
    return failed("BackoffLimitExceeded", "Job has reached the specified backoff limit");
  }
  if (isLate(known)) return failed("DeadlineExceeded", "Job was active longer than specified deadline");
  return isDone(known) ? succeeded : undefined;
}

function isLate({ job: { spec, status }, nowMs }: JobPods): boolean {
  if (spec.suspend === true || spec.activeDeadlineSeconds === undefined) return false;
  return nowMs >= Date.parse(status?.startTime ?? "") + spec.activeDeadlineSeconds * 1000;
}

function isDone({ job, counts, active }: JobPods): boolean {
  const { completions } = job.spec;
  return completions === undefined
    ? counts.allSucceeded > 0 && active.length === 0
    : counts.allSucceeded >= completions;
}

/** The conditions after this step, and what is said of those that are new. */
export function nextConditions(
  { job, active, terminating, counts, nowMs }: JobPods,
  end: JobEnd | undefined,
): { readonly conditions: readonly WorkloadCondition[]; readonly events: readonly EventDraft[] } {
  const before = job.status?.conditions ?? [];
  const now = timestamp(nowMs);
  const say = (type: string, state: "True" | "False", why: Omit<JobEnd, "outcome">): WorkloadCondition => ({
    type,
    status: state,
    lastProbeTime: now,
    lastTransitionTime: now,
    ...why,
  });
  if (end === undefined) return suspension(job, before, say);
  const { outcome, ...why } = end;
  const target = outcome === "Complete" ? "SuccessCriteriaMet" : "FailureTarget";
  const announced = withCondition(before, say(target, "True", why));
  const isQuiet =
    active.length + terminating.length === 0 &&
    (counts.uncounted.succeeded?.length ?? 0) + (counts.uncounted.failed?.length ?? 0) === 0;
  if (!isQuiet) return { conditions: announced, events: [] };
  const event: EventDraft =
    outcome === "Complete"
      ? { about: job, type: "Normal", reason: "Completed", message: "Job completed" }
      : { about: job, type: "Warning", reason: why.reason, message: why.message };
  return { conditions: withCondition(announced, say(outcome, "True", why)), events: [event] };
}

function suspension(
  job: JobObject,
  before: readonly WorkloadCondition[],
  say: (type: string, state: "True" | "False", why: Omit<JobEnd, "outcome">) => WorkloadCondition,
): { readonly conditions: readonly WorkloadCondition[]; readonly events: readonly EventDraft[] } {
  const wasSuspended = findCondition(before, "Suspended")?.status === "True";
  const isSuspended = job.spec.suspend === true;
  if (wasSuspended === isSuspended) return { conditions: before, events: [] };
  const [verb, state] = isSuspended ? (["suspended", "True"] as const) : (["resumed", "False"] as const);
  const reason = isSuspended ? "JobSuspended" : "JobResumed";
  const message = `Job ${verb}`;
  return {
    conditions: withCondition(before, say("Suspended", state, { reason, message })),
    events: [{ about: job, type: "Normal", reason: isSuspended ? "Suspended" : "Resumed", message }],
  };
}

/** Pods that failed, or containers that were started again in place. */
function isBeyondLimit({ job, counts, active }: JobPods): boolean {
  const { backoffLimit = 6, template } = job.spec;
  if (counts.allFailed > backoffLimit) return true;
  if (template.spec.restartPolicy !== "OnFailure") return false;
  const restarts = active.reduce((sum, pod) => sum + restartsOf(pod), 0);
  return backoffLimit === 0 ? restarts > 0 : restarts >= backoffLimit;
}

function failed(reason: string, message: string): JobEnd {
  return { outcome: "Failed", reason, message };
}
