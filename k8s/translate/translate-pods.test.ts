import { expect, test } from "bun:test";
import {
  LoadBalancing_HealthPolicy,
  LoadBalancing_Mode,
  LoadBalancing_Scope as Scope,
  NetworkMode,
  TunnelProtocol,
  type Workload,
  WorkloadStatus,
  WorkloadType,
} from "#core/proto/istio/workload_pb.js";
import type { OwnerReference } from "#host/kube/object.ts";
import type { ServiceObject } from "../model/core-objects.ts";
import type { PodObject } from "../model/pod.ts";
import { mesh, plainService, podObject, policyObject } from "../../tests/support/kube-objects.ts";
import type { MeshObjects } from "./mesh-objects.ts";
import { MeshTranslator } from "./mesh-translator.ts";

const address = "10.244.0.130";
const labels = { app: "web" };

function workloadsOf(objects: Partial<MeshObjects>): Map<string, Workload> {
  const { addresses } = new MeshTranslator().translate(mesh(objects));
  return new Map(
    [...addresses.values()].flatMap(({ type }) =>
      type.case === "workload" ? [[type.value.name, type.value]] : [],
    ),
  );
}

function workloadOf(pod: PodObject, objects: Partial<MeshObjects> = {}): Workload | undefined {
  return workloadsOf({ pods: [pod], ...objects }).get(pod.metadata.name);
}

test("a Pod is a workload under Istio's name, with what the mesh needs of it", () => {
  const annotations = { "ambient.istio.io/redirection": "enabled" };
  const pod = podObject("web-1", address, {
    metadata: { labels, annotations },
    spec: { serviceAccountName: "web" },
  });
  const policies = [policyObject("by-label", { selector: { matchLabels: labels } }), policyObject("all", {})];
  expect(workloadOf(pod, { policies })).toMatchObject({
    uid: "Kubernetes//Pod/shop/web-1",
    name: "web-1",
    namespace: "shop",
    serviceAccount: "web",
    trustDomain: "mesh.example",
    addresses: [Uint8Array.of(10, 244, 0, 130)],
    node: "node-0",
    clusterId: "Kubernetes",
    workloadName: "web-1",
    workloadType: WorkloadType.POD,
    canonicalName: "web",
    canonicalRevision: "latest",
    tunnelProtocol: TunnelProtocol.HBONE,
    status: WorkloadStatus.HEALTHY,
    networkMode: NetworkMode.STANDARD,
    authorizationPolicies: ["shop/by-label"],
  });
});

test.each<[string, PodObject]>([
  ["without an address", podObject("web-1", undefined)],
  ["that succeeded", podObject("web-1", address, { status: { phase: "Succeeded" } })],
  ["that failed", podObject("web-1", address, { status: { phase: "Failed" } })],
  [
    "that shows a function's instance",
    podObject("web-1", address, { metadata: { annotations: { "lambient.dev/instance": "i" } } }),
  ],
])("a Pod %s is no workload", (_name, pod) => {
  expect(workloadOf(pod)).toBeUndefined();
});

const notReady = { conditions: [{ type: "Ready", status: "False" as const }] };

test.each<[string, PodObject, Partial<Workload>]>([
  [
    "is outside the mesh as long as the node does not say otherwise",
    podObject("p", address),
    { tunnelProtocol: TunnelProtocol.NONE },
  ],
  [
    "is outside the mesh while it is only about to come in",
    podObject("p", address, { metadata: { annotations: { "ambient.istio.io/redirection": "pending" } } }),
    { tunnelProtocol: TunnelProtocol.NONE },
  ],
  [
    "is unwell when it is not ready",
    podObject("p", address, { status: notReady }),
    { status: WorkloadStatus.UNHEALTHY },
  ],
  [
    "is unwell once it is being deleted",
    podObject("p", address, { metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" } }),
    { status: WorkloadStatus.UNHEALTHY },
  ],
  [
    "on the node's network is never captured",
    podObject("p", address, {
      spec: { hostNetwork: true },
      metadata: { annotations: { "ambient.istio.io/redirection": "enabled" } },
    }),
    { networkMode: NetworkMode.HOST_NETWORK, tunnelProtocol: TunnelProtocol.NONE },
  ],
  [
    "that speaks the mesh's protocol itself says so",
    podObject("p", address, { metadata: { labels: { "networking.istio.io/tunnel": "http" } } }),
    { nativeTunnel: true, tunnelProtocol: TunnelProtocol.HBONE },
  ],
  [
    "has the addresses of both families",
    podObject("p", undefined, { status: { phase: "Running", podIPs: [{ ip: address }, { ip: "fd00::1" }] } }),
    {
      addresses: [
        Uint8Array.of(10, 244, 0, 130),
        Uint8Array.of(0xfd, ...Array.from({ length: 14 }, () => 0), 1),
      ],
    },
  ],
  [
    "is called as its labels say",
    podObject("p", address, {
      metadata: {
        labels: {
          app: "a",
          "app.kubernetes.io/name": "b",
          "service.istio.io/canonical-name": "c",
          version: "1",
          "app.kubernetes.io/version": "2",
          "service.istio.io/canonical-revision": "3",
          "service.istio.io/workload-name": "w",
        },
      },
    }),
    { canonicalName: "c", canonicalRevision: "3", workloadName: "w" },
  ],
  [
    "is called as the usual labels say",
    podObject("p", address, { metadata: { labels: { app: "a", version: "1" } } }),
    { canonicalName: "a", canonicalRevision: "1", workloadName: "p" },
  ],
])("a Pod %s", (_name, pod, want) => {
  expect(workloadOf(pod)).toMatchObject(want);
});

test.each<[string, Readonly<Record<string, string>>, string, WorkloadType]>([
  ["ReplicaSet web-5d4f", { "pod-template-hash": "5d4f" }, "web", WorkloadType.DEPLOYMENT],
  ["ReplicaSet web-5d4f", {}, "web-5d4f", WorkloadType.POD],
  ["StatefulSet db", {}, "db", WorkloadType.POD],
  ["DaemonSet agent", {}, "agent", WorkloadType.POD],
  ["Job migrate", {}, "migrate", WorkloadType.JOB],
  ["Job nightly-29401020", {}, "nightly", WorkloadType.CRONJOB],
])("a Pod of %s goes by it", (of, hash, workloadName, workloadType) => {
  const [kind = "", name = ""] = of.split(" ");
  const owner: OwnerReference = { apiVersion: "apps/v1", kind, name, uid: "u", controller: true };
  const stranger = { ...owner, name: "stranger", controller: false };
  const pod = podObject("p", address, { metadata: { labels: hash, ownerReferences: [stranger, owner] } });
  expect(workloadOf(pod)).toMatchObject({ workloadName, workloadType, canonicalName: workloadName });
});

function service(name: string, spec: Partial<ServiceObject["spec"]>): ServiceObject {
  const plain = plainService(name, "10.96.0.20");
  return { ...plain, spec: { ...plain.spec, selector: labels, ...spec } };
}

const ported = podObject("p", address, {
  metadata: { labels },
  spec: {
    containers: [
      { name: "a", ports: [{ name: "metrics", containerPort: 9090 }] },
      {
        name: "b",
        ports: [
          { name: "web", containerPort: 3000 },
          { name: "web", containerPort: 53, protocol: "UDP" },
        ],
      },
    ],
    initContainers: [
      { name: "c", ports: [{ name: "gone", containerPort: 1 }] },
      { name: "d", restartPolicy: "Always", ports: [{ name: "beside", containerPort: 2 }] },
    ],
  },
});

test.each<[string, ServiceObject, Readonly<Record<string, number>> | undefined]>([
  ["by number", service("s", { ports: [{ port: 80, targetPort: 8080 }] }), { 80: 8080 }],
  ["by default", service("s", { ports: [{ port: 80 }] }), { 80: 80 }],
  ["by name", service("s", { ports: [{ port: 80, targetPort: "web" }] }), { 80: 3000 }],
  [
    "by the name of what stays beside",
    service("s", { ports: [{ port: 80, targetPort: "beside" }] }),
    { 80: 2 },
  ],
  ["by a name nobody has", service("s", { ports: [{ port: 80, targetPort: "gone" }] }), {}],
  ["by UDP", service("s", { ports: [{ port: 53, protocol: "UDP" }] }), {}],
  ["without an address of its own", service("s", { clusterIP: "None", ports: [{ port: 80 }] }), { 80: 80 }],
  ["that selects others", service("s", { selector: { app: "web", tier: "x" } }), undefined],
  ["without a selector", service("s", { selector: {} }), undefined],
  ["that is a name only", service("s", { type: "ExternalName" }), undefined],
])("a Pod stands behind a Service %s", (_name, object, want) => {
  const found = workloadOf(ported, { services: [object] })?.services["shop/s.shop.svc.cluster.local"];
  const ports = found?.ports.map(({ servicePort, targetPort }) => [servicePort, targetPort]);
  expect(ports === undefined ? undefined : Object.fromEntries(ports)).toEqual(want as never);
});

test.each<[string, Partial<ServiceObject["spec"]>, object | undefined]>([
  ["nothing", {}, undefined],
  [
    "unready endpoints too",
    { publishNotReadyAddresses: true },
    { healthPolicy: LoadBalancing_HealthPolicy.ALLOW_ALL, mode: LoadBalancing_Mode.UNSPECIFIED_MODE },
  ],
  [
    "its own node only",
    { internalTrafficPolicy: "Local" },
    { mode: LoadBalancing_Mode.STRICT, routingPreference: [Scope.NODE] },
  ],
  [
    "near endpoints first",
    { trafficDistribution: "PreferClose" },
    { mode: LoadBalancing_Mode.FAILOVER, routingPreference: [Scope.NETWORK, Scope.REGION, Scope.ZONE] },
  ],
])("a Service that wishes %s", (_name, spec, want) => {
  const { addresses } = new MeshTranslator().translate(mesh({ services: [service("s", spec)] }));
  const { type } = addresses.get("shop/s.shop.svc.cluster.local") ?? {};
  const balancing = type?.case === "service" ? type.value.loadBalancing : undefined;
  if (want === undefined) expect(balancing).toBeUndefined();
  else expect(balancing).toMatchObject(want);
});

test("a Pod that changes leaves the records of the others the very same", () => {
  const translator = new MeshTranslator();
  const [a, b] = [podObject("a", "10.244.0.131"), podObject("b", "10.244.0.132")];
  const services = [service("s", {})];
  const first = translator.translate(mesh({ pods: [a, b], services })).addresses;
  const changed = { ...b, status: { ...b.status, ...notReady } };
  const second = translator.translate(mesh({ pods: [a, changed], services })).addresses;
  expect(second.get(uid("a"))).toBe(first.get(uid("a")) as never);
  expect(second.get(uid("b"))).not.toBe(first.get(uid("b")) as never);
  const third = translator.translate(
    mesh({ pods: [a], services: [service("s", { selector: undefined as never })] }),
  );
  expect([...third.addresses.keys()]).not.toContain(uid("b"));
});

function uid(name: string): string {
  return `Kubernetes//Pod/shop/${name}`;
}
