/** A workload that this ztunnel serves: who it is, who may reach it, where it may go; a slot with an identity, or a workload that the mesh knows by its address. */
import type { IpAddress } from "#core/address/ip.ts";
import { formatSpiffeId, identityOf, type SpiffeId } from "#core/identity/spiffe-id.ts";
import type { InboundWorkload } from "#core/mesh/decide-inbound.ts";
import type { OutboundSource } from "#core/mesh/decide-outbound.ts";
import type { EgressRules } from "#core/mesh/egress-rules.ts";
import { addressKey, type Snapshot } from "#core/mesh/snapshot.ts";
import type { Workload } from "#core/mesh/workload.ts";
import { applicableKeys, resolvePolicies } from "#core/policy/policy-set.ts";
import type { Assign } from "#core/proto/istio/zds_pb.js";
import type { Party } from "./party.ts";
import { partyOfWorkload, unknownParty } from "./party.ts";
import type { Reach } from "./reach.ts";

/** Whether inbound connections are served now. */
export type Admission =
  | { readonly kind: "open"; readonly workload: InboundWorkload }
  | { readonly kind: "waiting"; readonly text: string };

/** What is known of a local workload at one snapshot. */
export interface LocalFacts {
  readonly source: OutboundSource;
  readonly party: Party;
  readonly admission: Admission;
  /** Where it may go outside the mesh; undefined for ordinary workloads, which are not held back. */
  readonly egress: EgressRules | undefined;
}

/** A workload of this node. */
export interface LocalWorkload {
  readonly uid: string;
  readonly address: IpAddress;
  /** Its network namespace. */
  readonly namespaceFd: number;
  readonly reach: Reach;
  /** Undefined as long as it has no identity. */
  factsAt(snapshot: Snapshot): LocalFacts | undefined;
}

/** A prepared slot, which gets its identity once. */
export interface SlotWorkload extends LocalWorkload {
  assign(message: Assign): void;
  readonly identity: SpiffeId | undefined;
}

/** Where a local workload is. */
export interface LocalPlace {
  readonly uid: string;
  readonly address: IpAddress;
  readonly namespaceFd: number;
  readonly network: string;
  readonly node: string;
  readonly clusterId: string;
  readonly reach: Reach;
}

/** A place of which nothing is known. */
export const nowhere: Workload["locality"] = { region: "", zone: "", subzone: "" };

/** A slot without an identity. */
export function makeSlotWorkload(place: LocalPlace, trustDomain: string): SlotWorkload {
  let assigned: Assigned | undefined;
  const factsAt = atMostOnce((snapshot) => assigned && slotFacts(place, assigned, snapshot));
  return {
    ...placeOf(place),
    get identity() {
      return assigned?.identity;
    },
    assign({ namespace, serviceAccount, revision, authorizationPolicies }) {
      assigned = {
        identity: formatSpiffeId({ trustDomain, namespace, serviceAccount }),
        revision,
        keysAwaited: authorizationPolicies,
      };
      factsAt.forget();
    },
    factsAt: factsAt.get,
  };
}

/** A workload that discovery or a file describes. */
export function makeKnownWorkload(place: LocalPlace): LocalWorkload {
  const factsAt = atMostOnce((snapshot) => knownFacts(place, snapshot));
  return { ...placeOf(place), factsAt: factsAt.get };
}

function placeOf({ uid, address, namespaceFd, reach }: LocalPlace): Omit<LocalWorkload, "factsAt"> {
  return { uid, address, namespaceFd, reach };
}

interface Assigned {
  readonly identity: SpiffeId;
  /** `<namespace>/<revision>`. */
  readonly revision: string;
  /** Policies that must be held before the first connection; emptied when they all were, since one may go again. */
  keysAwaited: readonly string[];
}

function slotFacts(place: LocalPlace, assigned: Assigned, snapshot: Snapshot): LocalFacts {
  const { identity } = assigned;
  const { namespace } = identityOf(identity);
  const template = snapshot.templates.get(assigned.revision);
  const { node, clusterId, network } = place;
  const name = assigned.revision.slice(assigned.revision.indexOf("/") + 1);
  return {
    source: { namespace, identity, place: { locality: nowhere, node, clusterId, network } },
    party: {
      ...unknownParty,
      workload: name,
      namespace,
      identity,
      canonicalName: template?.function ?? name,
      canonicalRevision: name,
      cluster: clusterId,
    },
    admission: slotAdmission(place, assigned, snapshot),
    // Until the template is here it is not known what the function may reach, so that it reaches nothing.
    egress: template?.egress ?? { kind: "list", rules: [] },
  };
}

function slotAdmission(place: LocalPlace, assigned: Assigned, snapshot: Snapshot): Admission {
  const template = snapshot.templates.get(assigned.revision);
  if (template === undefined) return waiting(`the template of ${assigned.revision} is not known yet`);
  const awaited = resolvePolicies(snapshot.policies, assigned.keysAwaited).missing;
  if (awaited.length > 0) return waiting(`policies are not known yet: ${awaited.slice(0, 8).join(", ")}`);
  assigned.keysAwaited = [];
  const policies = resolvePolicies(snapshot.policies, template.policies);
  if (policies.missing.length > 0) {
    return waiting(`policies are not known yet: ${policies.missing.slice(0, 8).join(", ")}`);
  }
  const { uid, address } = place;
  const { waypointIdentity, namespace } = template;
  return {
    kind: "open",
    workload: { uid, namespace, address, waypointIdentity, trustedWaypoints: nobody, policies },
  };
}

function knownFacts(place: LocalPlace, snapshot: Snapshot): LocalFacts | undefined {
  const workload = snapshot.workloadsByAddress.get(addressKey(place.network, place.address));
  if (workload === undefined) return undefined;
  const { namespace, identity, uid } = workload;
  const keys = applicableKeys(snapshot.policies, namespace, workload.policies);
  const policies = resolvePolicies(snapshot.policies, keys);
  const { address } = place;
  return {
    source: { namespace, identity, place: workload },
    party: partyOfWorkload(workload),
    admission:
      policies.missing.length > 0
        ? waiting(`policies are not known yet: ${policies.missing.slice(0, 8).join(", ")}`)
        : {
            kind: "open",
            workload: {
              uid,
              namespace,
              address,
              waypointIdentity: undefined,
              trustedWaypoints: nobody,
              policies,
            },
          },
    egress: undefined,
  };
}

const nobody: ReadonlySet<SpiffeId> = new Set();

/** Nothing is let in, for a reason that passes. */
export function waiting(text: string): Admission {
  return { kind: "waiting", text };
}

/** Remembers the result for the last snapshot asked about, since thousands of connections ask about the same one. */
export function atMostOnce<Value>(compute: (snapshot: Snapshot) => Value): {
  get: (snapshot: Snapshot) => Value;
  forget: () => void;
} {
  let last: { readonly snapshot: Snapshot; readonly value: Value } | undefined;
  return {
    get(snapshot) {
      if (last?.snapshot !== snapshot) last = { snapshot, value: compute(snapshot) };
      return last.value;
    },
    forget: () => (last = undefined),
  };
}
