import { expect, test } from "bun:test";
import type { ContainerState, ContainerStatus } from "../../model/pod.ts";
import { endedRun, startedAnew } from "./inherited-run.ts";

const startedAt = "1970-01-01T00:00:01Z";
const finishedAt = "1970-01-01T00:00:02Z";

function status(state: ContainerState): ContainerStatus {
  const rest = { lastState: {}, ready: false, image: "", imageID: "" };
  return { name: "c", restartCount: 2, containerID: "lambient://ab", state, ...rest };
}

test.each<[string, ContainerState, object]>([
  [
    "ran",
    { running: { startedAt } },
    { id: "ab", startedAtMs: 1000, endedAtMs: 9000, exitCode: 137, reason: "ContainerStatusUnknown" },
  ],
  [
    "waited",
    { waiting: {} },
    { id: "ab", startedAtMs: 9000, exitCode: 137, reason: "ContainerStatusUnknown" },
  ],
  [
    "had ended",
    { terminated: { exitCode: 0, reason: "Completed", startedAt, finishedAt } },
    { startedAtMs: 1000, endedAtMs: 2000, exitCode: 0, reason: "Completed" },
  ],
  [
    "had been killed",
    { terminated: { exitCode: 143, signal: 15, message: "m" } },
    { exitCode: 143, signal: 15, reason: "Error", message: "m" },
  ],
])("endedRun() of a container that %s", (_name, state, want) => {
  const { restarts, run } = endedRun(status(state), 9000);
  expect(restarts).toBe(2);
  expect(run).toMatchObject({ kind: "ended", ...want });
});

test("startedAnew() counts a restart and forgets the run", () => {
  expect(startedAnew(status({}))).toEqual({ restarts: 3, run: undefined });
});
