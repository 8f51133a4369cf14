/** What a control plane tells the waypoint and the edge of these tests: one service, `price` in `shop`, with the routes that a test gives it. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type IpAddress, ipBytes } from "#core/address/ip.ts";
import { parseSocketAddress } from "#core/address/socket-address.ts";
import { type RouteSchema, type Waypoint, WaypointSchema } from "#core/proto/lambient/discovery_pb.js";
import { spiffeId } from "../support/test-ca.ts";

/** The service's address and port. */
export const priceVip = "10.96.0.9:80";

/** Routes of the one service, `price` in `shop`. */
export type Routes = MessageInitShape<typeof RouteSchema>[];

/** A backend of a route. */
export function revision(
  name: string,
  weight = 1,
  fields: Record<string, unknown> = {},
): NonNullable<Routes[number]["backends"]>[number] {
  return {
    weight,
    target: {
      case: "revision",
      value: {
        uid: `shop/${name}`,
        function: "price",
        identity: spiffeId("ns/shop/sa/price"),
        concurrency: 50,
        maxInstances: 10,
        idleMs: 30_000n,
        activationTimeoutMs: 5000n,
        ...fields,
      },
    },
  };
}

/** What may differ from one test's waypoint to another's. */
export interface WaypointOptions {
  readonly idleMs?: number;
  readonly policyKeys?: string[];
  /** Default `http`. */
  readonly appProtocol?: string;
  /** Whether the service is no function's. */
  readonly direct?: boolean;
}

/** The waypoint of `shop`. */
export function priceWaypoint(routes: Routes, options: WaypointOptions): Waypoint {
  const { ip, port } = parsed(priceVip);
  return create(WaypointSchema, {
    namespace: "shop",
    name: "waypoint",
    serviceAccount: "waypoint",
    trustDomain: "cluster.local",
    idleMs: BigInt(options.idleMs ?? 0),
    services: [
      {
        namespace: "shop",
        name: "price",
        hostname: "price.shop.svc.cluster.local",
        addresses: [ipBytes(ip)],
        ports: [{ port, targetPort: 8080, appProtocol: options.appProtocol ?? "http", name: "http" }],
        routes,
        authorizationPolicies: options.policyKeys ?? [],
        direct: options.direct ?? false,
      },
    ],
  });
}

/** The edge, for which the service stands behind a waypoint at this address. */
export function edgeBefore(waypoint: IpAddress): Waypoint {
  const { ip, port } = parsed(priceVip);
  const backend = {
    namespace: "shop",
    hostname: "price.shop.svc.cluster.local",
    address: ipBytes(ip),
    port,
    waypointAddress: ipBytes(waypoint),
    waypointIdentity: spiffeId("ns/shop/sa/waypoint"),
  };
  return create(WaypointSchema, {
    namespace: "lambient-system",
    name: "edge",
    edge: true,
    services: [
      {
        namespace: "shop",
        name: "price",
        hostname: backend.hostname,
        addresses: [ipBytes(ip)],
        ports: [{ port, targetPort: 8080, appProtocol: "http", name: "http" }],
        routes: [{ name: "default", backends: [{ weight: 1, target: { case: "service", value: backend } }] }],
      },
    ],
  });
}

function parsed(text: string): { readonly ip: IpAddress; readonly port: number } {
  const address = parseSocketAddress(text);
  if (!address.ok) throw new Error(address.error);
  return address.value;
}
