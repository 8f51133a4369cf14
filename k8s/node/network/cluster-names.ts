/** What names of the cluster's domain mean: Services, headless ones, their endpoints, ports, Pods' addresses, and the way back. Pure. */
import { type IpAddress, parseIp } from "#core/address/ip.ts";
import type { AnswerRecord } from "#core/dns/format-records.ts";
import type { EndpointSliceObject, ServiceObject } from "../../model/core-objects.ts";
import { endpointsIn } from "./service-table.ts";

/** Services and their endpoints, found by name and by address. */
export interface ServiceIndex {
  readonly service: (namespace: string, name: string) => ServiceObject | undefined;
  readonly slices: (namespace: string, name: string) => readonly EndpointSliceObject[];
  readonly hasNamespace: (namespace: string) => boolean;
  readonly serviceAt: (address: string) => ServiceObject | undefined;
}

/** What a name means. */
export type NameAnswer =
  | { readonly kind: "records"; readonly records: readonly AnswerRecord[] }
  /** Another name, whose addresses others know. */
  | { readonly kind: "alias"; readonly target: string }
  | { readonly kind: "unknown" }
  /** Not a name of the cluster's. */
  | { readonly kind: "outside" };

const unknown: NameAnswer = { kind: "unknown" };
const reverseSuffix = ".in-addr.arpa";

/** Finds out. @param name in lower case, without the last dot */
export function findClusterName(name: string, domain: string, index: ServiceIndex): NameAnswer {
  if (name.endsWith(reverseSuffix)) return findByAddress(name, domain, index);
  // A bare name means nothing to the world's name servers.
  if (!name.includes(".")) return unknown;
  if (name === domain) return records([]);
  if (!name.endsWith(`.${domain}`)) return { kind: "outside" };
  const labels = name.slice(0, -domain.length - 1).split(".");
  const kind = labels.at(-1);
  const namespace = labels.at(-2);
  if (namespace === undefined) return kind === "svc" || kind === "pod" ? records([]) : unknown;
  if (kind === "pod") return labels.length === 3 ? addressRecord(undash(labels[0] ?? "")) : unknown;
  return kind === "svc" ? findService(labels.slice(0, -2), namespace, { domain, index }) : unknown;
}

interface Place {
  readonly domain: string;
  readonly index: ServiceIndex;
}

/** @param labels in front of the namespace */
function findService(labels: readonly string[], namespace: string, place: Place): NameAnswer {
  const name = labels.at(-1);
  if (name === undefined) return place.index.hasNamespace(namespace) ? records([]) : unknown;
  const service = place.index.service(namespace, name);
  return service === undefined ? unknown : findWithin(service, labels.slice(0, -1), place);
}

/** @param rest labels in front of the Service's name */
function findWithin(service: ServiceObject, rest: readonly string[], place: Place): NameAnswer {
  if (service.spec.type === "ExternalName") {
    return rest.length === 0 ? aliasOf(service) : unknown;
  }
  if (rest.length === 0) return findOwn(service, place);
  const [first = "", second = ""] = rest;
  if (rest.length === 1) return findEndpoint(service, first, place);
  const isPort = rest.length === 2 && first.startsWith("_") && second.startsWith("_");
  return isPort ? findPort(service, { name: first.slice(1), protocol: second.slice(1) }, place) : unknown;
}

function aliasOf({ spec }: ServiceObject): NameAnswer {
  return { kind: "alias", target: (spec.externalName ?? "").replace(/\.$/, "") };
}

/** A Service's own name: its address, or those of its endpoints when it has none. */
function findOwn(service: ServiceObject, { index }: Place): NameAnswer {
  const address = parseIp(service.spec.clusterIP ?? "");
  if (address.ok) return records([{ kind: "address", address: address.value }]);
  const endpoints = endpointsOf(service, index);
  return records(endpoints.map((endpoint) => ({ kind: "address", address: endpoint.address })));
}

function findEndpoint(service: ServiceObject, label: string, { index }: Place): NameAnswer {
  const own = endpointsOf(service, index).filter(
    ({ hostname, address }) => label === (hostname ?? dash(address)),
  );
  return own.length === 0 ? unknown : records(own.map(({ address }) => ({ kind: "address", address })));
}

function findPort(
  service: ServiceObject,
  wanted: { readonly name: string; readonly protocol: string },
  { domain, index }: Place,
): NameAnswer {
  const { metadata, spec } = service;
  const base = `${metadata.name}.${metadata.namespace}.svc.${domain}`;
  const isWanted = (port: { readonly name?: string; readonly protocol?: string }): boolean =>
    port.name === wanted.name && (port.protocol ?? "TCP").toLowerCase() === wanted.protocol;
  const port = spec.ports?.find(isWanted);
  if (port === undefined) return unknown;
  if (spec.clusterIP !== "None") return records([{ kind: "service", target: base, port: port.port }]);
  const found = endpointsOf(service, index).flatMap(({ address, hostname, ports }): AnswerRecord[] => {
    const target = `${hostname ?? dash(address)}.${base}`;
    const number = ports.find(isWanted)?.port;
    return number === undefined ? [] : [{ kind: "service", target, port: number }];
  });
  return records(found);
}

interface Endpoint {
  readonly address: IpAddress;
  readonly hostname: string | undefined;
  readonly ports: NonNullable<EndpointSliceObject["ports"]>;
}

function endpointsOf({ metadata, spec }: ServiceObject, index: ServiceIndex): Endpoint[] {
  const isAnyReady = spec.publishNotReadyAddresses === true;
  return index.slices(metadata.namespace, metadata.name).flatMap((slice) =>
    endpointsIn(slice).flatMap(({ addresses, conditions, hostname }) => {
      const address = parseIp(addresses[0] ?? "");
      const counts = slice.addressType === "IPv4" && (conditions?.ready !== false || isAnyReady);
      return counts && address.ok ? [{ address: address.value, hostname, ports: slice.ports ?? [] }] : [];
    }),
  );
}

/** `4.3.2.1.in-addr.arpa`: a Service's address; others are the world's, but for those that are nobody's there. */
function findByAddress(name: string, domain: string, index: ServiceIndex): NameAnswer {
  const address = parseIp(name.slice(0, -reverseSuffix.length).split(".").toReversed().join("."));
  const service = address.ok ? index.serviceAt(address.value) : undefined;
  if (service === undefined) return { kind: "outside" };
  const { metadata } = service;
  return records([{ kind: "pointer", target: `${metadata.name}.${metadata.namespace}.svc.${domain}` }]);
}

function addressRecord(text: string): NameAnswer {
  const address = parseIp(text);
  return address.ok ? records([{ kind: "address", address: address.value }]) : unknown;
}

function records(found: readonly AnswerRecord[]): NameAnswer {
  return { kind: "records", records: found };
}

function dash(address: string): string {
  return address.replaceAll(".", "-");
}

function undash(label: string): string {
  return label.replaceAll("-", ".");
}
