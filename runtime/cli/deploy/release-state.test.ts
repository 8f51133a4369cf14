import { expect, test } from "bun:test";
import type { FunctionObject } from "#host/kube/known-resources.ts";
import { decideRelease, describeServing } from "./release-state.ts";

/** A Function of generation 2 with a Ready condition. */
function withReady(ready: {
  status: string;
  reason?: string;
  message?: string;
  seen?: number;
}): FunctionObject {
  const { status, reason = "R", message = "", seen = 2 } = ready;
  const condition = {
    type: "Ready",
    status,
    reason,
    message,
    lastTransitionTime: "t",
    observedGeneration: seen,
  };
  // Sound: the rest of a Function is not read.
  return {
    metadata: { name: "web", namespace: "shop", generation: 2 },
    status: { conditions: [condition], latestReadyRevision: "v1", url: "http://web.shop/" },
  } as unknown as FunctionObject;
}

test.each([
  ["ready", { status: "True" }, { kind: "ready", revision: "v1", url: "http://web.shop/" }],
  ["unknown", { status: "Unknown", message: "it is checked" }, { kind: "pending", reason: "it is checked" }],
  ["false for a while", { status: "False", reason: "Pending" }, { kind: "pending", reason: "Pending" }],
  ["failed", { status: "False", message: "no fetch" }, { kind: "failed", reason: "no fetch", serving: "v1" }],
  [
    "of an older wish",
    { status: "False", seen: 1 },
    { kind: "pending", reason: "the control plane has not looked at it yet" },
  ],
] as const)("decideRelease(): %s", (_, ready, want) => {
  expect(decideRelease(withReady(ready))).toEqual(want);
});

test("decideRelease() of a Function without status waits", () => {
  const bare = { metadata: { name: "web", generation: 1 } } as unknown as FunctionObject;
  expect(decideRelease(bare).kind).toBe("pending");
});

test("describeServing()", () => {
  expect(describeServing("v1")).toBe('revision "v1" keeps serving');
  expect(describeServing(undefined)).toBe("nothing serves yet");
});
