/** The whole mesh as one immutable value, and changed copies of it that share what did not change; decisions over it are elsewhere. */
import { type Cidr, cidrContains, type IpAddress } from "#core/address/ip.ts";
import { changeMap, emptyMap, type MapChange, type PersistentMap } from "#core/collections/persistent-map.ts";
import type { Policy } from "#core/policy/policy.ts";
import { noPolicies, type PolicySet, withPolicies } from "#core/policy/policy-set.ts";
import type { Service } from "./service.ts";
import type { Template } from "./template.ts";
import type { Workload } from "./workload.ts";

/** A service's range of addresses. */
export interface RangeEntry {
  readonly network: string;
  readonly cidr: Cidr;
  readonly service: Service;
}

/** Everything that is known of the mesh at one moment. */
export interface Snapshot {
  /** By uid. */
  readonly workloads: PersistentMap<Workload>;
  /** By {@link addressKey}; workloads on their node's network are not here. */
  readonly workloadsByAddress: PersistentMap<Workload>;
  /** By `<namespace>/<hostname>`. */
  readonly services: PersistentMap<Service>;
  /** By {@link addressKey}; several namespaces may claim one address. */
  readonly servicesByAddress: PersistentMap<readonly Service[]>;
  readonly servicesByHostname: PersistentMap<readonly Service[]>;
  /** The longest prefix first. */
  readonly ranges: readonly RangeEntry[];
  /** By the service's key. */
  readonly endpoints: PersistentMap<readonly Workload[]>;
  readonly policies: PolicySet;
  /** By `<namespace>/<revision>`. */
  readonly templates: PersistentMap<Template>;
}

/** What a new snapshot differs in. */
export interface SnapshotChanges {
  readonly workloads?: readonly Workload[];
  readonly services?: readonly Service[];
  /** Uids of workloads and keys of services. */
  readonly removedAddresses?: readonly string[];
  readonly policies?: readonly Policy[];
  readonly removedPolicies?: readonly string[];
  readonly templates?: readonly Template[];
  readonly removedTemplates?: readonly string[];
}

/** A mesh of which nothing is known. */
export const emptySnapshot: Snapshot = {
  workloads: emptyMap(),
  workloadsByAddress: emptyMap(),
  services: emptyMap(),
  servicesByAddress: emptyMap(),
  servicesByHostname: emptyMap(),
  ranges: [],
  endpoints: emptyMap(),
  policies: noPolicies,
  templates: emptyMap(),
};

/** The key of an address in a network. */
export function addressKey(network: string, ip: IpAddress): string {
  return `${network}/${ip}`;
}

/** A copy with changes; its cost is that of what changes, and of the endpoints of services that it touches. */
export function withChanges(snapshot: Snapshot, changes: SnapshotChanges): Snapshot {
  const addresses = withAddresses(snapshot, changes);
  const templates = changeMap(snapshot.templates);
  for (const key of changes.removedTemplates ?? []) templates.delete(key);
  for (const template of changes.templates ?? []) templates.set(template.key, template);
  const policies =
    changes.policies === undefined && changes.removedPolicies === undefined
      ? snapshot.policies
      : withPolicies(snapshot.policies, changes.policies ?? [], changes.removedPolicies ?? []);
  return { ...addresses, policies, templates: templates.done() };
}

type Addresses = Omit<Snapshot, "policies" | "templates">;

interface AddressChanges {
  readonly workloads: MapChange<Workload>;
  readonly workloadsByAddress: MapChange<Workload>;
  readonly services: MapChange<Service>;
  readonly servicesByAddress: MapChange<readonly Service[]>;
  readonly servicesByHostname: MapChange<readonly Service[]>;
  ranges: readonly RangeEntry[];
  /** Endpoints by uid, of the services touched. */
  readonly touched: Map<string, Map<string, Workload>>;
  readonly endpoints: MapChange<readonly Workload[]>;
}

function withAddresses(snapshot: Snapshot, changes: SnapshotChanges): Addresses {
  const next: AddressChanges = {
    workloads: changeMap(snapshot.workloads),
    workloadsByAddress: changeMap(snapshot.workloadsByAddress),
    services: changeMap(snapshot.services),
    servicesByAddress: changeMap(snapshot.servicesByAddress),
    servicesByHostname: changeMap(snapshot.servicesByHostname),
    ranges: snapshot.ranges,
    touched: new Map(),
    endpoints: changeMap(snapshot.endpoints),
  };
  for (const name of changes.removedAddresses ?? []) {
    removeWorkload(next, name);
    removeService(next, name);
  }
  for (const workload of changes.workloads ?? []) addWorkload(next, workload);
  for (const service of changes.services ?? []) addService(next, service);
  for (const [service, byUid] of next.touched) {
    if (byUid.size === 0) next.endpoints.delete(service);
    else next.endpoints.set(service, [...byUid.values()]);
  }
  return {
    workloads: next.workloads.done(),
    workloadsByAddress: next.workloadsByAddress.done(),
    services: next.services.done(),
    servicesByAddress: next.servicesByAddress.done(),
    servicesByHostname: next.servicesByHostname.done(),
    ranges: next.ranges,
    endpoints: next.endpoints.done(),
  };
}

function removeWorkload(next: AddressChanges, uid: string): void {
  const known = next.workloads.get(uid);
  if (known === undefined) return;
  next.workloads.delete(uid);
  for (const ip of known.addresses) {
    const key = addressKey(known.network, ip);
    // The address may have passed to another workload already.
    if (next.workloadsByAddress.get(key) === known) next.workloadsByAddress.delete(key);
  }
  for (const service of known.services.keys()) endpointsOf(next, service).delete(uid);
}

function addWorkload(next: AddressChanges, workload: Workload): void {
  removeWorkload(next, workload.uid);
  next.workloads.set(workload.uid, workload);
  if (!workload.isHostNetwork) {
    for (const ip of workload.addresses)
      next.workloadsByAddress.set(addressKey(workload.network, ip), workload);
  }
  for (const service of workload.services.keys()) endpointsOf(next, service).set(workload.uid, workload);
}

function endpointsOf(next: AddressChanges, service: string): Map<string, Workload> {
  const known = next.touched.get(service);
  if (known !== undefined) return known;
  const byUid = new Map((next.endpoints.get(service) ?? []).map((workload) => [workload.uid, workload]));
  next.touched.set(service, byUid);
  return byUid;
}

function removeService(next: AddressChanges, key: string): void {
  const known = next.services.get(key);
  if (known === undefined) return;
  next.services.delete(key);
  for (const { network, ip } of known.addresses)
    without(next.servicesByAddress, addressKey(network, ip), known);
  without(next.servicesByHostname, known.hostname, known);
  if (known.ranges.length > 0) next.ranges = next.ranges.filter((entry) => entry.service !== known);
}

function addService(next: AddressChanges, service: Service): void {
  removeService(next, service.key);
  next.services.set(service.key, service);
  for (const { network, ip } of service.addresses) {
    withOne(next.servicesByAddress, addressKey(network, ip), service);
  }
  withOne(next.servicesByHostname, service.hostname, service);
  if (service.ranges.length === 0) return;
  const entries = service.ranges.map(({ network, cidr }) => ({ network, cidr, service }));
  next.ranges = [...next.ranges, ...entries].sort((a, b) => b.cidr.prefixBits - a.cidr.prefixBits);
}

function withOne(map: MapChange<readonly Service[]>, key: string, service: Service): void {
  map.set(key, [...(map.get(key) ?? []), service]);
}

function without(map: MapChange<readonly Service[]>, key: string, service: Service): void {
  const left = (map.get(key) ?? []).filter((other) => other !== service);
  if (left.length === 0) map.delete(key);
  else map.set(key, left);
}

/** The service behind an address as a client of a namespace sees it: exact, else by the longest range. */
export function findServiceByAddress(
  snapshot: Snapshot,
  address: { readonly network: string; readonly ip: IpAddress },
  namespace: string,
): Service | undefined {
  const exact = snapshot.servicesByAddress.get(addressKey(address.network, address.ip));
  const preferred = exact && preferService(exact, namespace);
  if (preferred !== undefined) return preferred;
  const entry = snapshot.ranges.find(
    ({ network, cidr, service }) =>
      network === address.network && cidrContains(cidr, address.ip) && isVisible(service, namespace),
  );
  return entry?.service;
}

/** The service of a hostname as a client of a namespace sees it. */
export function findServiceByHostname(
  snapshot: Snapshot,
  hostname: string,
  namespace: string,
): Service | undefined {
  return preferService(snapshot.servicesByHostname.get(hostname) ?? [], namespace);
}

/** Of services that share a name or an address: the client's namespace, then the canonical one, then the first. */
function preferService(services: readonly Service[], namespace: string): Service | undefined {
  const visible = services.filter((service) => isVisible(service, namespace));
  return (
    visible.find((service) => service.namespace === namespace) ??
    visible.find((service) => service.isCanonical) ??
    visible[0]
  );
}

function isVisible(service: Service, namespace: string): boolean {
  return !service.isPrivate || service.namespace === namespace;
}
