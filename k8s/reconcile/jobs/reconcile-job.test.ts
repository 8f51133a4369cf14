/** A Job's life, stepped by hand, and the decisions in it one by one. */
import { expect, test } from "bun:test";
import { meta } from "../../../tests/support/kube-objects.ts";
import {
  nowMs,
  ownedBy,
  podObject,
  type PodTraits,
  templateOf,
} from "../../../tests/support/workload-objects.ts";
import type { JobObject, JobStatus } from "../../model/job.ts";
import type { PodObject } from "../../model/pod.ts";
import type { WorkloadAction } from "../workloads/workload-action.ts";
import { trackingFinalizer } from "./count-pods.ts";
import { formatIndexes, parseIndexes } from "./job-indexes.ts";
import { reconcileJob, releaseOrphan } from "./reconcile-job.ts";

const labels = { "batch.kubernetes.io/controller-uid": "uid-job" };
const startTime = "2026-01-01T00:00:30Z";

function jobOf(spec: Partial<JobObject["spec"]> = {}, status: JobStatus = { startTime }): JobObject {
  const template = templateOf(labels);
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: meta("shop", "job"),
    spec: {
      parallelism: 1,
      completions: 1,
      backoffLimit: 6,
      selector: { matchLabels: labels },
      template: { ...template, spec: { ...template.spec, restartPolicy: "Never" } },
      ...spec,
    },
    status,
  };
}

function pod(name: string, traits: PodTraits = {}): PodObject {
  return podObject(name, {
    labels,
    owner: { kind: "Job", name: "job" },
    finalizers: [trackingFinalizer],
    ...traits,
  });
}

const done = (name: string, more: PodTraits = {}): PodObject => pod(name, { phase: "Succeeded", ...more });
const failed = (name: string, more: PodTraits = {}): PodObject => pod(name, { phase: "Failed", ...more });
const indexed = (index: number, more: PodTraits = {}): PodTraits => ({
  annotations: { "batch.kubernetes.io/job-completion-index": String(index) },
  ...more,
});

function decide(job: JobObject, pods: readonly PodObject[]) {
  const { actions, againMs } = reconcileJob({ job, pods, nowMs });
  const status = actions.flatMap((action) =>
    action.kind === "status" ? [action.status as JobStatus] : [],
  )[0];
  return {
    said: actions.filter(({ kind }) => kind !== "status").map(say),
    order: actions.map(say),
    status,
    againMs,
  };
}

function say(action: WorkloadAction): string {
  if (action.kind === "create") return `create ${action.draft.metadata.generateName ?? ""}`;
  return action.kind === "event" ? action.event.reason : `${action.kind} ${action.key.name}`;
}

const at = (type: string, reason: string, message = ""): NonNullable<JobStatus["conditions"]>[number] => ({
  type,
  status: "True",
  reason,
  message,
  lastTransitionTime: "2026-01-01T00:00:50Z",
});

test.each<[string, JobObject, readonly PodObject[], readonly string[]]>([
  ["makes as many as may run", jobOf({ completions: 5, parallelism: 2 }), [], ["create job-", "create job-"]],
  ["makes no more than are to succeed", jobOf({ completions: 1, parallelism: 3 }), [], ["create job-"]],
  [
    "makes the rest",
    jobOf({ completions: 5, parallelism: 3 }, { startTime, succeeded: 4 }),
    [],
    ["create job-"],
  ],
  ["leaves those that work", jobOf(), [pod("a")], []],
  [
    "takes back what is too much, uncounted",
    jobOf({ completions: 4 }),
    [pod("a"), pod("b", { isReady: false })],
    ["patch b", "delete b"],
  ],
  [
    "takes all back while suspended",
    jobOf({ suspend: true }),
    [pod("a")],
    ["Suspended", "patch a", "delete a"],
  ],
  [
    "replaces one that ends at once",
    jobOf(),
    [pod("a", { isEnding: true, sinceMs: nowMs - 20_000 })],
    ["create job-"],
  ],
  [
    "or once it has ended, if told so",
    jobOf({ podReplacementPolicy: "Failed" }),
    [pod("a", { isEnding: true })],
    [],
  ],
  ["waits after a failure", jobOf(), [failed("a", { sinceMs: nowMs - 9000 })], []],
  ["tries again after ten seconds", jobOf(), [failed("a", { sinceMs: nowMs - 10_000 })], ["create job-"]],
  ["waits twice as long after two", jobOf(), [failed("a"), failed("b", { sinceMs: nowMs - 19_000 })], []],
  [
    "a success ends the waiting",
    jobOf({ completions: 3 }),
    [failed("a", { sinceMs: nowMs - 2000 }), done("b", { sinceMs: nowMs - 1000 })],
    ["create job-"],
  ],
  [
    "without a number the first success lets the others end",
    jobOf({ parallelism: 2, completions: undefined as never }),
    [done("a"), pod("b")],
    [],
  ],
])("%s", (_case, job, pods, want) => {
  expect(decide(job, pods).said).toEqual([...want]);
});

test("the wait after a failure ends by itself", () => {
  expect(decide(jobOf(), [failed("a", { sinceMs: nowMs - 9000 })]).againMs).toBe(1000);
});

test("an ended Pod is noted, let go, counted; and only then is the Job complete", () => {
  const noted = decide(jobOf(), [done("a")]);
  expect(noted.status).toMatchObject({
    uncountedTerminatedPods: { succeeded: ["uid-a"] },
    conditions: [{ type: "SuccessCriteriaMet" }],
  });
  expect(noted.status).not.toHaveProperty("succeeded");
  const counted = decide(jobOf({}, noted.status ?? {}), [done("a")]);
  // It must be let go before the number is written.
  expect(counted.order).toEqual(["patch a", "status job", "Completed"]);
  expect(counted.status).toMatchObject({
    succeeded: 1,
    uncountedTerminatedPods: {},
    conditions: [{ type: "SuccessCriteriaMet" }, { type: "Complete", reason: "CompletionsReached" }],
    completionTime: "2026-01-01T00:01:00Z",
  });
  // A crash in between: the Pod was let go, and may even be gone.
  for (const pods of [[done("a", { finalizers: [] })], []]) {
    expect(decide(jobOf({}, noted.status ?? {}), pods).status).toMatchObject({ succeeded: 1 });
  }
  expect(decide(jobOf({}, counted.status ?? {}), [done("a", { finalizers: [] })]).order).toEqual([]);
});

test.each<[string, JobObject, readonly PodObject[], string]>([
  [
    "too many failures",
    jobOf({ backoffLimit: 1 }, { startTime, failed: 1 }),
    [failed("a")],
    "BackoffLimitExceeded",
  ],
  [
    "restarts in place",
    jobOf({ backoffLimit: 2, template: { spec: { containers: [], restartPolicy: "OnFailure" } } }),
    [pod("a", { restarts: 2 })],
    "BackoffLimitExceeded",
  ],
  [
    "one restart where none is allowed",
    jobOf({ backoffLimit: 0, template: { spec: { containers: [], restartPolicy: "OnFailure" } } }),
    [pod("a", { restarts: 1 })],
    "BackoffLimitExceeded",
  ],
  ["its deadline", jobOf({ activeDeadlineSeconds: 30 }), [pod("a")], "DeadlineExceeded"],
])("it fails by %s, and what works is ended", (_case, job, pods, reason) => {
  const { status, said } = decide(job, pods);
  expect(status?.conditions).toMatchObject([{ type: "FailureTarget", status: "True", reason }]);
  const isWorking = pods[0]?.status?.phase === "Running";
  expect(said).toEqual(isWorking ? ["delete a"] : []);
  // Once nothing works any more it has failed, whatever becomes of its Pods.
  const last = decide({ ...job, status: status ?? {} }, []);
  expect(last.status?.conditions).toMatchObject([{ type: "FailureTarget" }, { type: "Failed", reason }]);
  expect(last.said).toEqual([reason]);
});

test("a deadline to come is looked at when it comes; one that is suspended has none", () => {
  expect(decide(jobOf({ activeDeadlineSeconds: 40 }), [pod("a")]).againMs).toBe(10_000);
  const suspended = decide(jobOf({ activeDeadlineSeconds: 30, suspend: true }), []);
  expect(suspended.status).toMatchObject({ conditions: [{ type: "Suspended", status: "True" }] });
  expect(suspended.status).not.toHaveProperty("startTime");
  const resumed = decide(jobOf({}, suspended.status ?? {}), []);
  expect(resumed.status).toMatchObject({
    conditions: [{ type: "Suspended", status: "False" }],
    startTime: "2026-01-01T00:01:00Z",
  });
  expect(resumed.said).toEqual(["Resumed", "create job-"]);
});

test("one that is over goes after its time, with its Pods", () => {
  const complete = { conditions: [at("Complete", "CompletionsReached")] };
  expect(decide(jobOf({}, complete), []).order).toEqual([]);
  expect(decide(jobOf({ ttlSecondsAfterFinished: 15 }, complete), [])).toMatchObject({
    order: [],
    againMs: 5000,
  });
  const { actions } = reconcileJob({
    job: jobOf({ ttlSecondsAfterFinished: 10 }, complete),
    pods: [],
    nowMs,
  });
  expect(actions).toMatchObject([{ kind: "delete", key: { name: "job" }, propagation: "Foreground" }]);
});

test("indexed: each number once, the lowest first, told to its containers", () => {
  const job = jobOf(
    { completionMode: "Indexed", completions: 4, parallelism: 4 },
    { startTime, completedIndexes: "0" },
  );
  const { actions } = reconcileJob({ job, pods: [pod("a", indexed(2)), done("b", indexed(1))], nowMs });
  const made = actions.filter(({ kind }) => kind === "create");
  expect(made).toMatchObject([
    {
      draft: {
        metadata: {
          generateName: "job-3-",
          annotations: { "batch.kubernetes.io/job-completion-index": "3" },
        },
        spec: { hostname: "job-3", containers: [{ env: [{ name: "JOB_COMPLETION_INDEX" }] }] },
      },
    },
  ]);
  const status = actions.flatMap((action) => (action.kind === "status" ? [action.status] : []))[0];
  expect(status).toMatchObject({ completedIndexes: "0,1", succeeded: 2, active: 1 });
  // An index that succeeded twice, and one that is none, count for nothing more.
  const again = decide(job, [done("c", indexed(0)), done("d", indexed(9)), done("e", {})]);
  expect(again.status).toMatchObject({ completedIndexes: "0", succeeded: 1 });
});

test("a Pod is let go when its Job is gone, and only then", () => {
  expect(releaseOrphan(pod("a"), new Set(["uid-job"]))).toEqual([]);
  expect(releaseOrphan(pod("a"), new Set()).map(say)).toEqual(["patch a"]);
  expect(releaseOrphan(podObject("b"), new Set())).toEqual([]);
  const going = { ...jobOf(), metadata: { ...jobOf().metadata, deletionTimestamp: startTime } };
  expect(decide(going, [pod("a"), pod("b", { finalizers: [] })]).order).toEqual(["patch a"]);
});

test.each<[readonly number[], string]>([
  [[], ""],
  [[3], "3"],
  [[1, 0], "0,1"],
  [[0, 1, 2, 5, 7, 8, 9], "0-2,5,7-9"],
])("formatIndexes(%p) = %p, and back", (indexes, text) => {
  expect(formatIndexes(indexes)).toBe(text);
  expect([...parseIndexes(text)]).toEqual([...indexes].sort((a, b) => a - b));
});

test("ownedBy() and the Job's uid agree", () => {
  expect(ownedBy("Job", "job").uid).toBe(jobOf().metadata.uid);
});
