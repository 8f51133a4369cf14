import { create } from "@bufbuild/protobuf";
import { expect, test } from "bun:test";
import { WaypointSchema } from "#core/proto/lambient/discovery_pb.js";
import { findByHost, makeServiceTable } from "./service-table.ts";

const table = makeServiceTable(
  create(WaypointSchema, {
    services: [
      {
        namespace: "shop",
        name: "web",
        hostname: "web.shop.svc.cluster.local",
        addresses: [Uint8Array.of(10, 96, 0, 5)],
        ports: [
          { port: 9090, targetPort: 9090, appProtocol: "HTTP", name: "metrics" },
          { port: 80, targetPort: 8080, appProtocol: "http", name: "http" },
        ],
        authorizationPolicies: ["shop/deny"],
      },
    ],
  }),
);

test.each([
  ["10.96.0.5:80", 80],
  ["10.96.0.5:9090", 9090],
  ["10.96.0.5:81", undefined],
  ["10.96.0.6:80", undefined],
])("byAuthority %s", (authority, port) => {
  expect(table.byAuthority.get(authority)?.port).toBe(port);
});

test.each([
  ["web.shop", "web.shop.svc.cluster.local"],
  ["WEB.Shop", "web.shop.svc.cluster.local"],
  ["web.shop:8080", "web.shop.svc.cluster.local"],
  ["web.shop.localhost:8080", "web.shop.svc.cluster.local"],
  ["web.shop.svc.cluster.local", "web.shop.svc.cluster.local"],
  ["web", undefined],
  ["web.other", undefined],
  ["127.0.0.1:8080", undefined],
  ["[::1]:80", undefined],
  ["", undefined],
])("findByHost(%s)", (host, hostname) => {
  expect(findByHost(table, host)?.hostname).toBe(hostname);
});

test("plain HTTP means port 80", () => {
  expect(findByHost(table, "web.shop")).toMatchObject({
    port: 80,
    targetPort: 8080,
    policyKeys: ["shop/deny"],
  });
});
