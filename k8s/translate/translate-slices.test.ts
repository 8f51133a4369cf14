import { expect, test } from "bun:test";
import { NetworkMode, TunnelProtocol, type Workload, WorkloadStatus } from "#core/proto/istio/workload_pb.js";
import type { EndpointSliceObject, ServiceObject } from "../model/core-objects.ts";
import { mesh, meta, plainService } from "../../tests/support/kube-objects.ts";
import { MeshTranslator } from "./mesh-translator.ts";

const labels = { "kubernetes.io/service-name": "db" };

function slice(
  more: Partial<EndpointSliceObject> = {},
  of: Readonly<Record<string, string>> = labels,
): EndpointSliceObject {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: meta("shop", "db-1", { labels: of }),
    addressType: "IPv4",
    endpoints: [{ addresses: ["192.0.2.7"] }],
    ports: [{ name: "http", port: 5432 }],
    ...more,
  };
}

function workloadOf(
  object: EndpointSliceObject,
  spec: Partial<ServiceObject["spec"]> = {},
): Workload | undefined {
  const service = plainService("db", "10.96.0.7");
  const services = [{ ...service, spec: { ...service.spec, ...spec } }];
  const { addresses } = new MeshTranslator().translate(mesh({ services, slices: [object] }));
  const type = addresses.get("Kubernetes/discovery.k8s.io/EndpointSlice/shop/db-1/192.0.2.7")?.type;
  return type?.case === "workload" ? type.value : undefined;
}

test("an endpoint that somebody wrote stands behind its Service, outside the mesh and under no address of its own", () => {
  expect(workloadOf(slice())).toMatchObject({
    namespace: "shop",
    tunnelProtocol: TunnelProtocol.NONE,
    networkMode: NetworkMode.HOST_NETWORK,
    status: WorkloadStatus.HEALTHY,
    services: { "shop/db.shop.svc.cluster.local": { ports: [{ servicePort: 80, targetPort: 5432 }] } },
  });
});

test.each<[string, EndpointSliceObject, Partial<ServiceObject["spec"]>]>([
  ["of a Service that selects its Pods", slice(), { selector: { app: "db" } }],
  ["of a Service that is not there", slice({}, { "kubernetes.io/service-name": "gone" }), {}],
  ["without endpoints", slice({ endpoints: null as never }), {}],
  ["whose address is a name", slice({ endpoints: [{ addresses: ["db.example"] }] }), {}],
])("a slice %s is no workload", (_name, object, spec) => {
  expect(workloadOf(object, spec)).toBeUndefined();
});

test("an endpoint that is not ready is unwell, one of other ports serves none", () => {
  const unready = [{ addresses: ["192.0.2.7"], conditions: { ready: false } }];
  expect(workloadOf(slice({ endpoints: unready }))?.status).toBe(WorkloadStatus.UNHEALTHY);
  const [ports] = Object.values(workloadOf(slice({ ports: [{ name: "other", port: 1 }] }))?.services ?? {});
  expect(ports?.ports).toEqual([]);
});
