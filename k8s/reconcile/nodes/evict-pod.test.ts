import { expect, test } from "bun:test";
import { madeAt } from "../../../tests/support/kube-objects.ts";
import { nowMs, podObject, type PodTraits } from "../../../tests/support/workload-objects.ts";
import type { NodeObject, Taint } from "../../model/node.ts";
import type { Toleration } from "../../model/pod.ts";
import { evictPod } from "./evict-pod.ts";

function nodeWith(...taints: readonly Taint[]): NodeObject {
  const metadata = { name: "node-0", uid: "n", resourceVersion: "1", creationTimestamp: madeAt };
  return { apiVersion: "v1", kind: "Node", metadata, spec: { taints } };
}

const expels: Taint = { key: "out", effect: "NoExecute" };
const repels: Taint = { key: "out", effect: "NoSchedule" };
const bears = (...tolerations: readonly Toleration[]): PodTraits => ({ spec: { tolerations } });
const forever: Toleration = { key: "out", operator: "Exists" };

test.each<[string, NodeObject | undefined, PodTraits, readonly string[], number | undefined]>([
  ["no node", undefined, {}, [], undefined],
  ["a taint that only keeps new ones away", nodeWith(repels), {}, [], undefined],
  ["a taint that it does not bear", nodeWith(expels), {}, ["status", "delete"], undefined],
  ["a taint that it bears", nodeWith(expels), bears(forever), [], undefined],
  [
    "a taint that it bears for longer",
    nodeWith(expels),
    bears({ ...forever, tolerationSeconds: 40 }),
    [],
    10_000,
  ],
  [
    "a taint that it has borne for long enough",
    nodeWith(expels),
    bears({ ...forever, tolerationSeconds: 30 }),
    ["status", "delete"],
    undefined,
  ],
  [
    "the shorter of two times",
    nodeWith(expels),
    bears(forever, { ...forever, tolerationSeconds: 35 }),
    [],
    5000,
  ],
  [
    "two taints, one of them not borne",
    nodeWith(expels, { ...expels, key: "other" }),
    bears(forever),
    ["status", "delete"],
    undefined,
  ],
  ["a Pod that ends", nodeWith(expels), { isEnding: true }, [], undefined],
  ["a Pod that ended", nodeWith(expels), { phase: "Succeeded" }, [], undefined],
  [
    "a function's instance",
    nodeWith(expels),
    { annotations: { "lambient.dev/instance": "i" } },
    [],
    undefined,
  ],
])("%s", (...[, node, traits, want, againMs]) => {
  const decided = evictPod({ pod: podObject("a", traits), node, sinceMs: nowMs - 30_000, nowMs });
  expect(decided.actions.map(({ kind }): string => kind)).toEqual([...want]);
  expect(decided.againMs).toBe(againMs);
});
