import { expect, test } from "bun:test";
import { err, ok } from "#core/result.ts";
import type { FunctionObject } from "#host/kube/known-resources.ts";
import {
  functionObject,
  functionService,
  mesh,
  meta,
  plainService,
  policyObject,
  revisionObject,
  routeObject,
  waypointObject,
} from "../../tests/support/kube-objects.ts";
import type { MeshObjects } from "../translate/mesh-objects.ts";
import { type Action, actionName } from "./action.ts";
import { reconcileMesh } from "./reconcile-mesh.ts";
import { managedLabel } from "./reconcile-functions.ts";

const now = "2026-06-01T00:00:00Z";
const verify = () => ok<true>(true);
const decide = (objects: Partial<MeshObjects>): readonly Action[] =>
  reconcileMesh(mesh(objects), verify, now);
const names = (objects: Partial<MeshObjects>): string[] => decide(objects).map(actionName);

const price = functionObject("price", { revision: "v1" });
const failed = {
  ...revisionObject(price, false),
  status: {
    conditions: [
      {
        type: "Ready",
        status: "False" as const,
        reason: "LoadFailed",
        message: "boom",
        lastTransitionTime: now,
      },
    ],
  },
};
const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: meta("shop", "price") };

const isDeleted = (objects: Partial<MeshObjects>): boolean =>
  names(objects).includes("delete Gateway shop/waypoint");

const statusOf = (objects: Partial<MeshObjects>): object | undefined =>
  decide(objects)
    .flatMap((action) => (action.kind === "status" ? [action.status] : []))
    .at(-1);

const checks = (objects: Partial<MeshObjects>): string[] =>
  names(objects).filter((name) => name.startsWith("check"));

/** Carries out the statuses among actions, so that a second decision sees what the first wrote. */
function withStatuses(objects: MeshObjects, actions: readonly Action[]): MeshObjects {
  let result = objects;
  for (const action of actions) {
    if (action.kind !== "status") continue;
    const apply = <Kind extends { readonly metadata: { readonly name: string } }>(
      all: readonly Kind[],
    ): Kind[] =>
      all.map((each) => (each.metadata.name === action.key.name ? { ...each, status: action.status } : each));
    const { functions, revisions, gateways, routes, policies } = result;
    switch (action.type.kind) {
      case "Function":
        result = { ...result, functions: apply(functions) };
        break;
      case "Revision":
        result = { ...result, revisions: apply(revisions) };
        break;
      case "Gateway":
        result = { ...result, gateways: apply(gateways) };
        break;
      case "HTTPRoute":
        result = { ...result, routes: apply(routes) };
        break;
      default:
        result = { ...result, policies: apply(policies) };
    }
  }
  return result;
}

test("a new function gets an account, a Service, a waypoint, a revision and a status", () => {
  expect(names({ functions: [price] })).toEqual([
    "create ServiceAccount shop/price",
    "create Service shop/price",
    "create Gateway shop/waypoint",
    "release shop/price-v1",
    "status Function shop/price",
  ]);
  const [, service] = decide({ functions: [price] });
  expect(service).toMatchObject({
    draft: {
      metadata: {
        labels: { "lambient.dev/function": "price", "istio.io/use-waypoint": "waypoint" },
        ownerReferences: [{ kind: "Function", name: "price", uid: "uid-price", controller: true }],
      },
      spec: { type: "ClusterIP", ports: [{ port: 80, targetPort: 8080, appProtocol: "http" }] },
    },
  });
});

test("a mesh that is as it should be needs nothing, once its statuses are written", () => {
  const objects = mesh({
    functions: [price],
    revisions: [revisionObject(price, true)],
    services: [functionService("price", "10.96.0.5")],
    serviceAccounts: [account],
    gateways: [waypointObject("waypoint", undefined)],
    routes: [routeObject("r", { parentRefs: [{ group: "", kind: "Service", name: "price" }], rules: [] })],
    policies: [
      policyObject("p", {}),
      policyObject("t", { targetRefs: [{ kind: "Gateway", name: "waypoint" }] }),
    ],
  });
  const first = reconcileMesh(objects, verify, now);
  expect(first.map(({ kind }) => kind)).toEqual(["status", "status", "status", "status", "status"]);
  expect(reconcileMesh(withStatuses(objects, first), verify, "2026-07-01T00:00:00Z")).toEqual([]);
});

test("a deleted function needs nothing more", () => {
  const deleted = { ...price, metadata: { ...price.metadata, deletionTimestamp: now } };
  expect(names({ functions: [deleted] })).toEqual([]);
});

function readyOf(object: FunctionObject, objects: Partial<MeshObjects>): object | undefined {
  const status = decide({ functions: [object], ...objects }).find(
    (action) => action.kind === "status" && action.type.kind === "Function",
  );
  if (status?.kind !== "status") return undefined;
  return (status.status as { conditions: object[] }).conditions[0];
}

const otherContent = revisionObject(functionObject("price", { revision: "v1", group: "other" }), true);

test.each<[string, FunctionObject, Partial<MeshObjects>, object]>([
  ["no revision yet", price, {}, { status: "Unknown", reason: "RevisionPending" }],
  [
    "one that is checked",
    price,
    { revisions: [revisionObject(price, false)] },
    { status: "Unknown", reason: "RevisionPending" },
  ],
  [
    "one that failed",
    price,
    { revisions: [failed] },
    { status: "False", reason: "RevisionFailed", message: "revision v1: boom" },
  ],
  [
    "one that serves",
    price,
    { revisions: [revisionObject(price, true)] },
    { status: "True", reason: "RevisionReady" },
  ],
  [
    "another's content under its name",
    price,
    { revisions: [otherContent] },
    { status: "False", reason: "RevisionExists" },
  ],
  [
    "a Service that is not its own",
    price,
    { services: [plainService("price", "10.96.0.5")], revisions: [revisionObject(price, true)] },
    { status: "False", reason: "ServiceExists" },
  ],
  [
    "traffic for a revision that is not ready",
    functionObject("price", { revision: "v1", traffic: [{ revision: "v9", percent: 100 }] }),
    { revisions: [revisionObject(price, true)] },
    { status: "False", reason: "TrafficNotApplied" },
  ],
])("a function's status with %s", (_, object, objects, want) => {
  expect(readyOf(object, objects)).toMatchObject({ type: "Ready", observedGeneration: 1, ...want });
});

test("a transition keeps its time while the status stays", () => {
  const before = {
    type: "Ready",
    status: "Unknown" as const,
    reason: "X",
    message: "",
    lastTransitionTime: "2026-01-02T00:00:00Z",
  };
  const object = { ...price, status: { conditions: [before] } };
  expect(readyOf(object, {})).toMatchObject({ lastTransitionTime: "2026-01-02T00:00:00Z" });
  expect(readyOf(object, { revisions: [revisionObject(price, true)] })).toMatchObject({
    lastTransitionTime: now,
  });
});

test("revisions that nobody signed here are refused, others are checked until one loads", () => {
  const revisions = [revisionObject(price, false)];
  expect(decide({ revisions })).toMatchObject([
    { kind: "check", revision: { namespace: "shop", name: "price-v1" } },
  ]);
  expect(reconcileMesh(mesh({ revisions }), () => err("not signed"), now)).toMatchObject([
    {
      kind: "status",
      status: { conditions: [{ status: "False", reason: "SignatureInvalid", message: "not signed" }] },
    },
  ]);
  expect(names({ revisions: [revisionObject(price, true)] })).toEqual([]);
});

test("a check that failed is made again for what the function says now, and for nothing else", () => {
  expect(checks({ functions: [price], revisions: [failed] })).toEqual(["check shop/price-v1"]);
  expect(checks({ functions: [functionObject("price", { revision: "v2" })], revisions: [failed] })).toEqual(
    [],
  );
  const traffic = [{ revision: "v1", percent: 100 }];
  const split = functionObject("price", { revision: "v2", traffic });
  expect(checks({ functions: [split], revisions: [failed] })).toEqual(["check shop/price-v1"]);
});

test("of old revisions the newest ten stay, and those that serve or are routed to", () => {
  const revisions = Array.from({ length: 14 }, (_, i) => {
    const made = revisionObject(price, true, `r${String(i).padStart(2, "0")}`);
    const creationTimestamp = `2026-01-01T00:00:${String(i).padStart(2, "0")}Z`;
    return { ...made, metadata: { ...made.metadata, creationTimestamp } };
  });
  const backendRefs = [{ group: "lambient.dev", kind: "Revision", name: "price-r01", weight: 1 }];
  const routes = [routeObject("r", { rules: [{ matches: [], backendRefs }] })];
  const functions = [
    functionObject("price", { revision: "v1", traffic: [{ revision: "r00", percent: 100 }] }),
  ];
  const deleted = names({ functions, revisions, routes }).filter((name) => name.startsWith("delete"));
  expect(deleted).toEqual(["delete Revision shop/price-r03", "delete Revision shop/price-r02"]);
});

test("waypoints get the lowest free addresses, keep theirs, and say when there is none", () => {
  const second = waypointObject("b", undefined);
  const wishes = {
    ...waypointObject("c", undefined),
    spec: { ...second.spec, addresses: [{ value: "10.245.0.77" }] },
  };
  const statuses = decide({ gateways: [waypointObject("a", "10.245.0.2"), second, wishes] }).map((action) =>
    action.kind === "status" ? action.status : undefined,
  );
  expect(statuses).toMatchObject([
    { addresses: [{ value: "10.245.0.2" }] },
    {
      addresses: [{ value: "10.245.0.3" }],
      conditions: [
        { type: "Accepted", status: "True" },
        { type: "Programmed", status: "True" },
      ],
    },
    { addresses: [{ value: "10.245.0.77" }] },
  ]);
  const objects = mesh({
    gateways: Array.from({ length: 14 }, (_, i) => waypointObject(`w${i}`, undefined)),
  });
  const narrow = { ...objects, settings: { ...objects.settings, waypointRange: "10.245.0.0/28" } };
  const [last] = reconcileMesh(narrow, verify, now).slice(-1);
  expect(last).toMatchObject({
    status: { conditions: [{}, { type: "Programmed", status: "False", reason: "AddressNotAssigned" }] },
  });
});

test("a waypoint that was made here goes with the last that needs it; a user's own stays", () => {
  const managed = waypointObject("waypoint", "10.245.0.2");
  const ours = { ...managed, metadata: { ...managed.metadata, labels: { [managedLabel]: "true" } } };
  expect(isDeleted({ gateways: [ours] })).toBe(true);
  expect(isDeleted({ gateways: [managed] })).toBe(false);
  expect(isDeleted({ gateways: [ours], functions: [price] })).toBe(false);
  expect(isDeleted({ gateways: [ours], services: [functionService("x", "10.96.0.9")] })).toBe(false);
});

test("routes and policies are told what became of them", () => {
  const rules = [{ matches: [], filters: [{ type: "URLRewrite" }], backendRefs: [] }];
  const parentRefs = [
    { group: "", kind: "Service", name: "price" },
    { group: "", kind: "Service", name: "none" },
    { group: "gateway.networking.k8s.io", kind: "Gateway", name: "theirs" },
  ];
  const services = [functionService("price", "10.96.0.5")];
  expect(statusOf({ services, routes: [routeObject("r", { parentRefs, rules })] })).toMatchObject({
    parents: [
      {
        parentRef: { name: "price" },
        conditions: [
          { type: "Accepted", status: "False", reason: "UnsupportedValue" },
          { type: "ResolvedRefs", status: "True" },
        ],
      },
      {
        parentRef: { name: "none" },
        conditions: [{ type: "Accepted", status: "False", reason: "NoMatchingParent" }, {}],
      },
    ],
  });
  const policies = [policyObject("p", { rules: [{ to: [{ operation: { paths: ["/x"] } }] }] })];
  expect(statusOf({ policies })).toMatchObject({
    conditions: [
      { type: "ZtunnelAccepted", status: "False", reason: "PartiallyInvalid" },
      { type: "WaypointAccepted", status: "False", reason: "PartiallyInvalid" },
    ],
  });
});
