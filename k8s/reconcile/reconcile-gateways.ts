/** Gateways of our class → an address each from the waypoints' range, their status; and the end of those nobody needs. */
import {
  type Cidr,
  cidrContains,
  formatIp,
  ipBytes,
  type IpAddress,
  parseCidr,
  parseIp,
} from "#core/address/ip.ts";
import { canonicalJson } from "#core/release/canonical-json.ts";
import { type GatewayObject, gatewayResource } from "#host/kube/known-resources.ts";
import { addressOf, type MeshIndex } from "../translate/mesh-index.ts";
import { tunnelPort, useWaypointLabel, waypointClass } from "../translate/mesh-objects.ts";
import type { Action } from "./action.ts";
import { condition, mergeConditions } from "./conditions.ts";
import { managedLabel } from "./reconcile-functions.ts";

/** Decides for every Gateway of our class. @param now RFC 3339 */
export function reconcileGateways(index: MeshIndex, now: string): readonly Action[] {
  const ours = index.objects.gateways
    .filter(
      ({ metadata, spec }) =>
        spec.gatewayClassName === waypointClass && metadata.deletionTimestamp === undefined,
    )
    .sort((a, b) => (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? -1 : 1));
  const addresses = assignAddresses(ours, index);
  return ours.flatMap((gateway) =>
    isUnneeded(index, gateway) ? [deletion(gateway)] : decideStatus(gateway, addresses.get(gateway), now),
  );
}

/** Keeps what was assigned, first come first served, and gives what is wished for or the lowest free ones to the rest. */
function assignAddresses(
  gateways: readonly GatewayObject[],
  index: MeshIndex,
): Map<GatewayObject, IpAddress> {
  const range = parseCidr(index.settings.waypointRange);
  const assigned = new Map<GatewayObject, IpAddress>();
  const taken = new Set<string>([index.settings.edgeAddress]);
  const assign = (gateway: GatewayObject, address: IpAddress | undefined): void => {
    if (address === undefined || assigned.has(gateway) || taken.has(address)) return;
    taken.add(address);
    assigned.set(gateway, address);
  };
  for (const gateway of gateways) assign(gateway, addressOf(gateway));
  for (const gateway of gateways) {
    const wanted = parseIp(gateway.spec.addresses?.[0]?.value ?? "");
    if (wanted.ok && range.ok && cidrContains(range.value, wanted.value)) assign(gateway, wanted.value);
    if (range.ok && !assigned.has(gateway)) assign(gateway, firstFree(range.value, taken));
  }
  return assigned;
}

/** The first and the last address of a range are left out, as everywhere. */
function firstFree(range: Cidr, taken: ReadonlySet<string>): IpAddress | undefined {
  const base = ipBytes(range.address);
  const count = 2 ** Math.min(16, base.length * 8 - range.prefixBits);
  for (let offset = 1; offset < count - 1; offset++) {
    const bytes = Uint8Array.from(base);
    let rest = offset;
    for (let i = bytes.length - 1; i >= 0 && rest > 0; i--) {
      rest += bytes[i] ?? 0;
      bytes[i] = rest & 0xff;
      rest >>= 8;
    }
    const address = formatIp(bytes);
    if (!taken.has(address)) return address;
  }
  return undefined;
}

function decideStatus(
  gateway: GatewayObject,
  address: IpAddress | undefined,
  now: string,
): readonly Action[] {
  const { namespace, name, generation } = gateway.metadata;
  const tunnels = gateway.spec.listeners.filter(({ protocol }) => protocol === "HBONE");
  const isAccepted = tunnels.length === 1 && tunnels[0]?.port === tunnelPort;
  const accepted = condition(
    "Accepted",
    isAccepted,
    isAccepted
      ? { reason: "Accepted", message: "the waypoint is started when it is first needed" }
      : {
          reason: "ListenersNotValid",
          message: `a waypoint has one listener of protocol HBONE on port ${tunnelPort}`,
        },
    generation,
  );
  const programmed = condition(
    "Programmed",
    isAccepted && address !== undefined,
    address === undefined
      ? {
          reason: "AddressNotAssigned",
          message: "no address of the waypoints' range is free; choose a wider --waypoint-range",
        }
      : { reason: "Programmed", message: `it is reached at ${address}:${tunnelPort}` },
    generation,
  );
  const status = {
    ...(address === undefined ? {} : { addresses: [{ type: "IPAddress", value: address }] }),
    conditions: mergeConditions(gateway.status?.conditions, [accepted, programmed], now),
    listeners: gateway.spec.listeners.map((listener) => ({
      name: listener.name,
      supportedKinds: [],
      attachedRoutes: 0,
      conditions: [],
    })),
  };
  if (gateway.status !== undefined && canonicalJson(gateway.status) === canonicalJson(status)) return [];
  return [{ kind: "status", type: gatewayResource, key: { namespace, name }, status }];
}

/** One that was made here and that no Function names any more and no Service stands behind. */
function isUnneeded({ objects }: MeshIndex, gateway: GatewayObject): boolean {
  const { namespace, name, labels } = gateway.metadata;
  if (labels?.[managedLabel] !== "true") return false;
  const isNamed = objects.functions.some(
    ({ metadata, spec }) => metadata.namespace === namespace && spec.group === name,
  );
  const isUsed = [...objects.services, ...objects.namespaces].some(
    ({ metadata }) =>
      (metadata.namespace ?? metadata.name) === namespace && metadata.labels?.[useWaypointLabel] === name,
  );
  return !isNamed && !isUsed;
}

function deletion({ metadata: { namespace, name, uid } }: GatewayObject): Action {
  return { kind: "delete", type: gatewayResource, key: { namespace, name }, uid };
}
