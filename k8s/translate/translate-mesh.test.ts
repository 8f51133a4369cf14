import { expect, test } from "bun:test";
import type { Route, Waypoint } from "#core/proto/lambient/discovery_pb.js";
import type { ServiceObject } from "../model/core-objects.ts";
import type { PodObject } from "../model/pod.ts";
import type { RouteMatch, RouteRule } from "../model/http-route.ts";
import {
  functionObject,
  functionService,
  madeAt,
  mesh,
  meta,
  plainService,
  podObject,
  policyObject,
  revisionObject,
  routeObject,
  waypointObject,
} from "../../tests/support/kube-objects.ts";
import type { MeshObjects } from "./mesh-objects.ts";
import { MeshTranslator } from "./mesh-translator.ts";

const translateMesh = (objects: MeshObjects) => new MeshTranslator().translate(objects);
const price = functionObject("price", { revision: "v2" });
const v1 = revisionObject(price, true, "v1");
const v2 = revisionObject(price, true, "v2");
const base: Partial<MeshObjects> = {
  functions: [price],
  revisions: [v1, v2],
  services: [functionService("price", "10.96.0.5")],
  gateways: [waypointObject("waypoint", "10.245.0.2")],
};

function waypointOf(objects: Partial<MeshObjects>): Waypoint {
  const found = translateMesh(mesh({ ...base, ...objects })).waypoints.get("shop/waypoint");
  if (found === undefined) throw new Error("no waypoint shop/waypoint");
  return found;
}

/** Backends as `weight target`. */
function backendsOf(route: Route | undefined): string[] {
  return (route?.backends ?? []).map(({ weight, target }) => {
    if (target.case === "revision") return `${weight} ${target.value.uid}`;
    if (target.case === "service") return `${weight} ${target.value.hostname}:${target.value.port}`;
    return `${weight} ! ${target.value}`;
  });
}

const defaultRoute = (objects: Partial<MeshObjects>): string[] =>
  backendsOf(waypointOf(objects).services[0]?.routes.at(-1));

test("an address record of each service and workload, with Istio's names", () => {
  const { addresses } = translateMesh(
    mesh({
      ...base,
      policies: [
        policyObject("sel", { selector: { matchLabels: { app: "price" } } }),
        policyObject("all", {}),
      ],
      instances: [
        { instance: "i1", namespace: "shop", revision: "price-v1", function: "price", address: "10.244.0.9" },
        {
          instance: "i2",
          namespace: "shop",
          revision: "price-gone",
          function: "price",
          address: "10.244.0.10",
        },
      ],
    }),
  );
  expect([...addresses.keys()].sort()).toEqual([
    "Kubernetes//Pod/lambient-system/edge",
    "Kubernetes//Pod/lambient-system/node",
    "Kubernetes//Pod/shop/i1",
    "Kubernetes//Pod/shop/waypoint",
    "shop/price.shop.svc.cluster.local",
  ]);
  expect(addresses.get("shop/price.shop.svc.cluster.local")?.type).toMatchObject({
    case: "service",
    value: {
      addresses: [{ network: "", address: Uint8Array.of(10, 96, 0, 5) }],
      ports: [{ servicePort: 80, targetPort: 8080, appProtocol: "http" }],
      waypoint: {
        destination: { case: "address", value: { address: Uint8Array.of(10, 245, 0, 2) } },
        hboneMtlsPort: 15_008,
      },
    },
  });
  expect(addresses.get("Kubernetes//Pod/shop/i1")?.type).toMatchObject({
    case: "workload",
    value: {
      serviceAccount: "price",
      trustDomain: "mesh.example",
      canonicalName: "price",
      canonicalRevision: "price-v1",
      authorizationPolicies: ["shop/sel"],
      services: { "shop/price.shop.svc.cluster.local": { ports: [{ servicePort: 80, targetPort: 8080 }] } },
    },
  });
});

test("a template names every policy that holds and the one waypoint that may come, also before it has an address", () => {
  const policies = [
    policyObject("root", {}, "lambient-system"),
    policyObject("elsewhere", {}, "other"),
    policyObject("ours", { action: "DENY" }),
    policyObject("by-function", { selector: { matchLabels: { "lambient.dev/function": "price" } } }),
    policyObject("by-revision", { selector: { matchLabels: { "lambient.dev/revision": "price-v2" } } }),
    policyObject("of-service", { targetRefs: [{ kind: "Service", name: "price" }] }),
    policyObject("audit", { action: "AUDIT" }),
  ];
  const { templates } = translateMesh(mesh({ ...base, gateways: [], policies }));
  expect(templates.get("shop/price-v1")).toMatchObject({
    serviceAccount: "price",
    waypointIdentity: "spiffe://mesh.example/ns/shop/sa/waypoint",
    authorizationPolicies: ["lambient-system/root", "shop/by-function", "shop/ours"],
  });
  expect(templates.get("shop/price-v2")?.authorizationPolicies).toContain("shop/by-revision");
  expect(waypointOf({ policies }).services[0]?.authorizationPolicies).toEqual([
    "lambient-system/root",
    "shop/by-function",
    "shop/by-revision",
    "shop/of-service",
    "shop/ours",
  ]);
});

test.each<[string, Partial<MeshObjects>, readonly string[]]>([
  ["all to the current revision", {}, ["100 shop/price-v2"]],
  [
    "the last ready one while the current is not",
    { revisions: [v1, revisionObject(price, false, "v2")] },
    ["100 shop/price-v1"],
  ],
  [
    "nobody when none is ready",
    { revisions: [] },
    ["100 ! function shop/price has no revision that is ready"],
  ],
  [
    "as spec.traffic says",
    {
      functions: [
        functionObject("price", {
          revision: "v2",
          traffic: [
            { revision: "v1", percent: 90 },
            { revision: "latest", percent: 10 },
          ],
        }),
      ],
    },
    ["90 shop/price-v1", "10 shop/price-v2"],
  ],
  [
    "as it was applied last while one of spec.traffic is not ready",
    {
      functions: [
        functionObject(
          "price",
          {
            revision: "v2",
            traffic: [
              { revision: "v1", percent: 50 },
              { revision: "v3", percent: 50 },
            ],
          },
          { status: { traffic: [{ revision: "v1", percent: 100 }] } },
        ),
      ],
    },
    ["100 shop/price-v1"],
  ],
])("a function's traffic goes %s", (_, objects, want) => {
  expect(defaultRoute(objects)).toEqual([...want]);
});

test("only what stands behind a waypoint is in its configuration; the edge has every function", () => {
  const cart = functionObject("cart");
  const objects = {
    functions: [price, cart],
    services: [
      functionService("price", "10.96.0.5"),
      functionService("cart", "10.96.0.6", "other"),
      plainService("db", "10.96.0.7"),
    ],
  };
  expect(waypointOf(objects).services.map(({ name }) => name)).toEqual(["price"]);
  const edge = translateMesh(mesh({ ...base, ...objects })).waypoints.get("lambient-system/edge");
  expect(edge?.services.map(({ name }) => name)).toEqual(["price", "cart"]);
  expect(edge?.services.map(({ routes }) => routes[0]?.backends[0]?.target.value)).toMatchObject([
    {
      hostname: "price.shop.svc.cluster.local",
      waypointIdentity: "spiffe://mesh.example/ns/shop/sa/waypoint",
    },
    { hostname: "cart.shop.svc.cluster.local", waypointIdentity: "" },
  ]);
});

const toPrice = [{ group: "", kind: "Service", name: "price" }];
const rule = (matches: readonly RouteMatch[], more: Partial<RouteRule> = {}): RouteRule => ({
  matches,
  backendRefs: [{ group: "lambient.dev", kind: "Revision", name: "price-v1", weight: 1 }],
  ...more,
});
const path = (type: "Exact" | "PathPrefix" | "RegularExpression", value: string): RouteMatch => ({
  path: { type, value },
});
const header = { type: "Exact" as const, name: "x", value: "1" };

test("routes are tried in Gateway API's order", () => {
  const routes = [
    routeObject("z", {
      parentRefs: toPrice,
      rules: [
        rule([path("PathPrefix", "/")], { name: "all" }),
        rule([path("PathPrefix", "/a")], { name: "short" }),
        rule([path("PathPrefix", "/a/b"), path("Exact", "/x")], { name: "long-or-exact" }),
        rule([path("RegularExpression", "/r.*")], { name: "regex" }),
      ],
    }),
    routeObject(
      "b-young",
      { parentRefs: toPrice, rules: [rule([path("PathPrefix", "/a")])] },
      { creationTimestamp: "2026-02-01T00:00:00Z" },
    ),
    routeObject("a", {
      parentRefs: toPrice,
      rules: [
        rule([{ ...path("PathPrefix", "/a"), headers: [header] }], { name: "header" }),
        rule([{ ...path("PathPrefix", "/a"), method: "GET" }], { name: "method" }),
        rule([{ ...path("PathPrefix", "/a"), headers: [header, { ...header, name: "y" }] }], {
          name: "headers",
        }),
        rule([{ ...path("PathPrefix", "/a"), queryParams: [header] }], { name: "query" }),
      ],
    }),
  ];
  expect(waypointOf({ routes }).services[0]?.routes.map(({ name }) => name)).toEqual([
    "shop/z/long-or-exact",
    "shop/z/regex",
    "shop/z/long-or-exact",
    "shop/a/method",
    "shop/a/headers",
    "shop/a/header",
    "shop/a/query",
    "shop/z/short",
    "shop/b-young/0",
    "shop/z/all",
    "default",
  ]);
  expect(madeAt < "2026-02-01").toBe(true);
});

test.each<[string, Partial<RouteRule>, readonly string[]]>([
  [
    "functions by their traffic, in parts of their weight",
    { backendRefs: [{ group: "lambient.dev", kind: "Function", name: "price", weight: 3 }] },
    ["300 shop/price-v2"],
  ],
  [
    "a function by its Service",
    { backendRefs: [{ group: "", kind: "Service", name: "price", weight: 1 }] },
    ["100 shop/price-v2"],
  ],
  [
    "a Service without a function, at its port",
    { backendRefs: [{ group: "", kind: "Service", name: "db", port: 5432, weight: 2 }] },
    ["200 db.shop.svc.cluster.local:5432"],
  ],
  [
    "what does not exist, in another namespace, or of another kind: its share",
    {
      backendRefs: [
        { group: "", kind: "Service", name: "none", weight: 1 },
        { group: "", kind: "Service", name: "price", namespace: "other", weight: 2 },
        { group: "batch", kind: "Job", name: "price", weight: 3 },
      ],
    },
    [
      "100 ! Service shop/none does not exist",
      "200 ! Service other/price is in another namespace",
      "300 ! batch/Job is no kind of backend: use Service, Function or Revision",
    ],
  ],
  ["no backend", { backendRefs: [] }, ["1 ! the rule has no backend"]],
  ["a filter", { filters: [{ type: "RequestMirror" }] }, ["1 ! filter RequestMirror is not supported"]],
])("a rule's backends: %s", (_, more, want) => {
  const routes = [routeObject("r", { parentRefs: toPrice, rules: [rule([path("PathPrefix", "/")], more)] })];
  const services = [functionService("price", "10.96.0.5"), plainService("db", "10.96.0.7")];
  expect(backendsOf(waypointOf({ routes, services }).services[0]?.routes[0])).toEqual([...want]);
});

test.each<[string | undefined, bigint]>([
  ["1m30s", 90_000n],
  ["500ms", 500n],
  ["1h", 3_600_000n],
  ["soon", 0n],
  [undefined, 0n],
])("a timeout of %p is %i ms", (request, want) => {
  const timeouts = request === undefined ? {} : { request };
  const routes = [
    routeObject("r", { parentRefs: toPrice, rules: [rule([path("PathPrefix", "/")], { timeouts })] }),
  ];
  expect(waypointOf({ routes }).services[0]?.routes[0]?.timeoutMs).toBe(want);
});

test.each<[string, object, number]>([
  ["a Function by its name", { group: "lambient.dev", kind: "Function", name: "price" }, 2],
  ["a port that the Service has", { group: "", kind: "Service", name: "price", port: 80 }, 2],
  ["a port that it has not", { group: "", kind: "Service", name: "price", port: 81 }, 1],
  ["another namespace's", { group: "", kind: "Service", name: "price", namespace: "other" }, 1],
  ["a Gateway", { group: "gateway.networking.k8s.io", kind: "Gateway", name: "price" }, 1],
])("a route's parent: %s", (_, ref, routesWanted) => {
  const routes = [routeObject("r", { parentRefs: [ref as never], rules: [rule([path("PathPrefix", "/")])] })];
  expect(waypointOf({ routes }).services[0]?.routes).toHaveLength(routesWanted);
});

test("a namespace of which nothing changed keeps its very resources; the root's policies reach them all", () => {
  const translator = new MeshTranslator();
  const other = functionObject("far", { revision: "v1" });
  const inOther = { ...other, metadata: { ...other.metadata, namespace: "other" } };
  const revision = revisionObject(other, true);
  const farRevision = { ...revision, metadata: { ...revision.metadata, namespace: "other" } };
  const objects = mesh({ ...base, functions: [price, inOther], revisions: [v1, v2, farRevision] });
  const first = translator.translate(objects);
  const second = translator.translate({ ...objects, policies: [policyObject("p", {})] });
  expect(second.templates.get("other/far-v1")).toBe(first.templates.get("other/far-v1") as never);
  expect(second.waypoints.get("lambient-system/edge")).toEqual(first.waypoints.get("lambient-system/edge"));
  expect(second.templates.get("shop/price-v1")?.authorizationPolicies).toEqual(["shop/p"]);
  const root = policyObject("root", {}, "lambient-system");
  const third = translator.translate({ ...objects, policies: [root] });
  expect([...third.policies.keys()]).toEqual(["lambient-system/root"]);
  for (const name of ["other/far-v1", "shop/price-v1"])
    expect(third.templates.get(name)?.authorizationPolicies).toEqual(["lambient-system/root"]);
});

test("a Service that is no function sends to its own endpoints, unless routes say where to", () => {
  const labels = { "istio.io/use-waypoint": "waypoint" };
  const plain = { ...plainService("db", "10.96.0.7"), metadata: meta("shop", "db", { labels }) };
  const routesOf = (routes: MeshObjects["routes"]): readonly Route[] =>
    waypointOf({ services: [plain], routes }).services[0]?.routes ?? [];
  const [only] = routesOf([]);
  expect(only?.backends[0]?.target).toMatchObject({
    case: "service",
    value: {
      hostname: "db.shop.svc.cluster.local",
      port: 0,
      direct: true,
      waypointAddress: new Uint8Array(),
    },
  });
  const route = routeObject("r", {
    parentRefs: [{ group: "", kind: "Service", name: "db" }],
    rules: [
      { matches: [{}], backendRefs: [{ group: "", kind: "Service", name: "db", port: 80, weight: 1 }] },
    ],
  });
  expect(routesOf([route]).map(({ name }) => name)).toEqual(["shop/r/0"]);
  expect(routesOf([route])[0]?.backends[0]?.target).toMatchObject({ value: { port: 80, direct: true } });
});

/** Whether the record of a Service names a waypoint. */
function isBehindWaypoint(objects: Partial<MeshObjects>, name: string): boolean {
  const { addresses } = translateMesh(mesh({ ...base, ...objects }));
  const type = addresses.get(`shop/${name}.shop.svc.cluster.local`)?.type;
  return type?.case === "service" && type.value.waypoint !== undefined;
}

const behind = { "istio.io/use-waypoint": "waypoint" };

test.each<[string, Readonly<Record<string, string>>, Readonly<Record<string, string>>, boolean]>([
  ["by its own label", behind, {}, true],
  ["by its namespace's label", {}, behind, true],
  ["not when it opts out", { "istio.io/use-waypoint": "none" }, behind, false],
  ["not by a name that is not there", { "istio.io/use-waypoint": "x" }, behind, false],
  [
    "not by a waypoint of another namespace",
    { ...behind, "istio.io/use-waypoint-namespace": "other" },
    {},
    false,
  ],
])("a Service stands behind a waypoint %s", (_name, labels, ofNamespace, want) => {
  const service = { ...plainService("db", "10.96.0.7"), metadata: meta("shop", "db", { labels }) };
  const namespaces = mesh({}).namespaces.map((each) => ({
    ...each,
    metadata: { ...each.metadata, labels: ofNamespace },
  }));
  expect(isBehindWaypoint({ namespaces, services: [service] }, "db")).toBe(want);
});

test.each([
  ["service", true],
  ["all", true],
  ["workload", false],
  ["none", false],
])("whether a waypoint for %s serves services: %p", (value, want) => {
  const gateway = waypointObject("waypoint", "10.245.0.2");
  const labels = { "istio.io/waypoint-for": value };
  const gateways = [{ ...gateway, metadata: { ...gateway.metadata, labels } }];
  expect(isBehindWaypoint({ gateways }, "price")).toBe(want);
});

function databasePod(containerPort: number): PodObject {
  return podObject("db-1", "10.244.0.130", {
    metadata: { labels: { app: "db" } },
    spec: { containers: [{ name: "main", ports: [{ name: "sql", containerPort }] }] },
  });
}

test("a waypoint knows a named target port by the Service's Pods, and hears when it becomes another", () => {
  const plain = plainService("db", "10.96.0.7");
  const service: ServiceObject = {
    ...plain,
    metadata: meta("shop", "db", { labels: behind }),
    spec: { ...plain.spec, selector: { app: "db" }, ports: [{ port: 80, targetPort: "sql" }] },
  };
  const translator = new MeshTranslator();
  const services = [service];
  const { gateways = [] } = base;
  const targets = [[], [databasePod(5432)], [databasePod(5432)], [databasePod(5433)]].map((pods) => {
    const { waypoints } = translator.translate(mesh({ services, gateways, pods }));
    return waypoints.get("shop/waypoint")?.services[0]?.ports[0]?.targetPort;
  });
  expect(targets).toEqual([80, 5432, 5432, 5433]);
});
