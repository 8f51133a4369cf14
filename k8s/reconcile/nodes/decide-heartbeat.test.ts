import { expect, test } from "bun:test";
import { madeAt } from "../../../tests/support/kube-objects.ts";
import type { NodeObject } from "../../model/node.ts";
import { decideHeartbeat } from "./decide-heartbeat.ts";

const nowMs = Date.parse("2026-01-01T00:10:00Z");

function node(name: string, spokeMs: number | undefined, status: "True" | "Unknown" = "True"): NodeObject {
  const lastHeartbeatTime =
    spokeMs === undefined ? {} : { lastHeartbeatTime: new Date(spokeMs).toISOString() };
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, uid: name, resourceVersion: "1", creationTimestamp: madeAt },
    status: { conditions: [{ type: "Ready", status, ...lastHeartbeatTime }], capacity: { cpu: "2" } },
  };
}

test.each<[string, NodeObject, number, number | undefined]>([
  ["one that spoke just now is looked at when it should have spoken again", node("a", nowMs), 0, 40_000],
  ["one that spoke long ago is silent", node("a", nowMs - 40_000), 2, undefined],
  ["one that is known to be silent is left", node("a", nowMs - 99_000, "Unknown"), 0, undefined],
  ["one that never spoke of the time is left", node("a", undefined), 0, undefined],
])("%s", (_case, given, actions, againMs) => {
  const decided = decideHeartbeat([given], nowMs);
  expect([decided.actions.length, decided.againMs]).toEqual([actions, againMs]);
});

test("what is not known any more is said of every condition, the rest of the status stays", () => {
  const { actions } = decideHeartbeat([node("a", nowMs - 60_000), node("b", nowMs - 15_000)], nowMs);
  expect(actions).toMatchObject([
    {
      kind: "status",
      key: { name: "a" },
      status: {
        capacity: { cpu: "2" },
        conditions: [
          {
            type: "Ready",
            status: "Unknown",
            reason: "NodeStatusUnknown",
            lastTransitionTime: "2026-01-01T00:10:00Z",
          },
        ],
      },
    },
    { kind: "event", event: { reason: "NodeNotReady" } },
  ]);
});
