import { expect, test } from "bun:test";
import type { PodObject } from "../../model/pod.ts";
import type { ContainerFacts } from "../../reconcile/pods/container-facts.ts";
import { CrashEvents } from "./crash-events.ts";
import type { PodEvent } from "./pod-events.ts";

const metadata = { name: "web", namespace: "shop", uid: "u", resourceVersion: "1", creationTimestamp: "" };
const pod: PodObject = { apiVersion: "v1", kind: "Pod", metadata, spec: { containers: [] } };
const crashed: ContainerFacts = {
  name: "c",
  role: "main",
  restarts: 1,
  run: { kind: "ended", id: "r", startedAtMs: 0, endedAtMs: 1, exitCode: 1, reason: "Error" },
  lastRun: undefined,
  backOff: { delayMs: 20_000, setAtMs: 0 },
  problem: undefined,
};

test("a wait is told once, and the next one again", () => {
  const told: PodEvent[] = [];
  const events = new CrashEvents({ record: (_pod, event) => void told.push(event) });
  events.tell(pod, [crashed], ["c"]);
  events.tell(pod, [{ ...crashed, backOff: undefined }], []);
  expect(told).toEqual([]);
  events.tell(pod, [crashed], []);
  events.tell(pod, [crashed], []);
  events.tell(pod, [{ ...crashed, restarts: 2 }], []);
  expect(told.map(({ reason, message }) => `${reason}: ${message}`)).toEqual([
    "BackOff: Back-off 20s restarting failed container=c pod=web_shop(u)",
    "BackOff: Back-off 20s restarting failed container=c pod=web_shop(u)",
  ]);
});
