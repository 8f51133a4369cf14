import { expect, test } from "bun:test";
import type { PodPhase, RestartPolicy } from "../../model/pod.ts";
import type { ContainerFacts, EndedRun, LiveRun } from "./container-facts.ts";
import { decidePhase } from "./pod-phase.ts";

const runs: Readonly<Record<string, LiveRun | EndedRun | undefined>> = {
  none: undefined,
  runs: { kind: "running", id: "r", startedAtMs: 0, isStarted: true, isReady: true },
  good: { kind: "ended", id: "r", startedAtMs: 0, endedAtMs: 1, exitCode: 0, reason: "Completed" },
  bad: { kind: "ended", id: "r", startedAtMs: 0, endedAtMs: 1, exitCode: 1, reason: "Error" },
};

test.each<[string, RestartPolicy, PodPhase]>([
  ["none none", "Always", "Pending"],
  ["init:runs none", "Always", "Pending"],
  ["init:bad none", "Always", "Pending"],
  ["init:bad none", "Never", "Failed"],
  ["init:good none", "Never", "Pending"],
  ["sidecar:runs none", "Always", "Pending"],
  ["runs none", "Always", "Pending"],
  ["init:good runs", "Always", "Running"],
  ["runs bad", "Never", "Running"],
  ["bad bad", "Always", "Running"],
  ["good good", "Always", "Running"],
  ["good good", "OnFailure", "Succeeded"],
  ["sidecar:runs good", "Never", "Succeeded"],
  ["good bad", "OnFailure", "Running"],
  ["good bad", "Never", "Failed"],
])("decidePhase() of %s with %s is %s", (text, policy, want) => {
  const containers = text.split(" ").map((part, i): ContainerFacts => {
    const [word = "", role = "main"] = part.split(":").toReversed();
    // Sound: the table above writes roles only.
    const named = { name: `c${i}`, role: role as ContainerFacts["role"], run: runs[word] };
    return { ...named, restarts: 0, lastRun: undefined, backOff: undefined, problem: undefined };
  });
  expect(decidePhase(containers, policy)).toBe(want);
});
