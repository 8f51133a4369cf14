import { expect, test } from "bun:test";
import type { AnswerRecord } from "#core/dns/format-records.ts";
import type { EndpointSliceObject, ServiceObject } from "../../model/core-objects.ts";
import { findClusterName, type ServiceIndex } from "./cluster-names.ts";

const metadata = { namespace: "shop", uid: "u", resourceVersion: "1", creationTimestamp: "" };
const service = (name: string, spec: ServiceObject["spec"]): ServiceObject => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { ...metadata, name },
  spec,
});
const services = [
  service("web", { clusterIP: "10.96.0.7", ports: [{ name: "http", port: 80 }] }),
  service("db", { clusterIP: "None", ports: [{ name: "sql", port: 5432 }] }),
  service("away", { type: "ExternalName", externalName: "example.com." }),
];
const slice: EndpointSliceObject = {
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { ...metadata, name: "db-1" },
  addressType: "IPv4",
  ports: [{ name: "sql", port: 5432, protocol: "TCP" }],
  endpoints: [
    { addresses: ["10.244.0.130"], hostname: "db-0" },
    { addresses: ["10.244.0.131"] },
    { addresses: ["10.244.0.132"], conditions: { ready: false } },
  ],
};
const index: ServiceIndex = {
  service: (namespace, name) =>
    services.find((one) => one.metadata.namespace === namespace && one.metadata.name === name),
  slices: (_namespace, name) => (name === "db" ? [slice] : []),
  hasNamespace: (namespace) => namespace === "shop",
  serviceAt: (address) => services.find(({ spec }) => spec.clusterIP === address),
};

test.each<[string, string]>([
  ["web.shop.svc.cluster.local", "10.96.0.7"],
  ["db.shop.svc.cluster.local", "10.244.0.130 10.244.0.131"],
  ["db-0.db.shop.svc.cluster.local", "10.244.0.130"],
  ["10-244-0-131.db.shop.svc.cluster.local", "10.244.0.131"],
  ["db-1.db.shop.svc.cluster.local", "unknown"],
  ["_http._tcp.web.shop.svc.cluster.local", "web.shop.svc.cluster.local:80"],
  [
    "_sql._tcp.db.shop.svc.cluster.local",
    "db-0.db.shop.svc.cluster.local:5432 10-244-0-131.db.shop.svc.cluster.local:5432",
  ],
  ["_http._udp.web.shop.svc.cluster.local", "unknown"],
  ["away.shop.svc.cluster.local", "alias example.com"],
  ["web.other.svc.cluster.local", "unknown"],
  ["a.b.web.shop.svc.cluster.local", "unknown"],
  ["shop.svc.cluster.local", ""],
  ["nobody.svc.cluster.local", "unknown"],
  ["svc.cluster.local", ""],
  ["cluster.local", ""],
  ["x.cluster.local", "unknown"],
  ["10-244-0-9.shop.pod.cluster.local", "10.244.0.9"],
  ["web.shop.pod.cluster.local", "unknown"],
  ["web", "unknown"],
  ["", "unknown"],
  ["example.com", "outside"],
  ["example.com.shop.svc.cluster.local", "unknown"],
  ["7.0.96.10.in-addr.arpa", "web.shop.svc.cluster.local"],
  ["1.2.0.192.in-addr.arpa", "outside"],
  ["x.in-addr.arpa", "outside"],
])("findClusterName() of %p", (name, want) => {
  const answer = findClusterName(name, "cluster.local", index);
  const shown = answer.kind === "records" ? answer.records.map(show).join(" ") : answer.kind;
  expect(answer.kind === "alias" ? `alias ${answer.target}` : shown).toBe(want);
});

function show(record: AnswerRecord): string {
  if (record.kind === "address") return record.address;
  return record.kind === "service" ? `${record.target}:${record.port}` : record.target;
}
