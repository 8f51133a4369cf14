import { expect, test } from "bun:test";
import { nowMs, podObject } from "../../../tests/support/workload-objects.ts";
import type { PodObject } from "../../model/pod.ts";
import { collectPods, missingNodes } from "./collect-pods.ts";

const nodes = new Set(["node-0"]);

function collect(pods: readonly PodObject[], lostNodes: readonly string[] = []): readonly string[] {
  return collectPods({ pods, nodes, lostNodes: new Set(lostNodes), nowMs }).map((action) =>
    action.kind === "delete" ? `delete ${action.key.name} in ${action.graceSeconds}` : action.kind,
  );
}

const instance = { annotations: { "lambient.dev/instance": "i" } };

test.each<[string, PodObject, readonly string[]]>([
  ["on its node", podObject("a"), []],
  ["ended on its node", podObject("a", { phase: "Failed" }), []],
  ["ending on its node", podObject("a", { isEnding: true }), []],
  ["on a node that is lost", podObject("a", { node: "gone" }), ["status", "delete a in 0"]],
  ["ended on a node that is lost", podObject("a", { node: "gone", phase: "Failed" }), ["delete a in 0"]],
  ["on a node that may come back", podObject("a", { node: "away" }), []],
  ["ending without a node", podObject("a", { node: "", isEnding: true }), ["status", "delete a in 0"]],
  ["waiting for a node", podObject("a", { node: "" }), []],
  ["a function's instance", podObject("a", { node: "gone", ...instance }), []],
])("a Pod %s", (_case, pod, want) => {
  expect(collect([pod], ["gone", "node-0"])).toEqual([...want]);
});

test("one that is lost with its node is told as failed, and why", () => {
  const [told] = collectPods({
    pods: [podObject("a", { node: "gone" })],
    nodes,
    lostNodes: new Set(["gone"]),
    nowMs,
  });
  expect(told).toMatchObject({
    status: {
      phase: "Failed",
      conditions: [{ type: "Ready" }, { type: "DisruptionTarget", status: "True" }],
    },
  });
});

test("ended Pods beyond those kept go, the oldest first", () => {
  const pods = Array.from({ length: 12_501 }, (_, index) =>
    podObject(`p${index}`, {
      phase: "Succeeded",
      ...(index === 7 ? { madeAt: "2025-01-01T00:00:00Z" } : {}),
    }),
  );
  expect(collect(pods)).toEqual(["delete p7 in 0"]);
});

test("missingNodes() are those that Pods are on, function instances aside", () => {
  const pods = [
    podObject("a"),
    podObject("b", { node: "gone" }),
    podObject("c", { node: "" }),
    podObject("d", { node: "x", ...instance }),
  ];
  expect([...missingNodes({ pods, nodes })]).toEqual(["gone"]);
});
