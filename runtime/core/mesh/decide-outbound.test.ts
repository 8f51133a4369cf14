import { expect, test } from "bun:test";
import type { IpAddress } from "#core/address/ip.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import { decideOutbound, type OutboundSource } from "./decide-outbound.ts";
import { readLocalConfig } from "./local-config.ts";
import { readService } from "./service.ts";
import { emptySnapshot, type Snapshot, withChanges } from "./snapshot.ts";
import { readWorkload } from "./workload.ts";

const base = { namespace: "shop", trustDomain: "cluster.local", services: {} };

function snapshotOf(config: unknown): Snapshot {
  const read = readLocalConfig(config);
  if (!read.ok) throw new Error(read.error.join("\n"));
  const workloads = read.value.addresses.flatMap(({ type }) => {
    const one = type.case === "workload" ? readWorkload(type.value) : undefined;
    return one?.ok ? [one.value] : [];
  });
  const services = read.value.addresses.flatMap(({ type }) => {
    const one = type.case === "service" ? readService(type.value) : undefined;
    return one?.ok ? [one.value] : [];
  });
  return withChanges(emptySnapshot, { workloads, services });
}

const mesh = snapshotOf({
  workloads: [
    { ...base, uid: "web", serviceAccount: "web", workloadIps: ["10.244.0.2"], protocol: "HBONE", node: "a" },
    {
      ...base,
      uid: "cart-1",
      serviceAccount: "cart",
      workloadIps: ["10.244.0.3"],
      protocol: "HBONE",
      node: "a",
      services: { "shop/cart.shop.svc.cluster.local": { "80": 8080 } },
    },
    {
      ...base,
      uid: "cart-2",
      serviceAccount: "cart",
      workloadIps: ["10.244.0.4"],
      protocol: "HBONE",
      node: "b",
      capacity: 3,
      services: { "shop/cart.shop.svc.cluster.local": { "80": 8081 } },
    },
    {
      ...base,
      uid: "cart-sick",
      status: "Unhealthy",
      workloadIps: ["10.244.0.5"],
      services: { "shop/cart.shop.svc.cluster.local": { "80": 8081 } },
    },
    {
      ...base,
      uid: "plain",
      workloadIps: ["10.244.0.6"],
      protocol: "TCP",
      services: { "shop/plain.x": { "1": 2 } },
    },
    {
      ...base,
      uid: "way",
      serviceAccount: "waypoint",
      workloadIps: ["10.245.0.2"],
      protocol: "HBONE",
      services: { "shop/way.x": { "15008": 15010 } },
    },
    {
      ...base,
      uid: "lost",
      workloadIps: ["10.244.0.8"],
      protocol: "HBONE",
      waypoint: { destination: "/10.245.9.9", hboneMtlsPort: 15008 },
    },
    {
      ...base,
      uid: "guarded",
      serviceAccount: "guarded",
      workloadIps: ["10.244.0.7"],
      protocol: "HBONE",
      waypoint: { destination: "/10.245.0.2", hboneMtlsPort: 15008 },
    },
  ],
  services: [
    {
      name: "cart",
      namespace: "shop",
      hostname: "cart.shop.svc.cluster.local",
      vips: ["/10.96.0.3"],
      ports: { "80": 8080 },
    },
    { name: "plain", namespace: "shop", hostname: "plain.x", vips: ["/10.96.0.4"], ports: { "1": 2 } },
    {
      name: "price",
      namespace: "shop",
      hostname: "price.shop.svc.cluster.local",
      vips: ["/10.96.0.5"],
      ports: { "80": 8080 },
      waypoint: { destination: "/10.245.0.2", hboneMtlsPort: 15008 },
    },
    {
      name: "lost",
      namespace: "shop",
      hostname: "lost.x",
      vips: ["/10.96.0.6"],
      waypoint: { destination: "shop/nowhere.x", hboneMtlsPort: 15008 },
    },
    {
      name: "range",
      namespace: "shop",
      hostname: "range.x",
      cidrVips: ["/10.97.0.0/16"],
      ports: { "80": 80 },
    },
    {
      name: "inner",
      namespace: "shop",
      hostname: "inner.x",
      cidrVips: ["/10.97.1.0/24"],
      ports: { "80": 80 },
    },
    {
      name: "way",
      namespace: "shop",
      hostname: "way.x",
      vips: ["/10.96.0.20"],
      subjectAltNames: ["spiffe://cluster.local/ns/shop/sa/alias"],
      ports: { "15008": 15010 },
    },
    {
      name: "named",
      namespace: "shop",
      hostname: "named.x",
      vips: ["/10.96.0.21"],
      waypoint: { destination: "shop/way.x", hboneMtlsPort: 15008 },
    },
    {
      name: "wrong-port",
      namespace: "shop",
      hostname: "wrong-port.x",
      vips: ["/10.96.0.22"],
      waypoint: { destination: "/10.96.0.20", hboneMtlsPort: 15099 },
    },
    {
      name: "open",
      namespace: "shop",
      hostname: "open.x",
      vips: ["/10.244.0.4"],
      cidrVips: ["/203.0.113.0/24"],
      loadBalancer: { mode: "Passthrough" },
    },
    { name: "own", namespace: "other", hostname: "own.x", vips: ["/10.96.0.9"], visibility: "Namespace" },
  ],
});

const id = (account: string): SpiffeId => `spiffe://cluster.local/ns/shop/sa/${account}` as SpiffeId;
const place = { locality: { region: "", zone: "", subzone: "" }, node: "a", clusterId: "", network: "" };
const web: OutboundSource = { namespace: "shop", identity: id("web"), place };

/** A decision in few words. */
function decide(destination: string, pick = 0, source = web): string {
  const [ip = "", port = "80"] = destination.split(":");
  const decision = decideOutbound(mesh, source, { ip: ip as IpAddress, port: Number(port) }, pick);
  switch (decision.kind) {
    case "tunnel": {
      const peers = decision.peers.map((peer) => peer.split("/").at(-1)).join();
      const { tunnel, target } = decision;
      return `${decision.via} ${tunnel.ip}:${tunnel.port} for ${target.ip}:${target.port} as ${peers}`;
    }
    case "plain":
    case "passthrough":
      return `${decision.kind} ${decision.target.ip}:${decision.target.port}`;
    case "refuse":
      return decision.text;
    default:
      return decision satisfies never;
  }
}

test.each<[string, string, string]>([
  ["a service's first endpoint", "10.96.0.3", "workload 10.244.0.3:15008 for 10.244.0.3:8080 as cart"],
  ["a port that the service lacks", "10.96.0.3:81", "no healthy upstream: cart.shop.svc.cluster.local:81"],
  ["an endpoint without tunnels", "10.96.0.4:1", "plain 10.244.0.6:2"],
  ["a service behind a waypoint", "10.96.0.5", "waypoint 10.245.0.2:15008 for 10.96.0.5:80 as waypoint"],
  ["a waypoint that is not known", "10.96.0.6", "unknown waypoint: shop/nowhere.x"],
  [
    "a waypoint by its service's name",
    "10.96.0.21",
    "waypoint 10.245.0.2:15010 for 10.96.0.21:80 as waypoint,alias",
  ],
  ["a waypoint whose service lacks the port", "10.96.0.22", "unknown waypoint: 10.96.0.20:15099"],
  ["a workload whose waypoint is not known", "10.244.0.8", "unknown waypoint: 10.245.9.9:15008"],
  [
    "a service that passes through, to a workload",
    "10.244.0.4:9",
    "workload 10.244.0.4:15008 for 10.244.0.4:9 as cart",
  ],
  ["a service that passes through, to the outside", "203.0.113.9:443", "passthrough 203.0.113.9:443"],
  ["a range of a service", "10.97.9.9", "no healthy upstream: range.x:80"],
  ["the longest range", "10.97.1.9", "no healthy upstream: inner.x:80"],
  ["a service hidden in its namespace", "10.96.0.9", "passthrough 10.96.0.9:80"],
  ["a workload's address", "10.244.0.3:9", "workload 10.244.0.3:15008 for 10.244.0.3:9 as cart"],
  ["a workload behind a waypoint", "10.244.0.7:9", "waypoint 10.245.0.2:15008 for 10.244.0.7:9 as waypoint"],
  ["an address that is nobody's", "198.51.100.1:443", "passthrough 198.51.100.1:443"],
  ["loopback", "127.0.0.1:15001", "attempted recursive call to ourselves: 127.0.0.1"],
])("decideOutbound() to %s", (_name, destination, want) => expect(decide(destination)).toBe(want));

test("decideOutbound() shares out by capacity among the healthy", () => {
  const counts = new Map<string, number>();
  for (let i = 0; i < 100; i++) {
    const target = decide("10.96.0.3", i / 100).split(" ")[3] ?? "";
    counts.set(target, (counts.get(target) ?? 0) + 1);
  }
  expect(Object.fromEntries(counts)).toEqual({ "10.244.0.3:8080": 25, "10.244.0.4:8081": 75 });
});

test("decideOutbound() lets the waypoint itself go to the endpoints", () => {
  const waypoint = { ...web, identity: id("waypoint") };
  expect(decide("10.244.0.7:9", 0, waypoint)).toBe("workload 10.244.0.7:15008 for 10.244.0.7:9 as guarded");
});

test("withChanges() leaves the snapshot it came from as it was", () => {
  const cart = mesh.workloads.get("cart-1");
  if (cart === undefined) throw new Error("no such workload");
  const moved = withChanges(mesh, { workloads: [{ ...cart, addresses: ["10.244.0.99" as IpAddress] }] });
  const gone = withChanges(moved, { removedAddresses: ["cart-1", "shop/cart.shop.svc.cluster.local"] });
  expect(mesh.workloadsByAddress.get("/10.244.0.3")).toBe(cart);
  expect(moved.workloadsByAddress.has("/10.244.0.3")).toBe(false);
  expect(moved.workloadsByAddress.has("/10.244.0.99")).toBe(true);
  expect(moved.endpoints.get("shop/cart.shop.svc.cluster.local")?.length).toBe(3);
  expect(gone.endpoints.get("shop/cart.shop.svc.cluster.local")?.map(({ uid }) => uid)).toEqual([
    "cart-2",
    "cart-sick",
  ]);
  expect(gone.servicesByAddress.has("/10.96.0.3")).toBe(false);
  expect(mesh.servicesByAddress.has("/10.96.0.3")).toBe(true);
});

test("withChanges() lets an address pass to another workload before its old owner goes", () => {
  const cart = mesh.workloads.get("cart-1");
  if (cart === undefined) throw new Error("no such workload");
  const heir = { ...cart, uid: "heir" };
  const both = withChanges(mesh, { workloads: [heir] });
  const after = withChanges(both, { removedAddresses: ["cart-1"] });
  expect(after.workloadsByAddress.get("/10.244.0.3")).toBe(heir);
});
