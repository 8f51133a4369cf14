/** Which endpoints stand behind each address and port of the Services. Pure. */
import { type IpAddress, parseIp } from "#core/address/ip.ts";
import type { EndpointSliceObject, ServiceObject, ServicePort } from "../../model/core-objects.ts";

/** Where an endpoint listens. */
export interface ServiceEndpoint {
  readonly address: IpAddress;
  readonly port: number;
}

/** One port of a Service. */
export interface ServiceEntry {
  readonly address: IpAddress;
  readonly port: number;
  readonly protocol: "TCP" | "UDP";
  /** Those that are ready; none: connections are refused. */
  readonly endpoints: readonly ServiceEndpoint[];
}

/** Of which Service a slice is. */
export const serviceNameLabel = "kubernetes.io/service-name";

/** The table, by `address:port/protocol`. */
export function decideServiceTable(
  services: readonly ServiceObject[],
  slices: readonly EndpointSliceObject[],
): ReadonlyMap<string, ServiceEntry> {
  const byService = Map.groupBy(slices, ({ metadata }) =>
    nameOf(metadata.namespace, metadata.labels?.[serviceNameLabel] ?? ""),
  );
  const table = new Map<string, ServiceEntry>();
  for (const { metadata, spec } of services) {
    const address = parseIp(spec.clusterIP ?? "");
    if (!address.ok || address.value.includes(":")) continue;
    const own = byService.get(nameOf(metadata.namespace, metadata.name)) ?? [];
    for (const port of spec.ports ?? []) {
      const protocol = port.protocol ?? "TCP";
      if (protocol === "SCTP") continue;
      const endpoints = endpointsOf(own, port, spec.publishNotReadyAddresses === true);
      const key = `${address.value}:${port.port}/${protocol}`;
      table.set(key, { address: address.value, port: port.port, protocol, endpoints });
    }
  }
  return table;
}

/** What a slice holds: one without endpoints may say nothing, or null. */
export function endpointsIn({ endpoints }: EndpointSliceObject): EndpointSliceObject["endpoints"] {
  const held: EndpointSliceObject["endpoints"] | null | undefined = endpoints;
  return held ?? [];
}

function nameOf(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

function endpointsOf(
  slices: readonly EndpointSliceObject[],
  port: ServicePort,
  isReadinessIgnored: boolean,
): ServiceEndpoint[] {
  const found = new Map<string, ServiceEndpoint>();
  for (const slice of slices) {
    const { ports, addressType } = slice;
    const target = (ports ?? []).find((one) => isPort(one, port))?.port;
    if (addressType !== "IPv4" || target === undefined) continue;
    for (const { addresses, conditions } of endpointsIn(slice)) {
      if (conditions?.ready === false && !isReadinessIgnored) continue;
      const address = parseIp(addresses[0] ?? "");
      if (address.ok) found.set(address.value, { address: address.value, port: target });
    }
  }
  return [...found.values()];
}

function isPort(one: { readonly name?: string; readonly protocol?: string }, port: ServicePort): boolean {
  return (one.name ?? "") === (port.name ?? "") && (one.protocol ?? "TCP") === (port.protocol ?? "TCP");
}
