import { expect, test } from "bun:test";
import type { PodObject, PodSpec, PodStatus } from "../../model/pod.ts";
import { findDeadline, isFinished, refusalOf } from "./pod-limits.ts";

function pod(spec: Partial<PodSpec>, status?: PodStatus): PodObject {
  const metadata = { name: "web", namespace: "shop", uid: "u", resourceVersion: "1", creationTimestamp: "" };
  const whole = { apiVersion: "v1", kind: "Pod", metadata, spec: { containers: [], ...spec } };
  return status === undefined ? whole : { ...whole, status };
}

test("a deadline counts from the Pod's start, as far as it is known", () => {
  expect(findDeadline(pod({}), 5000)).toBeUndefined();
  expect(findDeadline(pod({ activeDeadlineSeconds: 7 }), 5000)).toBe(12_000);
  expect(findDeadline(pod({ activeDeadlineSeconds: 7 }, { startTime: "1970-01-01T00:00:01Z" }), 5000)).toBe(
    8000,
  );
});

test.each([
  [undefined, false],
  ["Pending", false],
  ["Running", false],
  ["Succeeded", true],
  ["Failed", true],
] as const)("isFinished() in phase %p is %p", (phase, want) => {
  expect(isFinished(pod({}, phase === undefined ? undefined : { phase }))).toBe(want);
});

test.each<[string, Partial<PodSpec>]>([
  ["hostPID", { hostPID: true }],
  ["hostIPC", { hostIPC: true }],
  ["shareProcessNamespace", { shareProcessNamespace: true }],
  ["sysctls", { securityContext: { sysctls: [{ name: "kernel.x", value: "1" }] } }],
])("refusalOf() names %s", (name, spec) => {
  expect(refusalOf(pod(spec))?.message).toContain(name);
  expect(refusalOf(pod({ hostPID: false }))).toBeUndefined();
});
