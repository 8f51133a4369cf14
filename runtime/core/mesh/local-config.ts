/** A mesh written in a file, in Istio's schema for proxies without a control plane: parsed data to the messages that discovery would bring. */
import { create } from "@bufbuild/protobuf";
import { ipBytes, parseCidr, parseIp } from "#core/address/ip.ts";
import type { Authorization } from "#core/proto/istio/authorization_pb.js";
import {
  ApplicationTunnel_Protocol,
  type Address,
  AddressSchema,
  type GatewayAddress,
  GatewayAddressSchema,
  IPFamilies,
  LoadBalancing_HealthPolicy,
  LoadBalancing_Mode,
  LoadBalancing_Scope,
  type NetworkAddress,
  NetworkAddressSchema,
  NetworkMode,
  type Port,
  PortSchema,
  ServiceSchema,
  TunnelProtocol,
  Visibility,
  WorkloadSchema,
  WorkloadStatus,
  WorkloadType,
} from "#core/proto/istio/workload_pb.js";
import { err, ok, type Result } from "#core/result.ts";
import { readLocalPolicy } from "./local-policy.ts";
import { type Mistakes, readStrictly, type StrictFields } from "./strict-fields.ts";

/** What a file says. */
export interface LocalConfig {
  readonly addresses: readonly Address[];
  readonly policies: readonly Authorization[];
}

const protocols = { HBONE: TunnelProtocol.HBONE, TCP: TunnelProtocol.NONE };
const networkModes = { Standard: NetworkMode.STANDARD, HostNetwork: NetworkMode.HOST_NETWORK };
const statuses = { Healthy: WorkloadStatus.HEALTHY, Unhealthy: WorkloadStatus.UNHEALTHY };
const tunnelProtocols = { NONE: ApplicationTunnel_Protocol.NONE, PROXY: ApplicationTunnel_Protocol.PROXY };
const workloadTypes = {
  Deployment: WorkloadType.DEPLOYMENT,
  CronJob: WorkloadType.CRONJOB,
  Pod: WorkloadType.POD,
  Job: WorkloadType.JOB,
};
const modes = {
  Standard: LoadBalancing_Mode.UNSPECIFIED_MODE,
  Strict: LoadBalancing_Mode.STRICT,
  Failover: LoadBalancing_Mode.FAILOVER,
  Passthrough: LoadBalancing_Mode.PASSTHROUGH,
};
const scopes = {
  Region: LoadBalancing_Scope.REGION,
  Zone: LoadBalancing_Scope.ZONE,
  Subzone: LoadBalancing_Scope.SUBZONE,
  Node: LoadBalancing_Scope.NODE,
  Cluster: LoadBalancing_Scope.CLUSTER,
  Network: LoadBalancing_Scope.NETWORK,
};
const healthPolicies = {
  OnlyHealthy: LoadBalancing_HealthPolicy.ONLY_HEALTHY,
  AllowAll: LoadBalancing_HealthPolicy.ALLOW_ALL,
};
const families = { IPv4: IPFamilies.IPV4_ONLY, IPv6: IPFamilies.IPV6_ONLY, Dual: IPFamilies.DUAL };
const visibilities = { Public: Visibility.PUBLIC, Namespace: Visibility.NAMESPACE };

/** Reads a file's parsed content; every mistake is told with its path. */
export function readLocalConfig(data: unknown): Result<LocalConfig, readonly string[]> {
  const mistakes: Mistakes = [];
  const root = readStrictly(data, "", mistakes);
  const workloads = root.objects("workloads").map((fields) => readWorkload(fields, mistakes));
  const services = root.objects("services").map(readService);
  const policies = root.objects("policies").map((fields) => readLocalPolicy(fields, mistakes));
  root.end();
  return mistakes.length > 0 ? err(mistakes) : ok({ addresses: [...workloads, ...services], policies });
}

function readWorkload(fields: StrictFields, mistakes: Mistakes): Address {
  const locality = fields.object("locality");
  const tunnel = fields.object("applicationTunnel");
  const value = create(WorkloadSchema, {
    uid: fields.text("uid"),
    name: fields.text("name"),
    namespace: fields.text("namespace"),
    serviceAccount: fields.text("serviceAccount", "default"),
    trustDomain: fields.text("trustDomain"),
    addresses: fields.texts("workloadIps").flatMap((text) => readIp(fields, "workloadIps", text)),
    hostname: fields.text("hostname"),
    network: fields.text("network"),
    tunnelProtocol: fields.choice("protocol", protocols, TunnelProtocol.NONE),
    networkMode: fields.choice("networkMode", networkModes, NetworkMode.STANDARD),
    node: fields.text("node"),
    workloadName: fields.text("workloadName"),
    workloadType: fields.choice("workloadType", workloadTypes, WorkloadType.DEPLOYMENT),
    canonicalName: fields.text("canonicalName"),
    canonicalRevision: fields.text("canonicalRevision"),
    nativeTunnel: fields.flag("nativeTunnel"),
    authorizationPolicies: fields.texts("authorizationPolicies"),
    status: fields.choice("status", statuses, WorkloadStatus.HEALTHY),
    clusterId: fields.text("clusterId"),
    capacity: { value: fields.whole("capacity", 1) },
    services: Object.fromEntries(
      fields.entries("services").map(([service, ports]) => {
        const holder = readStrictly({ [service]: ports }, `${fields.path}.services`, mistakes);
        return [service, { ports: readPorts(holder, service) }];
      }),
    ),
    ...optional("waypoint", readGateway(fields.object("waypoint"))),
    ...optional("networkGateway", readGateway(fields.object("networkGateway"))),
    ...optional(
      "applicationTunnel",
      tunnel && {
        protocol: tunnel.choice("protocol", tunnelProtocols, ApplicationTunnel_Protocol.NONE),
        port: tunnel.whole("port", 0),
      },
    ),
    ...optional(
      "locality",
      locality && {
        region: locality.text("region"),
        zone: locality.text("zone"),
        subzone: locality.text("subzone"),
      },
    ),
  });
  for (const read of [fields, locality, tunnel]) read?.end();
  if (value.uid === "") fields.fail("uid", "the workload's unique name");
  return create(AddressSchema, { type: { case: "workload", value } });
}

function readService(fields: StrictFields): Address {
  const balancing = fields.object("loadBalancer");
  const weighted = fields.objects("weightedWaypoints");
  const value = create(ServiceSchema, {
    name: fields.text("name"),
    namespace: fields.text("namespace"),
    hostname: fields.text("hostname"),
    addresses: [
      ...fields.texts("vips").flatMap((text) => readNetworkAddress(fields, "vips", text)),
      ...fields.texts("cidrVips").flatMap((text) => readNetworkAddress(fields, "cidrVips", text)),
    ],
    ports: readPorts(fields, "ports"),
    subjectAltNames: fields.texts("subjectAltNames"),
    ipFamilies: fields.choice("ipFamilies", families, IPFamilies.AUTOMATIC),
    canonical: fields.flag("canonical"),
    visibility: fields.choice("visibility", visibilities, Visibility.PUBLIC),
    weightedWaypoints: weighted.map((entry) => ({
      weight: entry.whole("weight", 0),
      ...optional("destination", readGateway(entry.object("destination"))),
    })),
    ...optional("waypoint", readGateway(fields.object("waypoint"))),
    ...optional(
      "loadBalancing",
      balancing && {
        mode: balancing.choice("mode", modes, LoadBalancing_Mode.UNSPECIFIED_MODE),
        healthPolicy: balancing.choice(
          "healthPolicy",
          healthPolicies,
          LoadBalancing_HealthPolicy.ONLY_HEALTHY,
        ),
        routingPreference: readScopes(balancing),
      },
    ),
  });
  if (fields.entries("endpoints").length > 0) {
    fields.fail("endpoints", "empty, since endpoints are the workloads that name the service");
  }
  for (const read of [fields, balancing, ...weighted]) read?.end();
  if (value.hostname === "") fields.fail("hostname", "the service's hostname");
  return create(AddressSchema, { type: { case: "service", value } });
}

function readScopes(balancing: StrictFields): LoadBalancing_Scope[] {
  return balancing.texts("routingPreferences").flatMap((word) => {
    const found = Object.entries(scopes).find(([known]) => known.toLowerCase() === word.toLowerCase());
    if (found === undefined) {
      balancing.fail("routingPreferences", `some of ${Object.keys(scopes).join(", ")}`);
      return [];
    }
    return [found[1]];
  });
}

function readPorts(fields: StrictFields, name: string): Port[] {
  return fields.entries(name).flatMap(([servicePort, targetPort]) => {
    const ports = [Number(servicePort), Number(targetPort)];
    const [from = 0, to = 0] = ports;
    if (ports.every((port) => Number.isInteger(port) && port > 0 && port < 65536)) {
      return [create(PortSchema, { servicePort: from, targetPort: to })];
    }
    fields.fail(name, "ports by service port");
    return [];
  });
}

function readGateway(fields: StrictFields | undefined): GatewayAddress | undefined {
  if (fields === undefined) return undefined;
  const destination = fields.text("destination");
  const hboneMtlsPort = fields.whole("hboneMtlsPort", 15008);
  fields.end();
  const slash = destination.indexOf("/");
  const [before, after] = [destination.slice(0, Math.max(0, slash)), destination.slice(slash + 1)];
  const ip = parseIp(after);
  if (ip.ok) {
    const value = create(NetworkAddressSchema, { network: before, address: ipBytes(ip.value) });
    return create(GatewayAddressSchema, { hboneMtlsPort, destination: { case: "address", value } });
  }
  if (slash < 1 || after === "") fields.fail("destination", "network/address or namespace/hostname");
  const value = { namespace: before, hostname: after };
  return create(GatewayAddressSchema, { hboneMtlsPort, destination: { case: "hostname", value } });
}

function readNetworkAddress(fields: StrictFields, name: string, text: string): NetworkAddress[] {
  const slash = text.indexOf("/");
  const cidr = parseCidr(text.slice(slash + 1));
  if (slash < 0 || !cidr.ok) {
    fields.fail(name, "network/address, the default network being empty (/10.0.0.1)");
    return [];
  }
  const address = ipBytes(cidr.value.address);
  const network = text.slice(0, slash);
  return [create(NetworkAddressSchema, { network, address, length: cidr.value.prefixBits })];
}

function readIp(fields: StrictFields, name: string, text: string): Uint8Array[] {
  const ip = parseIp(text);
  if (!ip.ok) fields.fail(name, "IP addresses");
  return ip.ok ? [ipBytes(ip.value)] : [];
}

/** A field of a message's initial values, left out when it is undefined: the two differ there. */
function optional<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): { readonly [key in Name]?: Value } {
  // Sound: the one key is Name, and it is absent or has a Value.
  return (value === undefined ? {} : { [name]: value }) as { readonly [key in Name]?: Value };
}
