import { expect, test } from "bun:test";
import {
  type AcknowledgedPods,
  type DesiredPod,
  nextPodRequest,
  type NextPodRequest,
} from "./next-pod-request.ts";

const fresh: AcknowledgedPods = {
  added: new Set(),
  kept: new Set(),
  refused: new Set(),
  isSnapshotSent: false,
  isLatest: true,
};
const synced: AcknowledgedPods = { ...fresh, isSnapshotSent: true };
const a: DesiredPod = { uid: "a", state: "served" };
const leavingA: DesiredPod = { uid: "a", state: "leaving" };
const b: DesiredPod = { uid: "b", state: "served" };

const keptA: DesiredPod = { uid: "a", state: "kept" };

const rows: readonly [string, readonly DesiredPod[], AcknowledgedPods, NextPodRequest | undefined][] = [
  ["an empty node ends its snapshot", [], fresh, { kind: "snapshot-sent" }],
  ["nothing is said twice", [], synced, undefined],
  ["a Pod is added before the snapshot ends", [a], fresh, { kind: "add", uid: "a" }],
  ["and once it is held, the next", [a, b], { ...fresh, added: new Set(["a"]) }, { kind: "add", uid: "b" }],
  ["a refused one waits", [a], { ...synced, refused: new Set(["a"]) }, undefined],
  [
    "a Pod that is gone is deleted",
    [b],
    { ...synced, added: new Set(["a"]) },
    { kind: "del", uid: "a", drain: false },
  ],
  [
    "one that leaves is drained",
    [leavingA],
    { ...synced, added: new Set(["a"]) },
    { kind: "del", uid: "a", drain: true },
  ],
  ["and is not told to a ztunnel that comes later", [leavingA], synced, undefined],
  ["what a node that starts does not hold yet is kept", [keptA], fresh, { kind: "keep", uid: "a" }],
  ["once", [keptA], { ...fresh, kept: new Set(["a"]) }, { kind: "snapshot-sent" }],
  ["and before the snapshot ends only", [keptA], synced, undefined],
  ["a kept Pod that is held is added", [a], { ...synced, kept: new Set(["a"]) }, { kind: "add", uid: "a" }],
  [
    "one that is gone is deleted",
    [],
    { ...synced, kept: new Set(["a"]) },
    { kind: "del", uid: "a", drain: false },
  ],
  ["an older ztunnel is given none", [a], { ...synced, isLatest: false }, undefined],
  [
    "but hears of those that are gone",
    [b],
    { ...synced, added: new Set(["a"]), isLatest: false },
    { kind: "del", uid: "a", drain: false },
  ],
];
test.each(rows)("nextPodRequest(): %s", (_, pods, known, want) => {
  expect(nextPodRequest(new Map(pods.map((pod) => [pod.uid, pod])), known)).toEqual(want);
});
