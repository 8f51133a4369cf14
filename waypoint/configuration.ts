/** What a waypoint holds of the mesh: its own configuration and the policies, swapped whole at each change. */
import type { Authorization } from "#core/proto/istio/authorization_pb.js";
import type { Waypoint } from "#core/proto/lambient/discovery_pb.js";
import { readPolicy, type Policy } from "#core/policy/policy.ts";
import {
  applicableKeys,
  type ApplicablePolicies,
  noPolicies,
  type PolicySet,
  resolvePolicies,
  withPolicies,
} from "#core/policy/policy-set.ts";
import {
  makeServiceTable,
  noServices,
  type ServiceEntry,
  type ServiceTable,
} from "#core/routing/service-table.ts";

/** One state; never changes. */
export interface Snapshot {
  /** Undefined until it came, and after it was removed. */
  readonly waypoint: Waypoint | undefined;
  readonly table: ServiceTable;
  readonly policies: PolicySet;
  /** What applies to each service, looked up once. */
  readonly applicable: Map<ServiceEntry, ApplicablePolicies>;
}

/** A state that knows nothing: every request is refused. */
export const emptySnapshot: Snapshot = {
  waypoint: undefined,
  table: noServices,
  policies: noPolicies,
  applicable: new Map(),
};

/** A copy with another configuration. */
export function withWaypoint(snapshot: Snapshot, waypoint: Waypoint | undefined): Snapshot {
  const table = waypoint === undefined ? noServices : makeServiceTable(waypoint);
  return { ...snapshot, waypoint, table, applicable: new Map() };
}

/** A copy with other policies; unreadable ones were refused before and are not among them. */
export function withAuthorizations(
  snapshot: Snapshot,
  changed: readonly Authorization[],
  removed: readonly string[],
): Snapshot {
  const read: Policy[] = [];
  for (const message of changed) {
    const policy = readPolicy(message);
    if (policy.ok) read.push(policy.value);
  }
  return { ...snapshot, policies: withPolicies(snapshot.policies, read, removed), applicable: new Map() };
}

/** The policies that apply to a service: those it names, its namespace's and the global ones. */
export function policiesOf(snapshot: Snapshot, service: ServiceEntry): ApplicablePolicies {
  const known = snapshot.applicable.get(service);
  if (known !== undefined) return known;
  const keys = applicableKeys(snapshot.policies, service.namespace, service.policyKeys);
  const found = resolvePolicies(snapshot.policies, keys);
  snapshot.applicable.set(service, found);
  return found;
}
