import { expect, test } from "bun:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type IpAddress, ipBytes } from "#core/address/ip.ts";
import { type GatewayAddressSchema, ServiceSchema, WorkloadSchema } from "#core/proto/istio/workload_pb.js";
import { readService } from "./service.ts";
import { emptySnapshot, withChanges } from "./snapshot.ts";
import { waypointsOf } from "./waypoints-of.ts";
import { readWorkload, type Workload } from "./workload.ts";

const address = { network: "", address: ipBytes("10.245.0.2" as IpAddress) };
const byAddress = { destination: { case: "address", value: address } } as const;
const byName = {
  destination: { case: "hostname", value: { namespace: "shop", hostname: "w.shop" } },
} as const;
const toNobody = {
  destination: { case: "hostname", value: { namespace: "shop", hostname: "x.shop" } },
} as const;

function workload(fields: MessageInitShape<typeof WorkloadSchema>): Workload {
  const read = readWorkload(create(WorkloadSchema, fields));
  if (!read.ok) throw new Error(read.error);
  return read.value;
}

type Ref = MessageInitShape<typeof GatewayAddressSchema> | undefined;

/** The service accounts of the waypoints of a workload with one service. */
function accountsOf(own: Ref, ofService: Ref): string[] {
  const services = [
    create(ServiceSchema, {
      namespace: "shop",
      hostname: "web.shop",
      ...(ofService === undefined ? {} : { waypoint: ofService }),
    }),
    create(ServiceSchema, { namespace: "shop", hostname: "w.shop" }),
  ].flatMap((message) => {
    const read = readService(message);
    return read.ok ? [read.value] : [];
  });
  const behind = { "shop/w.shop": { ports: [] } };
  const waypoint = workload({
    uid: "w",
    namespace: "shop",
    serviceAccount: "gate",
    addresses: [address.address],
    services: behind,
  });
  const web = workload({
    uid: "web",
    namespace: "shop",
    services: { "shop/web.shop": { ports: [] }, "shop/unknown": { ports: [] } },
    ...(own === undefined ? {} : { waypoint: own }),
  });
  const snapshot = withChanges(emptySnapshot, { services, workloads: [waypoint, web] });
  return [...waypointsOf(snapshot, web)].map((identity) => identity.split("/").at(-1) ?? "");
}

test.each<[string, Ref, Ref, readonly string[]]>([
  ["none", undefined, undefined, []],
  ["its service's, by address", undefined, byAddress, ["gate"]],
  ["its service's, by name", undefined, byName, ["gate"]],
  ["its own", byAddress, undefined, ["gate"]],
  ["the same twice", byName, byAddress, ["gate"]],
  ["one that is not there", toNobody, undefined, []],
])("waypointsOf() with %s", (_name, own, ofService, want) => {
  expect(accountsOf(own, ofService)).toEqual([...want]);
});
