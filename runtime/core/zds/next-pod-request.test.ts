import { expect, test } from "bun:test";
import {
  type AcknowledgedPods,
  type DesiredPod,
  nextPodRequest,
  type NextPodRequest,
} from "./next-pod-request.ts";

const fresh: AcknowledgedPods = {
  added: new Set(),
  refused: new Set(),
  isSnapshotSent: false,
  isLatest: true,
};
const synced: AcknowledgedPods = { ...fresh, isSnapshotSent: true };
const a: DesiredPod = { uid: "a", isLeaving: false };
const leavingA: DesiredPod = { uid: "a", isLeaving: true };
const b: DesiredPod = { uid: "b", isLeaving: false };

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
