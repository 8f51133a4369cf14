import { expect, test } from "bun:test";
import { readLocalConfig } from "#core/mesh/local-config.ts";
import { readService } from "#core/mesh/service.ts";
import { emptySnapshot, withChanges } from "#core/mesh/snapshot.ts";
import { readWorkload } from "#core/mesh/workload.ts";
import { resolveName } from "./resolve-name.ts";

const config = readLocalConfig({
  workloads: [
    {
      uid: "pet",
      name: "pet-0",
      namespace: "shop",
      trustDomain: "cluster.local",
      workloadIps: ["10.244.0.8"],
      services: { "shop/pets.shop.svc.cluster.local": { "80": 80 } },
    },
  ],
  services: [
    { name: "cart", namespace: "shop", hostname: "cart.shop.svc.cluster.local", vips: ["/10.96.0.3"] },
    { name: "cart", namespace: "other", hostname: "cart.other.svc.cluster.local", vips: ["/10.96.0.4"] },
    { name: "pets", namespace: "shop", hostname: "pets.shop.svc.cluster.local" },
    {
      name: "elsewhere",
      namespace: "shop",
      hostname: "far.shop.svc.cluster.local",
      vips: ["net2/10.96.0.5"],
    },
    { name: "ext", namespace: "shop", hostname: "api.example.com", vips: ["/10.96.0.6"] },
    { name: "wild", namespace: "shop", hostname: "*.example.org", vips: ["/10.96.0.7"] },
    { name: "bare", namespace: "shop", hostname: "headless.example.net" },
  ],
});
const { addresses } = config.ok ? config.value : { addresses: [] };
const mesh = withChanges(emptySnapshot, {
  services: addresses.flatMap(({ type }) => {
    const read = type.case === "service" ? readService(type.value) : undefined;
    return read?.ok ? [read.value] : [];
  }),
  workloads: addresses.flatMap(({ type }) => {
    const read = type.case === "workload" ? readWorkload(type.value) : undefined;
    return read?.ok ? [read.value] : [];
  }),
});

test.each<[string, string, string]>([
  ["cart", "shop", "10.96.0.3"],
  ["cart", "other", "10.96.0.4"],
  ["cart.shop", "other", "10.96.0.3"],
  ["cart.shop.svc", "other", "10.96.0.3"],
  ["cart.shop.svc.cluster.local", "other", "10.96.0.3"],
  ["cart.other", "shop", "10.96.0.4"],
  ["cart.shop.shop.svc.cluster.local", "shop", "10.96.0.3"],
  ["api.example.com", "shop", "10.96.0.6"],
  ["api.example.com.shop.svc.cluster.local", "shop", "10.96.0.6"],
  ["x.example.org", "shop", "10.96.0.7"],
  ["example.org", "shop", "outside"],
  ["pets", "shop", "10.244.0.8"],
  ["pet-0.pets.shop.svc.cluster.local", "other", "10.244.0.8"],
  ["pet-1.pets.shop.svc.cluster.local", "shop", "unknown"],
  ["pet-0.cart.shop.svc.cluster.local", "shop", "unknown"],
  ["far", "shop", ""],
  ["nobody", "shop", "unknown"],
  ["nobody.shop.svc.cluster.local", "shop", "unknown"],
  ["cluster.local", "shop", "unknown"],
  ["headless.example.net", "shop", "outside"],
  ["example.com", "shop", "outside"],
  ["cart.nowhere", "shop", "outside"],
  ["", "shop", "outside"],
])("resolveName(%j) asked from %s is %s", (name, namespace, want) => {
  const meaning = resolveName(mesh, { namespace, network: "", domain: "cluster.local" }, name);
  expect(meaning.kind === "service" ? meaning.addresses.join() : meaning.kind).toBe(want);
});
