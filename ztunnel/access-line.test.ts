import { expect, test } from "bun:test";
import type { IpAddress } from "#core/address/ip.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import { type AccessRecord, formatAccessJson, formatAccessText } from "./access-line.ts";
import { noService, unknownParty } from "./party.ts";

const record: AccessRecord = {
  direction: "inbound",
  source: {
    ...unknownParty,
    workload: "web",
    namespace: "shop",
    identity: "spiffe://cluster.local/ns/shop/sa/web" as SpiffeId,
  },
  sourceAddress: { ip: "10.244.0.2" as IpAddress, port: 40000 },
  destination: { ...unknownParty, workload: "price", cluster: "Kubernetes" },
  destinationAddress: { ip: "fd00::3" as IpAddress, port: 8080 },
  tunnelTarget: "[fd00::3]:8080",
  service: { ...noService, hostname: "price.shop" },
  bytesSent: 7,
  bytesReceived: 9,
  durationMs: 12.6,
  error: undefined,
  isDenial: false,
};
const atMs = Date.UTC(2026, 10, 24, 12, 0, 0, 5) + 0.25;

test("formatAccessText() writes Istio's line", () => {
  expect(formatAccessText(record, atMs)).toBe(
    "2026-11-24T12:00:00.005250Z\tinfo\taccess\tconnection complete\t" +
      'src.addr=10.244.0.2:40000 src.workload="web" src.namespace="shop" src.identity="spiffe://cluster.local/ns/shop/sa/web" ' +
      'dst.addr=[fd00::3]:8080 dst.hbone_addr=[fd00::3]:8080 dst.service="price.shop" dst.workload="price" ' +
      'direction="inbound" bytes_sent=7 bytes_recv=9 duration="13ms"\n',
  );
});

test.each<[Partial<AccessRecord>, string, string]>([
  [
    { error: 'a "quoted"\nreason' },
    "\terror\taccess\tconnection complete\t",
    ' error="a \\"quoted\\"\\nreason"\n',
  ],
  [{ error: "denied", isDenial: true }, "\twarn\taccess\tconnection failed\t", ' error="denied"\n'],
  [{ tunnelTarget: undefined }, "\tinfo\taccess\tconnection complete\t", 'duration="13ms"\n'],
])("formatAccessText() of %j tells how it ended", (change, level, end) => {
  const line = formatAccessText({ ...record, ...change }, atMs);
  expect(line).toContain(level);
  expect(line).toEndWith(end);
  expect(line.split("\n")).toHaveLength(2);
});

test("formatAccessJson() has the same fields", () => {
  expect(JSON.parse(formatAccessJson({ ...record, error: "gone" }, atMs))).toEqual({
    level: "error",
    time: "2026-11-24T12:00:00.005250Z",
    scope: "access",
    message: "connection complete",
    "src.addr": "10.244.0.2:40000",
    "src.workload": "web",
    "src.namespace": "shop",
    "src.identity": "spiffe://cluster.local/ns/shop/sa/web",
    "dst.addr": "[fd00::3]:8080",
    "dst.hbone_addr": "[fd00::3]:8080",
    "dst.service": "price.shop",
    "dst.workload": "price",
    direction: "inbound",
    bytes_sent: 7,
    bytes_recv: 9,
    duration: "13ms",
    error: "gone",
  });
});
