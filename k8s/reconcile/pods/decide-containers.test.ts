import { expect, test } from "bun:test";
import type { RestartPolicy } from "../../model/pod.ts";
import { defaultBackOffLimits } from "./back-off.ts";
import type { ContainerFacts, ContainerRole, EndedRun, LiveRun } from "./container-facts.ts";
import { type ContainerDecision, decideContainers } from "./decide-containers.ts";

const nowMs = 100_000;
const live: LiveRun = { kind: "running", id: "r", startedAtMs: 0, isStarted: true, isReady: true };
const ended = (exitCode: number, endedAtMs = nowMs): EndedRun => ({
  kind: "ended",
  id: "r",
  startedAtMs: 0,
  endedAtMs,
  exitCode,
  reason: exitCode === 0 ? "Completed" : "Error",
});

function container(
  name: string,
  run?: LiveRun | EndedRun,
  more: Partial<ContainerFacts> = {},
): ContainerFacts {
  const role: ContainerRole = name.startsWith("init") ? "init" : name.startsWith("side") ? "sidecar" : "main";
  const none = { restarts: 0, lastRun: undefined, backOff: undefined, problem: undefined };
  return { name, role, run, ...none, ...more };
}

interface Want extends Partial<Omit<ContainerDecision, "end">> {
  readonly end?: readonly string[];
}

const crashed = { backOff: { delayMs: 10_000, setAtMs: 50_000 } };
const unpulled = { problem: { reason: "ErrImagePull", message: "no", retryAtMs: nowMs + 7 } };

test.each<[string, RestartPolicy, ContainerFacts[], Want]>([
  ["all start at once", "Always", [container("a"), container("b")], { start: ["a", "b"] }],
  ["nothing to do", "Always", [container("a", live)], {}],
  [
    "the first init container alone",
    "Always",
    [container("init1"), container("init2"), container("a")],
    { start: ["init1"] },
  ],
  ["an init container that runs is waited for", "Always", [container("init1", live), container("a")], {}],
  [
    "the next init container",
    "Always",
    [container("init1", ended(0)), container("init2"), container("a")],
    { start: ["init2"] },
  ],
  [
    "after the last init container",
    "Never",
    [container("init1", ended(0)), container("a")],
    { start: ["a"] },
  ],
  [
    "an init container that failed starts again",
    "OnFailure",
    [container("init1", ended(1)), container("a")],
    { start: ["init1"] },
  ],
  [
    "an init container that failed for good",
    "Never",
    [container("init1", ended(1)), container("a")],
    { isOver: true },
  ],
  [
    "init containers do not run again",
    "Always",
    [container("init1", ended(1)), container("a", live), container("b")],
    { start: ["b"] },
  ],
  [
    "a sidecar holds the rest until it is started",
    "Always",
    [container("side", { ...live, isStarted: false }), container("a")],
    {},
  ],
  [
    "a sidecar that is started does not",
    "Always",
    [container("side", live), container("init1"), container("a")],
    { start: ["init1"] },
  ],
  [
    "a sidecar always comes back",
    "Never",
    [container("side", ended(0)), container("a", live)],
    { start: ["side"] },
  ],
  [
    "a job that is done ends its sidecar",
    "Never",
    [container("side", live), container("a", ended(0))],
    { end: ["side"] },
  ],
  ["a job that is done", "OnFailure", [container("a", ended(0)), container("b", ended(0))], { isOver: true }],
  ["a job that is half done", "Never", [container("a", ended(0)), container("b", live)], {}],
  ["success is not restarted", "OnFailure", [container("a", ended(0)), container("b", live)], {}],
  ["success is restarted", "Always", [container("a", ended(0))], { start: ["a"] }],
  ["a crash waits", "Always", [container("a", ended(1), crashed)], { wakeAtMs: nowMs + 10_000 }],
  ["a crash has waited", "Always", [container("a", ended(1, nowMs - 10_000), crashed)], { start: ["a"] }],
  [
    "an image is tried again",
    "Always",
    [container("a", undefined, unpulled), container("b")],
    { start: ["b"], wakeAtMs: nowMs + 7 },
  ],
  [
    "an unhealthy one ends",
    "Always",
    [container("a", { ...live, mustEnd: "failed liveness probe" })],
    { end: ["a"] },
  ],
])("decideContainers(): %s", (_name, restartPolicy, containers, want) => {
  const decision = decideContainers({ restartPolicy, containers, nowMs, backOff: defaultBackOffLimits });
  expect<object>({ ...decision, end: decision.end.map(({ name }) => name) }).toEqual({
    start: want.start ?? [],
    end: want.end ?? [],
    wakeAtMs: want.wakeAtMs,
    isOver: want.isOver ?? false,
  });
});
