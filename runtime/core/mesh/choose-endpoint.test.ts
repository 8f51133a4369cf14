import { expect, test } from "bun:test";
import type { IpAddress } from "#core/address/ip.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import { chooseEndpoint, type ClientPlace } from "./choose-endpoint.ts";
import type { Balancing, Service } from "./service.ts";
import type { Workload } from "./workload.ts";

const service: Service = {
  key: "shop/cart.x",
  name: "cart",
  namespace: "shop",
  hostname: "cart.x",
  addresses: [],
  ranges: [],
  ports: new Map([[80, 8080]]),
  subjectAltNames: [],
  waypoints: [],
  balancing: { mode: "standard", preferences: [], allowsUnhealthy: false },
  isCanonical: false,
  isPrivate: false,
  families: { ipv4: true, ipv6: true },
};

function workload(uid: string, change: Partial<Workload> = {}): Workload {
  return {
    uid,
    name: uid,
    namespace: "shop",
    serviceAccount: "cart",
    trustDomain: "cluster.local",
    identity: "spiffe://cluster.local/ns/shop/sa/cart" as SpiffeId,
    network: "",
    addresses: ["10.0.0.1" as IpAddress],
    protocol: "hbone",
    waypoint: undefined,
    node: "a",
    clusterId: "one",
    workloadName: "",
    workloadType: "pod",
    canonicalName: "",
    canonicalRevision: "",
    isHealthy: true,
    isHostNetwork: false,
    locality: { region: "r1", zone: "z1", subzone: "s1" },
    capacity: 1,
    policies: [],
    services: new Map([["shop/cart.x", new Map([[80, 8080]])]]),
    ...change,
  };
}

const client: ClientPlace = {
  locality: { region: "r1", zone: "z1", subzone: "s1" },
  node: "a",
  clusterId: "one",
  network: "",
};

/** The uids that are ever chosen. */
function chosen(endpoints: readonly Workload[], balancing: Partial<Balancing> = {}): string[] {
  const wanted = { ...service, balancing: { ...service.balancing, ...balancing } };
  const uids = Array.from({ length: 20 }, (_, i) => {
    const found = chooseEndpoint({ service: wanted, port: 80, endpoints, client, pick: i / 20 });
    return found?.workload.uid ?? "nobody";
  });
  return [...new Set(uids)];
}

const near = workload("near");
const otherNode = workload("other-node", { node: "b" });
const otherZone = workload("other-zone", {
  node: "b",
  locality: { region: "r1", zone: "z2", subzone: "s1" },
});
const otherRegion = workload("other-region", { locality: { region: "r2", zone: "z1", subzone: "s1" } });
const otherCluster = workload("other-cluster", { clusterId: "two" });

test.each<[string, readonly Workload[], Partial<Balancing>, string[]]>([
  ["no endpoints", [], {}, ["nobody"]],
  ["one", [near], {}, ["near"]],
  ["several, all alike", [near, otherNode, otherZone], {}, ["near", "other-node", "other-zone"]],
  ["an unhealthy one", [workload("sick", { isHealthy: false })], {}, ["nobody"]],
  [
    "an unhealthy one that may serve",
    [workload("sick", { isHealthy: false })],
    { allowsUnhealthy: true },
    ["sick"],
  ],
  ["one without an address", [workload("bare", { addresses: [] })], {}, ["nobody"]],
  ["one on another network", [workload("far", { network: "net2" })], {}, ["nobody"]],
  [
    "one without the port",
    [workload("portless", { services: new Map([["shop/cart.x", new Map()]]) })],
    {},
    ["nobody"],
  ],
  ["one without the service", [workload("other", { services: new Map() })], {}, ["nobody"]],
  ["none with capacity", [workload("a", { capacity: 0 }), workload("b", { capacity: 0 })], {}, ["nobody"]],
  ["one with capacity", [workload("a", { capacity: 0 }), near], {}, ["near"]],
  ["strict, one that holds", [near, otherNode], { mode: "strict", preferences: ["node"] }, ["near"]],
  ["strict, none that holds", [otherNode], { mode: "strict", preferences: ["node"] }, ["nobody"]],
  [
    "failover to the zone",
    [otherNode, otherZone],
    { mode: "failover", preferences: ["region", "zone", "node"] },
    ["other-node"],
  ],
  [
    "failover to anything",
    [otherRegion],
    { mode: "failover", preferences: ["region", "zone"] },
    ["other-region"],
  ],
  [
    "failover by cluster",
    [otherCluster, otherNode],
    { mode: "failover", preferences: ["network", "cluster"] },
    ["other-node"],
  ],
  [
    "failover by subzone",
    [otherRegion, near],
    { mode: "failover", preferences: ["subzone", "region"] },
    ["near"],
  ],
  ["failover without preferences", [near, otherNode], { mode: "failover" }, ["near", "other-node"]],
])("chooseEndpoint() among %s", (_name, endpoints, balancing, want) => {
  expect(chosen(endpoints, balancing)).toEqual(want);
});

test("chooseEndpoint() tells the port that the service's port means", () => {
  expect(chooseEndpoint({ service, port: 80, endpoints: [near], client, pick: 0 })?.targetPort).toBe(8080);
});
