/** A waypoint's services by what asks for them: the address a tunnel names, or the host a request from outside names. */
import { formatIp, type IpAddress } from "#core/address/ip.ts";
import { formatSocketAddress } from "#core/address/socket-address.ts";
import type { RoutedService, Waypoint } from "#core/proto/lambient/discovery_pb.js";
import { type CompiledRoute, compileRoutes } from "./decide-route.ts";

/** One port of a service, ready to serve requests. */
export interface ServiceEntry {
  readonly namespace: string;
  readonly name: string;
  readonly hostname: string;
  readonly address: IpAddress;
  /** `address:port` of the service. */
  readonly authority: string;
  readonly port: number;
  /** The port that its workloads listen on. */
  readonly targetPort: number;
  /** As declared, in lower case; empty when it was not. */
  readonly appProtocol: string;
  readonly routes: readonly CompiledRoute[];
  readonly policyKeys: readonly string[];
  /** No function's: what is not HTTP goes on to its endpoints as it is. */
  readonly isDirect: boolean;
}

/** All services of one configuration; never changes. */
export interface ServiceTable {
  readonly byAuthority: ReadonlyMap<string, ServiceEntry>;
  /** By `<name>.<namespace>`: the port that plain HTTP means, 80 where there is one. */
  readonly byName: ReadonlyMap<string, ServiceEntry>;
  /** What of the configuration could not be read. */
  readonly problems: readonly string[];
}

/** A table without services. */
export const noServices: ServiceTable = { byAuthority: new Map(), byName: new Map(), problems: [] };

/** What a request has that asks for no service: nothing matches it. */
export const noService: ServiceEntry = {
  namespace: "",
  name: "",
  hostname: "",
  address: formatIp(new Uint8Array(4)),
  authority: "",
  port: 0,
  targetPort: 0,
  appProtocol: "",
  routes: [],
  policyKeys: [],
  isDirect: false,
};

/** Builds the table of a configuration. */
export function makeServiceTable(config: Waypoint): ServiceTable {
  const byAuthority = new Map<string, ServiceEntry>();
  const byName = new Map<string, ServiceEntry>();
  const problems: string[] = [];
  for (const service of config.services) {
    const compiled = compileRoutes(service.routes);
    problems.push(...compiled.problems.map((text) => `${service.namespace}/${service.name}: ${text}`));
    for (const entry of entriesOf(service, compiled.routes)) {
      byAuthority.set(entry.authority, entry);
      const name = `${entry.name}.${entry.namespace}`;
      if (!byName.has(name) || entry.port === 80) byName.set(name, entry);
    }
  }
  return { byAuthority, byName, problems };
}

function entriesOf(service: RoutedService, routes: readonly CompiledRoute[]): ServiceEntry[] {
  const { namespace, name, hostname, authorizationPolicies: policyKeys, direct: isDirect } = service;
  return service.addresses.flatMap((bytes) =>
    service.ports.map((port) => ({
      namespace,
      name,
      hostname,
      policyKeys,
      isDirect,
      routes,
      address: formatIp(bytes),
      authority: formatSocketAddress({ ip: formatIp(bytes), port: port.port }),
      port: port.port,
      targetPort: port.targetPort === 0 ? port.port : port.targetPort,
      appProtocol: port.appProtocol.toLowerCase(),
    })),
  );
}

/** Finds the service that a Host of the form `<function>.<namespace>[.anything][:port]` names. */
export function findByHost(table: ServiceTable, host: string): ServiceEntry | undefined {
  const [name, namespace] = host.toLowerCase().replace(/:\d*$/, "").split(".");
  return table.byName.get(`${name}.${namespace}`);
}
