import { expect, test } from "bun:test";
import { meta, plainService } from "../../../tests/support/kube-objects.ts";
import { podObject, type PodTraits } from "../../../tests/support/workload-objects.ts";
import type { EndpointsObject, ServiceObject } from "../../model/core-objects.ts";
import type { PodObject } from "../../model/pod.ts";
import { reconcileEndpoints } from "./reconcile-endpoints.ts";

function serviceOf(spec: Partial<ServiceObject["spec"]> = {}): ServiceObject {
  const service = plainService("web", "10.96.0.20");
  const ports = [{ port: 80, targetPort: 8080 }];
  return { ...service, spec: { selector: { app: "web" }, ports, ...spec } };
}

const pod = (name: string, traits: PodTraits = {}): PodObject =>
  podObject(name, { address: "10.244.0.130", ...traits });

function names(addresses: readonly { targetRef?: object }[] = []): string {
  return addresses.map(({ targetRef }) => (targetRef as { name: string }).name).join(",");
}

/** Names of the Pods that are ready, and that are not. */
function say(service: ServiceObject, pods: readonly PodObject[]): string {
  const [action] = reconcileEndpoints(service, pods, undefined);
  if (action?.kind !== "create") return action?.kind ?? "nothing";
  // Sound: this controller makes Endpoints only.
  const { subsets = [] } = action.draft as unknown as EndpointsObject;
  return subsets
    .map(({ addresses, notReadyAddresses }) => `${names(addresses)}|${names(notReadyAddresses)}`)
    .join(" ");
}

test.each<[string, ServiceObject, readonly PodObject[], string]>([
  [
    "those that are ready, and those that are not",
    serviceOf(),
    [pod("a"), pod("b", { isReady: false })],
    "a|b",
  ],
  ["none that ends", serviceOf(), [pod("a"), pod("b", { isEnding: true })], "a|"],
  [
    "all, when all are wished for",
    serviceOf({ publishNotReadyAddresses: true }),
    [pod("a", { isEnding: true }), pod("b", { isReady: false })],
    "a,b|",
  ],
  ["no IPv6 address", serviceOf(), [pod("a", { address: "fd00::1" })], ""],
  ["nothing without Pods", serviceOf(), [], ""],
  ["nothing of a Service without a selector", serviceOf({ selector: {} }), [pod("a")], "nothing"],
  [
    "nothing of one that goes",
    { ...serviceOf(), metadata: meta("shop", "web", { deletionTimestamp: "x" }) },
    [pod("a")],
    "nothing",
  ],
])("Endpoints hold %s", (_case, service, pods, want) => {
  expect(say(service, pods)).toBe(want);
});

test("they are written once, follow what changes, and name the Pod, its node and the port", () => {
  const [made] = reconcileEndpoints(
    serviceOf(),
    [pod("a", { spec: { hostname: "a", subdomain: "web" } })],
    undefined,
  );
  const subsets = [
    {
      addresses: [
        {
          ip: "10.244.0.130",
          hostname: "a",
          nodeName: "node-0",
          targetRef: { kind: "Pod", namespace: "shop", name: "a", uid: "uid-a" },
        },
      ],
      ports: [{ protocol: "TCP", port: 8080 }],
    },
  ];
  const labels = { "endpoints.kubernetes.io/managed-by": "endpoint-controller" };
  expect(made).toMatchObject({ draft: { metadata: { name: "web", labels }, subsets } });
  const existing: EndpointsObject = {
    apiVersion: "v1",
    kind: "Endpoints",
    metadata: meta("shop", "web", { labels }),
    subsets,
  };
  const named = pod("a", { spec: { hostname: "a", subdomain: "web" } });
  expect(reconcileEndpoints(serviceOf(), [named], existing)).toEqual([]);
  expect(reconcileEndpoints(serviceOf({ ports: [] }), [named], existing)).toMatchObject([
    { kind: "patch", value: { subsets: [{ addresses: [{ ip: "10.244.0.130" }] }] } },
  ]);
});
