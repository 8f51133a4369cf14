/** One side of a connection as logs, metrics and baggage name it; empty texts stand for what is not known. */
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import type { Service } from "#core/mesh/service.ts";
import type { Workload } from "#core/mesh/workload.ts";

/** A side of a connection. */
export interface Party {
  readonly workload: string;
  readonly workloadType: Workload["workloadType"];
  readonly namespace: string;
  readonly identity: SpiffeId | "";
  readonly canonicalName: string;
  readonly canonicalRevision: string;
  readonly cluster: string;
  readonly region: string;
  readonly zone: string;
}

/** A side of which nothing is known. */
export const unknownParty: Party = {
  workload: "",
  workloadType: "pod",
  namespace: "",
  identity: "",
  canonicalName: "",
  canonicalRevision: "",
  cluster: "",
  region: "",
  zone: "",
};

const known = new WeakMap<Workload, Party>();

/** A side that the mesh knows; the same object for the same workload, so that metrics find their series by it. */
export function partyOfWorkload(workload: Workload): Party {
  const before = known.get(workload);
  if (before !== undefined) return before;
  const party = describeWorkload(workload);
  known.set(workload, party);
  return party;
}

const unidentified = new WeakMap<Workload, Party>();

/** The same for a side that only its address speaks for: it has shown no identity. */
export function unidentifiedPartyOf(workload: Workload): Party {
  const before = unidentified.get(workload);
  if (before !== undefined) return before;
  const party: Party = { ...describeWorkload(workload), identity: "" };
  unidentified.set(workload, party);
  return party;
}

function describeWorkload(workload: Workload): Party {
  return {
    workload: workload.workloadName || workload.name,
    workloadType: workload.workloadType,
    namespace: workload.namespace,
    identity: workload.identity,
    canonicalName: workload.canonicalName,
    canonicalRevision: workload.canonicalRevision,
    cluster: workload.clusterId,
    region: workload.locality.region,
    zone: workload.locality.zone,
  };
}

/** The service that was asked for, as far as there was one. */
export interface ServiceNames {
  readonly hostname: string;
  readonly name: string;
  readonly namespace: string;
}

/** No service. */
export const noService: ServiceNames = { hostname: "", name: "", namespace: "" };

/** The names of a service, or of none. */
export function namesOfService(service: Service | undefined): ServiceNames {
  return service ?? noService;
}
