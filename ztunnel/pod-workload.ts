/** A Pod that this ztunnel serves: its identity is what the node said, its policies what discovery says once that is newer; how it is served is elsewhere. */
import { formatSpiffeId, type SpiffeId } from "#core/identity/spiffe-id.ts";
import { addressKey, type Snapshot } from "#core/mesh/snapshot.ts";
import { waypointsOf } from "#core/mesh/waypoints-of.ts";
import type { Workload } from "#core/mesh/workload.ts";
import { applicableKeys, resolvePolicies } from "#core/policy/policy-set.ts";
import {
  type Admission,
  atMostOnce,
  type LocalFacts,
  type LocalPlace,
  type LocalWorkload,
  nowhere,
  waiting,
} from "./local-workload.ts";
import { type Party, partyOfWorkload, unknownParty } from "./party.ts";

/** Who a Pod is, as the node says. */
export interface PodNames {
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** A Pod's workload. */
export interface PodWorkload extends LocalWorkload {
  readonly identity: SpiffeId;
  /** What the node says of its policies, in place of what it said before. */
  tellPolicies(keys: readonly string[], snapshot: Snapshot): void;
}

/** Makes one. @param place its uid is the node's name of it, not that of discovery */
export function makePodWorkload(place: LocalPlace, names: PodNames, trustDomain: string): PodWorkload {
  const identity = formatSpiffeId({ trustDomain, ...names });
  const pod: Pod = { place, names, identity, unknownSelf: partyOfNames(place, names, identity) };
  let told: Told = { keys: [], recordThen: undefined, recordKeys: [] };
  const factsAt = atMostOnce((snapshot) => podFacts(pod, told, snapshot));
  const { uid, address, namespaceFd, reach } = place;
  return {
    uid,
    address,
    namespaceFd,
    reach,
    identity,
    tellPolicies(keys, snapshot) {
      told = { keys, recordThen: recordOf(pod, snapshot), recordKeys: told.recordKeys };
      factsAt.forget();
    },
    factsAt: factsAt.get,
  };
}

interface Pod {
  readonly place: LocalPlace;
  readonly names: PodNames;
  readonly identity: SpiffeId;
  /** What it is called while discovery does not speak of it. */
  readonly unknownSelf: Party;
}

interface Told {
  /** Keys that hold because the node said so; fewer as discovery comes to say so itself. */
  keys: readonly string[];
  /** What discovery said at that time. */
  readonly recordThen: Workload | undefined;
  /** What discovery said last: a record that is gone while the Pod is served opens nothing. */
  recordKeys: readonly string[];
}

function podFacts(pod: Pod, told: Told, snapshot: Snapshot): LocalFacts {
  const { place, identity, names } = pod;
  const record = recordOf(pod, snapshot);
  const { node, clusterId, network } = place;
  const source = { namespace: names.namespace, identity };
  return {
    source: { ...source, place: record ?? { locality: nowhere, node, clusterId, network } },
    party: record === undefined ? pod.unknownSelf : partyOfWorkload(record),
    admission: podAdmission(pod, { told, record }, snapshot),
    egress: undefined,
  };
}

function podAdmission(
  { place, names }: Pod,
  { told, record }: { readonly told: Told; readonly record: Workload | undefined },
  snapshot: Snapshot,
): Admission {
  handOver(told, record, snapshot);
  const { uid, address } = place;
  const { namespace } = names;
  const named = [...told.recordKeys, ...told.keys];
  const policies = resolvePolicies(snapshot.policies, applicableKeys(snapshot.policies, namespace, named));
  if (policies.missing.length > 0) {
    return waiting(`policies are not known yet: ${policies.missing.slice(0, 8).join(", ")}`);
  }
  const trustedWaypoints = record === undefined ? new Set<SpiffeId>() : waypointsOf(snapshot, record);
  return {
    kind: "open",
    workload: {
      uid: record?.uid ?? uid,
      namespace,
      address,
      waypointIdentity: undefined,
      trustedWaypoints,
      policies,
    },
  };
}

/**
 * A record that is newer than the node's word, and made after the node had the Pod in the mesh, says all there is;
 * before that a key leaves the node's word once discovery stands for it, so that the deletion of a policy shuts nobody out.
 */
function handOver(told: Told, record: Workload | undefined, { policies }: Snapshot): void {
  // Without a record a policy that is gone was deleted: nothing would ever take its key back.
  told.recordKeys = record?.policies ?? told.recordKeys.filter((key) => policies.byKey.has(key));
  if (record?.protocol === "hbone" && record !== told.recordThen) told.keys = [];
  told.keys = told.keys.filter((key) => {
    const policy = policies.byKey.get(key);
    if (policy === undefined) return true;
    return policy.scope === "workload" && record?.policies.includes(key) !== true;
  });
}

/** What discovery says of the Pod; of one that had the address before it, nothing counts. */
function recordOf({ place, identity, names }: Pod, snapshot: Snapshot): Workload | undefined {
  const record = snapshot.workloadsByAddress.get(addressKey(place.network, place.address));
  return record?.identity === identity && record.name === names.name ? record : undefined;
}

function partyOfNames({ clusterId }: LocalPlace, names: PodNames, identity: SpiffeId): Party {
  const { name, namespace } = names;
  return { ...unknownParty, workload: name, namespace, identity, canonicalName: name, cluster: clusterId };
}
