import { expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { type IpAddress, ipBytes } from "#core/address/ip.ts";
import {
  type Address,
  AddressSchema,
  TunnelProtocol,
  WorkloadStatus,
} from "#core/proto/istio/workload_pb.js";
import {
  BackendSchema,
  ServiceBackendSchema,
  type Waypoint,
  WaypointSchema,
} from "#core/proto/lambient/discovery_pb.js";
import { FakeClock } from "#host/fake/fake-clock.ts";
import type { Discovered } from "#host/discovery/watched-type.ts";
import { Endpoints, needsEndpoints } from "./endpoints.ts";

const hostname = "cart.shop.svc.cluster.local";
const backend = create(ServiceBackendSchema, { namespace: "shop", hostname, direct: true });
const client = {
  locality: { region: "", zone: "", subzone: "" },
  node: "n",
  clusterId: "Kubernetes",
  network: "",
};
const ip = (host: number): IpAddress => `10.244.0.${host}` as IpAddress;

const service: Discovered<Address> = {
  name: `shop/${hostname}`,
  message: create(AddressSchema, { type: { case: "service", value: { namespace: "shop", hostname } } }),
};

function pod(
  host: number,
  tunnelProtocol: TunnelProtocol,
  status = WorkloadStatus.HEALTHY,
): Discovered<Address> {
  const name = `pod-${host}`;
  const value = {
    uid: name,
    name,
    namespace: "shop",
    serviceAccount: "cart",
    addresses: [ipBytes(ip(host))],
    tunnelProtocol,
    status,
    services: { [`shop/${hostname}`]: { ports: [{ servicePort: 80, targetPort: 8080 }] } },
  };
  return { name, message: create(AddressSchema, { type: { case: "workload", value } }) };
}

/** `<target> by <tunnel or plain>`, as whom. */
function chosen(
  endpoints: Endpoints,
  wish: { port?: number; avoid?: IpAddress; pick?: number } = {},
): string {
  const { port = 80, avoid, pick = 0 } = wish;
  const found = endpoints.destinationOf({ backend, port, avoid, pick }, client);
  if (found === undefined) return "none";
  const way =
    found.identities === undefined ? "plain" : `${found.tunnelAddress.port} ${found.identities.join()}`;
  return `${found.target.ip}:${found.target.port} by ${way}`;
}

const asCart = "15008 spiffe://cluster.local/ns/shop/sa/cart";

test("an endpoint of the mesh is reached by a tunnel, another in plain, an unwell one not at all", () => {
  const endpoints = new Endpoints();
  expect(chosen(endpoints)).toBe("none");
  endpoints.apply([service, pod(130, TunnelProtocol.HBONE), pod(131, TunnelProtocol.NONE)], []);
  endpoints.apply([pod(132, TunnelProtocol.HBONE, WorkloadStatus.UNHEALTHY)], []);
  expect(chosen(endpoints)).toBe(`10.244.0.130:8080 by ${asCart}`);
  expect(chosen(endpoints, { pick: 0.99 })).toBe("10.244.0.131:8080 by plain");
  expect(chosen(endpoints, { port: 81 })).toBe("none");
  endpoints.apply([], ["pod-130"]);
  expect(chosen(endpoints)).toBe("10.244.0.131:8080 by plain");
});

test("one that failed is avoided while there is another", () => {
  const endpoints = new Endpoints();
  endpoints.apply([service, pod(130, TunnelProtocol.HBONE), pod(131, TunnelProtocol.HBONE)], []);
  expect(chosen(endpoints, { avoid: ip(130) })).toBe(`10.244.0.131:8080 by ${asCart}`);
  endpoints.apply([], ["pod-131"]);
  expect(chosen(endpoints, { avoid: ip(130) })).toBe(`10.244.0.130:8080 by ${asCart}`);
});

test("whoever asks before anything is known waits for it, within bounds", async () => {
  const endpoints = new Endpoints();
  const clock = new FakeClock();
  const late = endpoints.whenKnown(clock, 100);
  clock.advance(100);
  await late;
  const known = endpoints.whenKnown(clock, 100);
  endpoints.apply([], ["-"]);
  expect(endpoints.whenKnown(clock, 100)).toBeDefined();
  endpoints.apply([service], []);
  await known;
  expect(endpoints.whenKnown(clock, 100)).toBeUndefined();
});

function sendingTo(isDirect: boolean): Waypoint {
  const value = { ...backend, direct: isDirect };
  const backends = [create(BackendSchema, { target: { case: "service", value } })];
  return create(WaypointSchema, { services: [{ routes: [{ backends }] }] });
}

test("only configurations that send to endpoints need them", () => {
  const configurations = [sendingTo(true), sendingTo(false), create(WaypointSchema)];
  expect(configurations.map(needsEndpoints)).toEqual([true, false, false]);
});
