import { expect, test } from "bun:test";
import type { Condition } from "#host/kube/known-resources.ts";
import type { ServiceObject } from "../model/core-objects.ts";
import {
  functionService,
  mesh,
  meta,
  plainService,
  waypointObject,
} from "../../tests/support/kube-objects.ts";
import { indexMesh } from "../translate/mesh-index.ts";
import { reconcileBindings } from "./reconcile-bindings.ts";

const now = "2026-06-01T00:00:00Z";
const use = "istio.io/use-waypoint";

function service(labels: Readonly<Record<string, string>>, status?: ServiceObject["status"]): ServiceObject {
  const plain = { ...plainService("db", "10.96.0.7"), metadata: meta("shop", "db", { labels }) };
  return status === undefined ? plain : { ...plain, status };
}

const gateway = waypointObject("waypoint", "10.245.0.2");
const forWorkloads = {
  ...waypointObject("pods", "10.245.0.3"),
  metadata: meta("shop", "pods", { labels: { "istio.io/waypoint-for": "workload" } }),
};

function statusOf(one: ServiceObject): ServiceObject["status"] {
  const objects = mesh({ services: [one], gateways: [gateway, forWorkloads] });
  const [action] = reconcileBindings(indexMesh(objects), now);
  return action?.kind === "status" ? action.status : undefined;
}

test.each<[string, Readonly<Record<string, string>>, string | undefined]>([
  ["that names none", {}, undefined],
  ["that opts out", { [use]: "none" }, undefined],
  [
    "that names one",
    { [use]: "waypoint" },
    "True WaypointAccepted Successfully attached to waypoint shop/waypoint",
  ],
  [
    "that names one that is not there",
    { [use]: "x" },
    "False WaypointMissing there is no waypoint shop/x that has an address",
  ],
  [
    "that names one of another namespace",
    { [use]: "waypoint", "istio.io/use-waypoint-namespace": "other" },
    "False AttachmentDenied waypoint other/waypoint is in another namespace, which is not served here",
  ],
  [
    "that names one for workloads",
    { [use]: "pods" },
    "False UnsupportedTrafficType waypoint shop/pods does not take connections to services",
  ],
])("a Service %s is told so", (_name, labels, want) => {
  const told = statusOf(service(labels))?.conditions?.map(
    ({ status, reason, message }) => `${status} ${reason} ${message}`,
  );
  expect(told?.[0]).toBe(want as never);
});

const bound: Condition = {
  type: "istio.io/WaypointBound",
  status: "True",
  reason: "WaypointAccepted",
  message: "Successfully attached to waypoint shop/waypoint",
  lastTransitionTime: now,
  observedGeneration: 1,
};

test("what is told already is not told again, and goes when the Service names none any more", () => {
  const other = { ...bound, type: "Other" };
  const status = { loadBalancer: {}, conditions: [other, bound] };
  expect(statusOf(service({ [use]: "waypoint" }, status))).toBeUndefined();
  expect(statusOf(service({}, status))).toEqual({ loadBalancer: {}, conditions: [other] });
});

test("a function's Service is not told", () => {
  expect(statusOf(functionService("price", "10.96.0.5"))).toBeUndefined();
});
