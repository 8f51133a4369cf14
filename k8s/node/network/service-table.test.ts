import { expect, test } from "bun:test";
import type { EndpointSliceObject, ServiceObject } from "../../model/core-objects.ts";
import { decideServiceTable } from "./service-table.ts";

const meta = (name: string, labels?: Record<string, string>) => ({
  name,
  namespace: "shop",
  uid: name,
  resourceVersion: "1",
  creationTimestamp: "",
  ...(labels === undefined ? {} : { labels }),
});

function service(name: string, spec: ServiceObject["spec"]): ServiceObject {
  return { apiVersion: "v1", kind: "Service", metadata: meta(name), spec };
}

function slice(name: string, of: string, more: Partial<EndpointSliceObject>): EndpointSliceObject {
  const metadata = meta(name, { "kubernetes.io/service-name": of });
  const base = { apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", addressType: "IPv4" } as const;
  return { ...base, metadata, endpoints: [], ...more };
}

function show(table: ReturnType<typeof decideServiceTable>): Record<string, string> {
  return Object.fromEntries(
    [...table].map(([key, { endpoints }]) => [
      key,
      endpoints.map((one) => `${one.address}:${one.port}`).join(" "),
    ]),
  );
}

test("each port leads to the ready endpoints of its name", () => {
  const web = service("web", {
    clusterIP: "10.96.0.7",
    ports: [
      { name: "http", port: 80 },
      { name: "dns", port: 53, protocol: "UDP" },
      { name: "x", port: 9, protocol: "SCTP" },
    ],
  });
  const slices = [
    slice("web-1", "web", {
      ports: [
        { name: "http", port: 8080 },
        { name: "dns", port: 5353, protocol: "UDP" },
      ],
      endpoints: [
        { addresses: ["10.244.0.130"], conditions: { ready: true } },
        { addresses: ["10.244.0.131"], conditions: { ready: false } },
        { addresses: ["10.244.0.132"] },
      ],
    }),
    slice("web-2", "web", {
      ports: [{ name: "http", port: 9090 }],
      endpoints: [{ addresses: ["10.244.0.133"] }],
    }),
    slice("web-3", "web", {
      addressType: "IPv6",
      ports: [{ name: "http", port: 1 }],
      endpoints: [{ addresses: ["fd00::1"] }],
    }),
    slice("other", "cart", {
      ports: [{ name: "http", port: 1 }],
      endpoints: [{ addresses: ["10.244.0.140"] }],
    }),
  ];
  expect(show(decideServiceTable([web], slices))).toEqual({
    "10.96.0.7:80/TCP": "10.244.0.130:8080 10.244.0.132:8080 10.244.0.133:9090",
    "10.96.0.7:53/UDP": "10.244.0.130:5353 10.244.0.132:5353",
  });
});

test("a Service without endpoints is there, one without an address is not", () => {
  const services = [
    service("lonely", { clusterIP: "10.96.0.8", ports: [{ port: 80 }] }),
    service("headless", { clusterIP: "None", ports: [{ port: 80 }] }),
    service("outside", { type: "ExternalName", externalName: "example.com" }),
  ];
  expect(show(decideServiceTable(services, []))).toEqual({ "10.96.0.8:80/TCP": "" });
});

test("readiness does not count where the Service says so", () => {
  const early = service("early", {
    clusterIP: "10.96.0.9",
    ports: [{ port: 80 }],
    publishNotReadyAddresses: true,
  });
  const slices = [
    slice("e", "early", {
      ports: [{ port: 80 }],
      endpoints: [{ addresses: ["10.244.0.130"], conditions: { ready: false } }],
    }),
  ];
  expect(show(decideServiceTable([early], slices))).toEqual({ "10.96.0.9:80/TCP": "10.244.0.130:80" });
});
