import { expect, test } from "bun:test";
import type { PodObject, PodSpec, PodStatus } from "../../model/pod.ts";
import { defaultBackOffLimits } from "./back-off.ts";
import type { ContainerFacts, EndedRun, LiveRun } from "./container-facts.ts";
import { decideStatus, type StatusFacts } from "./pod-status.ts";

const at = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const shownAt = "2026-01-02T03:04:05Z";
const live: LiveRun = { kind: "running", id: "b1", startedAtMs: at, isStarted: true, isReady: true };
const crash: EndedRun = {
  kind: "ended",
  id: "a1",
  startedAtMs: at - 60_000,
  endedAtMs: at - 1000,
  exitCode: 137,
  signal: 9,
  reason: "OOMKilled",
};

function pod(spec: Partial<PodSpec> = {}, status?: PodStatus): PodObject {
  const metadata = {
    name: "web",
    namespace: "shop",
    uid: "u-1",
    resourceVersion: "1",
    creationTimestamp: shownAt,
  };
  const whole = { containers: [{ name: "a", image: "web:1" }], ...spec };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata,
    spec: whole,
    ...(status === undefined ? {} : { status }),
  };
}

function facts(
  given: PodObject,
  containers: readonly Partial<ContainerFacts>[],
  more: Partial<StatusFacts> = {},
): StatusFacts {
  const names = [...(given.spec.initContainers ?? []), ...given.spec.containers];
  return {
    pod: given,
    containers: containers.map((container, i) => ({
      name: names[i]?.name ?? "",
      role: i < (given.spec.initContainers?.length ?? 0) ? "init" : "main",
      restarts: 0,
      run: undefined,
      lastRun: undefined,
      backOff: undefined,
      problem: undefined,
      ...container,
    })),
    hasSandbox: true,
    address: "10.244.0.130",
    hostIP: "10.244.0.1",
    startedAtMs: at,
    nowMs: at,
    backOff: defaultBackOffLimits,
    failure: undefined,
    imageIdOf: () => "sha256:1",
    ...more,
  };
}

/** `Ready=False(ContainersNotReady)` and so on. */
function words(status: PodStatus): string[] {
  return (status.conditions ?? []).map(
    ({ type, status: value, reason }) => `${type}=${value}${reason === undefined ? "" : `(${reason})`}`,
  );
}

test("a Pod that runs", () => {
  const status = decideStatus(facts(pod(), [{ run: live }]));
  expect<object>({ ...status, conditions: words(status) }).toEqual({
    phase: "Running",
    conditions: [
      "PodReadyToStartContainers=True",
      "Initialized=True",
      "Ready=True",
      "ContainersReady=True",
      "PodScheduled=True",
    ],
    hostIP: "10.244.0.1",
    hostIPs: [{ ip: "10.244.0.1" }],
    podIP: "10.244.0.130",
    podIPs: [{ ip: "10.244.0.130" }],
    startTime: shownAt,
    containerStatuses: [
      {
        name: "a",
        state: { running: { startedAt: shownAt } },
        lastState: {},
        ready: true,
        restartCount: 0,
        image: "web:1",
        imageID: "sha256:1",
        containerID: "lambient://b1",
        started: true,
      },
    ],
    qosClass: "BestEffort",
  });
});

test("a Pod before its init container is done", () => {
  const given = pod({ initContainers: [{ name: "i" }] });
  const status = decideStatus(facts(given, [{ run: live }, {}]));
  expect(status.phase).toBe("Pending");
  expect(words(status).slice(1, 4)).toEqual([
    "Initialized=False(ContainersNotInitialized)",
    "Ready=False(ContainersNotReady)",
    "ContainersReady=False(ContainersNotReady)",
  ]);
  expect(status.conditions?.[1]?.message).toBe("containers with incomplete status: [i]");
  expect(status.containerStatuses?.[0]?.state).toEqual({ waiting: { reason: "PodInitializing" } });
  expect(status.initContainerStatuses?.[0]?.ready).toBe(false);
});

test("a container that waits after a crash shows the crash as its last state", () => {
  const backOff = { delayMs: 160_000, setAtMs: at - 60_000 };
  const [shown] = decideStatus(facts(pod(), [{ run: crash, restarts: 4, backOff }])).containerStatuses ?? [];
  expect(shown?.state).toEqual({
    waiting: {
      reason: "CrashLoopBackOff",
      message: "back-off 2m40s restarting failed container=a pod=web_shop(u-1)",
    },
  });
  expect(shown?.lastState.terminated).toMatchObject({ exitCode: 137, signal: 9, reason: "OOMKilled" });
  expect([shown?.restartCount, shown?.ready, shown?.started]).toEqual([4, false, false]);
});

test("a container that cannot start says why", () => {
  const problem = { reason: "ErrImagePull", message: "no such image", retryAtMs: at };
  const [shown] = decideStatus(facts(pod(), [{ problem }])).containerStatuses ?? [];
  expect(shown?.state).toEqual({ waiting: { reason: "ErrImagePull", message: "no such image" } });
  expect(shown?.containerID).toBeUndefined();
});

test("a deadline fails the Pod, and it stays failed", () => {
  const failure = { reason: "DeadlineExceeded", message: "too long" };
  const status = decideStatus(facts(pod(), [{ run: crash }], { failure }));
  expect([status.phase, status.reason, status.message]).toEqual(["Failed", "DeadlineExceeded", "too long"]);
  expect(words(status)[2]).toBe("Ready=False(PodFailed)");
  const later = decideStatus(facts(pod({}, status), [{ run: live }]));
  expect(later.phase).toBe("Failed");
});

test("times of conditions change only with their status, and foreign conditions stay", () => {
  const early = decideStatus(facts(pod(), [{ run: { ...live, isReady: false } }], { nowMs: at - 90_000 }));
  const gate = { type: "example.com/lb", status: "False" } as const;
  const given = pod(
    { readinessGates: [{ conditionType: "example.com/lb" }] },
    { ...early, conditions: [...(early.conditions ?? []), gate] },
  );
  const status = decideStatus(facts(given, [{ run: live }]));
  const seen = Object.fromEntries((status.conditions ?? []).map((one) => [one.type, one]));
  expect(seen["PodScheduled"]?.lastTransitionTime).toBe("2026-01-02T03:02:35Z");
  expect(seen["ContainersReady"]?.lastTransitionTime).toBe(shownAt);
  expect(seen["Ready"]).toMatchObject({ status: "False", reason: "ReadinessGatesNotReady" });
  expect(seen["example.com/lb"]).toEqual(gate);
});

test("a Pod that has succeeded is completed", () => {
  const done: EndedRun = { ...crash, exitCode: 0, reason: "Completed" };
  const status = decideStatus(facts(pod({ restartPolicy: "Never" }), [{ run: done }], { hasSandbox: false }));
  expect(status.phase).toBe("Succeeded");
  expect(words(status)).toEqual([
    "PodReadyToStartContainers=False",
    "Initialized=True(PodCompleted)",
    "Ready=False(PodCompleted)",
    "ContainersReady=False(PodCompleted)",
    "PodScheduled=True",
  ]);
  expect(status.containerStatuses?.[0]?.state.terminated?.reason).toBe("Completed");
});
