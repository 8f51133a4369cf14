/** Which waypoints speak for a workload's callers: its own, and those of the services it stands behind. */
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import type { GatewayRef } from "./gateway-ref.ts";
import { addressKey, findServiceByAddress, type Snapshot } from "./snapshot.ts";
import type { Workload } from "./workload.ts";

/** The identities of those waypoints, as far as they are known. */
export function waypointsOf(snapshot: Snapshot, workload: Workload): ReadonlySet<SpiffeId> {
  const refs = workload.waypoint === undefined ? [] : [workload.waypoint];
  for (const key of workload.services.keys()) {
    for (const { ref } of snapshot.services.get(key)?.waypoints ?? []) refs.push(ref);
  }
  return new Set(refs.flatMap((ref) => identitiesOf(snapshot, workload, ref)));
}

function identitiesOf(snapshot: Snapshot, { namespace }: Workload, ref: GatewayRef): readonly SpiffeId[] {
  const service =
    ref.kind === "hostname"
      ? snapshot.services.get(ref.service)
      : findServiceByAddress(snapshot, ref, namespace);
  if (service !== undefined)
    return (snapshot.endpoints.get(service.key) ?? []).map(({ identity }) => identity);
  if (ref.kind === "hostname") return [];
  const known = snapshot.workloadsByAddress.get(addressKey(ref.network, ref.ip));
  return known === undefined ? [] : [known.identity];
}
