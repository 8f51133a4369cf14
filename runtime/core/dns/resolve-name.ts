/** What a name means to a workload: a service of the mesh, nothing, or something that others must answer. */
import type { IpAddress } from "#core/address/ip.ts";
import { findServiceByHostname, type Snapshot } from "#core/mesh/snapshot.ts";
import type { Service } from "#core/mesh/service.ts";

/** Who asks. */
export interface NameClient {
  readonly namespace: string;
  readonly network: string;
  /** The mesh's domain, `cluster.local` as a rule. */
  readonly domain: string;
}

/** What a name leads to. */
export type NameMeaning =
  | { readonly kind: "service"; readonly service: Service; readonly addresses: readonly IpAddress[] }
  /** A name that only the mesh could know, and it does not: nobody else is asked. */
  | { readonly kind: "unknown" }
  | { readonly kind: "outside" };

/** Finds a name's meaning. With `ndots:1` a bare name comes as it is and is taken for one of the client's namespace. */
export function resolveName(snapshot: Snapshot, client: NameClient, name: string): NameMeaning {
  for (const hostname of candidatesOf(name, client)) {
    const service = findServiceByHostname(snapshot, hostname, client.namespace);
    const addresses = service === undefined ? [] : addressesOf(snapshot, service, client.network);
    if (service !== undefined && (addresses.length > 0 || isMeshOnly(hostname, client))) {
      return { kind: "service", service, addresses };
    }
    const endpoint = service === undefined ? endpointOf(snapshot, client, hostname) : undefined;
    if (endpoint !== undefined) return endpoint;
  }
  return isMeshOnly(name, client) ? { kind: "unknown" } : { kind: "outside" };
}

/** The full names that a name may stand for, in order; search domains that a resolver has appended are taken off again. */
export function candidatesOf(name: string, { namespace, domain }: NameClient): string[] {
  if (name === "") return [];
  const candidates: string[] = [];
  for (const base of new Set([name, ...withoutSearch(name, namespace, domain)])) {
    candidates.push(base);
    const labels = base.split(".");
    if (labels.length === 1) candidates.push(`${base}.${namespace}.svc.${domain}`);
    if (labels.length === 2) candidates.push(`${base}.svc.${domain}`);
    if (labels.length === 3 && labels[2] === "svc") candidates.push(`${base}.${domain}`);
    // Services may be named `*.example.com`.
    if (labels.length > 2) candidates.push(`*.${labels.slice(1).join(".")}`);
  }
  return candidates;
}

function withoutSearch(name: string, namespace: string, domain: string): string[] {
  return [`.${namespace}.svc.${domain}`, `.svc.${domain}`, `.${domain}`].flatMap((suffix) =>
    name.endsWith(suffix) && name.length > suffix.length ? [name.slice(0, -suffix.length)] : [],
  );
}

/** Names below the mesh's domain, and names of one label, mean nothing to the world's name servers. */
function isMeshOnly(name: string, { domain }: NameClient): boolean {
  return !name.includes(".") ? name !== "" : name === domain || name.endsWith(`.${domain}`);
}

/** An endpoint by its own name, `<workload>.<service's hostname>`, where the service has no address of its own. */
function endpointOf(
  snapshot: Snapshot,
  { namespace, network }: NameClient,
  hostname: string,
): NameMeaning | undefined {
  const at = hostname.indexOf(".");
  if (at < 1) return undefined;
  const service = findServiceByHostname(snapshot, hostname.slice(at + 1), namespace);
  if (service === undefined || service.addresses.length > 0) return undefined;
  const name = hostname.slice(0, at);
  const endpoint = (snapshot.endpoints.get(service.key) ?? []).find((workload) => workload.name === name);
  if (endpoint === undefined || endpoint.network !== network) return undefined;
  return { kind: "service", service, addresses: endpoint.addresses };
}

function addressesOf(snapshot: Snapshot, service: Service, network: string): readonly IpAddress[] {
  const own = service.addresses.filter((address) => address.network === network);
  if (service.addresses.length > 0) return own.map(({ ip }) => ip);
  // A service without an address of its own is its endpoints.
  const endpoints = snapshot.endpoints.get(service.key) ?? [];
  return endpoints
    .filter((workload) => workload.isHealthy && workload.network === network)
    .flatMap((workload) => workload.addresses);
}
