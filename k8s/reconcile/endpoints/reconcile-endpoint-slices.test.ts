import { expect, test } from "bun:test";
import { meta, plainService } from "../../../tests/support/kube-objects.ts";
import { podObject, type PodTraits } from "../../../tests/support/workload-objects.ts";
import type { EndpointSliceObject, ServiceObject } from "../../model/core-objects.ts";
import type { PodObject } from "../../model/pod.ts";
import type { WorkloadAction } from "../workloads/workload-action.ts";
import { endpointsPerSlice, reconcileEndpointSlices } from "./reconcile-endpoint-slices.ts";
import { type Endpoint, gatherEndpoints } from "./service-endpoints.ts";

function serviceOf(spec: Partial<ServiceObject["spec"]> = {}): ServiceObject {
  const service = plainService("web", "10.96.0.20");
  const ports = [{ name: "http", port: 80, targetPort: 8080 }];
  return { ...service, spec: { clusterIP: "10.96.0.20", selector: { app: "web" }, ports, ...spec } };
}

const pod = (name: string, traits: PodTraits = {}): PodObject =>
  podObject(name, { address: "10.244.0.130", ...traits });

/** What the API would hold after the actions. */
function apply(
  slices: readonly EndpointSliceObject[],
  actions: readonly WorkloadAction[],
): readonly EndpointSliceObject[] {
  const held = new Map(slices.map((slice) => [slice.metadata.name, slice]));
  for (const action of actions) {
    if (action.kind === "create") {
      const name = `web-${held.size}`;
      const { labels = {} } = action.draft.metadata;
      // Sound: this controller makes EndpointSlices only.
      const slice = { ...action.draft, metadata: meta("shop", name, { labels }) } as unknown;
      held.set(name, slice as EndpointSliceObject);
    } else if (action.kind === "delete") held.delete(action.key.name);
    else if (action.kind === "patch") {
      const { endpoints } = action.value as Pick<EndpointSliceObject, "endpoints">;
      held.set(action.key.name, { ...(held.get(action.key.name) as EndpointSliceObject), endpoints });
    }
  }
  return [...held.values()];
}

function step(
  service: ServiceObject,
  pods: readonly PodObject[],
  slices: readonly EndpointSliceObject[] = [],
) {
  const actions = reconcileEndpointSlices(service, pods, slices);
  return { kinds: actions.map(({ kind }) => kind), slices: apply(slices, actions) };
}

test.each<[string, Partial<ServiceObject["spec"]>, PodTraits, Partial<Endpoint["conditions"]> | undefined]>([
  ["ready", {}, {}, { ready: true, serving: true, terminating: false }],
  ["not ready", {}, { isReady: false }, { ready: false, serving: false, terminating: false }],
  [
    "not ready, published all the same",
    { publishNotReadyAddresses: true },
    { isReady: false },
    { ready: true, serving: false },
  ],
  ["ending but serving", {}, { isEnding: true }, { ready: false, serving: true, terminating: true }],
  ["ended", {}, { phase: "Succeeded" }, undefined],
  ["without an address", {}, { address: "" }, undefined],
  ["of other labels", {}, { labels: { app: "db" } }, undefined],
  ["a function's instance", {}, { annotations: { "lambient.dev/instance": "i" } }, undefined],
])("a Pod that is %s", (_case, spec, traits, want) => {
  const [group] = gatherEndpoints(serviceOf(spec), [pod("a", traits)]);
  if (want === undefined) expect(group).toBeUndefined();
  else expect(group?.endpoints[0]?.conditions).toMatchObject(want);
});

test("an endpoint names its Pod and node, and its host name where the Service gives it one", () => {
  const named = pod("a", { spec: { hostname: "a", subdomain: "web" } });
  expect(gatherEndpoints(serviceOf(), [named])).toEqual([
    {
      addressType: "IPv4",
      ports: [{ name: "http", protocol: "TCP", port: 8080 }],
      endpoints: [
        {
          addresses: ["10.244.0.130"],
          conditions: { ready: true, serving: true, terminating: false },
          hostname: "a",
          nodeName: "node-0",
          targetRef: { kind: "Pod", namespace: "shop", name: "a", uid: "uid-a" },
        },
      ],
    },
  ]);
});

test("Pods that call a port's name otherwise are another group; one that does not know it has no port", () => {
  const ports = [
    { name: "http", port: 80, targetPort: "web" },
    { port: 53, targetPort: "53", protocol: "UDP" as const },
  ];
  const at = (name: string, containerPort: number): PodObject =>
    pod(name, { spec: { containers: [{ name: "c", ports: [{ name: "web", containerPort }] }] } });
  const groups = gatherEndpoints(serviceOf({ ports }), [at("a", 80), at("b", 8080), at("c", 80), pod("d")]);
  expect(
    groups.map(({ ports: of, endpoints }) => [
      of.map(({ port }) => port),
      endpoints.map(({ targetRef }) => targetRef.name),
    ]),
  ).toEqual([
    [
      [80, 53],
      ["a", "c"],
    ],
    [[8080, 53], ["b"]],
    [[53], ["d"]],
  ]);
});

test("an IPv6 Pod has a slice of its own", () => {
  const groups = gatherEndpoints(serviceOf(), [pod("a"), pod("b", { address: "fd00::1" })]);
  expect(groups.map(({ addressType }) => addressType)).toEqual(["IPv4", "IPv6"]);
});

test("without Pods one empty slice says so; it is filled when one comes, and changes as little as may be", () => {
  const service = serviceOf();
  const empty = step(service, []);
  expect(empty.kinds).toEqual(["create"]);
  expect(step(service, [], empty.slices).kinds).toEqual([]);
  const filled = step(service, [pod("a")], empty.slices);
  expect(filled.slices.map(({ endpoints }) => endpoints.length)).toEqual([1]);
  expect(step(service, [pod("a")], filled.slices).kinds).toEqual([]);
  const grown = step(service, [pod("a"), pod("b")], filled.slices);
  expect(grown.kinds).toEqual(["patch"]);
  expect(step(service, [], grown.slices).slices.map(({ endpoints }) => endpoints.length)).toEqual([0]);
});

test("slices hold a bounded number each, and endpoints stay where they are", () => {
  const service = serviceOf();
  const pods = Array.from({ length: endpointsPerSlice + 20 }, (_, index) => pod(`p${index}`));
  const { slices } = step(service, pods);
  expect(slices.map(({ endpoints }) => endpoints.length)).toEqual([endpointsPerSlice, 20]);
  const fewer = step(service, pods.slice(30), slices);
  expect(fewer.slices.reduce((sum, { endpoints }) => sum + endpoints.length, 0)).toBe(endpointsPerSlice - 10);
  expect(new Set(fewer.kinds)).toEqual(new Set(["patch"]));
});

test("a slice says whose it is and who keeps it, headless Services say that too", () => {
  const [slice] = step(
    { ...serviceOf({ clusterIP: "None" }), metadata: meta("shop", "web", { labels: { team: "a" } }) },
    [],
  ).slices;
  expect(slice?.metadata.labels).toEqual({
    team: "a",
    "service.kubernetes.io/headless": "",
    "kubernetes.io/service-name": "web",
    "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
  });
});

test("one without a selector has none made, and loses those it had; one that goes is left alone", () => {
  const { slices } = step(serviceOf(), [pod("a")]);
  expect(step(serviceOf({ selector: {} }), [pod("a")], slices).kinds).toEqual(["delete"]);
  expect(step(serviceOf({ selector: {} }), [pod("a")]).kinds).toEqual([]);
  const going = {
    ...serviceOf(),
    metadata: meta("shop", "web", { deletionTimestamp: "2026-01-01T00:00:00Z" }),
  };
  expect(step(going, [pod("a")]).kinds).toEqual([]);
});
