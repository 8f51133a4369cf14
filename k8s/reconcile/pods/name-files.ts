/** What a Pod's resolver is told: the texts of `/etc/resolv.conf`, `/etc/hosts` and the Pod's own name. Pure. */
import type { PodObject } from "../../model/pod.ts";

/** What the node knows about names. */
export interface NameFacts {
  readonly clusterDomain: string;
  /** Of the cluster's name server. */
  readonly nameserver: string;
  /** The node's own `/etc/resolv.conf`. */
  readonly nodeResolvConf: string;
  readonly nodeName: string;
  /** The Pod's. */
  readonly address: string;
}

/** Limits of the C library's resolver. */
const nameserversMax = 3;
const searchesMax = 32;
const hostnameMax = 63;

/** The Pod's hostname. */
export function hostnameOf({ metadata, spec }: PodObject, nodeName: string): string {
  if (spec.hostNetwork === true) return nodeName;
  // A name that is cut must not end with what no name may end with.
  return spec.hostname ?? metadata.name.slice(0, hostnameMax).replace(/[-.]+$/, "");
}

/** `/etc/resolv.conf`, by the Pod's policy and its own additions. */
export function resolvConf(pod: PodObject, facts: NameFacts): string {
  const { dnsConfig } = pod.spec;
  const base = baseResolver(pod, facts);
  const nameservers = unique([...base.nameservers, ...(dnsConfig?.nameservers ?? [])], nameserversMax);
  const searches = unique([...base.searches, ...(dnsConfig?.searches ?? [])], searchesMax);
  const options = new Map(base.options);
  for (const { name, value } of dnsConfig?.options ?? []) {
    if (name !== undefined) options.set(name, value ?? "");
  }
  const words = [...options].map(([name, value]) => (value === "" ? name : `${name}:${value}`));
  return [
    ...(searches.length === 0 ? [] : [`search ${searches.join(" ")}`]),
    ...nameservers.map((address) => `nameserver ${address}`),
    ...(words.length === 0 ? [] : [`options ${words.join(" ")}`]),
    "",
  ].join("\n");
}

function unique(texts: readonly string[], most: number): string[] {
  return [...new Set(texts)].slice(0, most);
}

interface Resolver {
  readonly nameservers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly (readonly [string, string])[];
}

function baseResolver({ metadata, spec }: PodObject, facts: NameFacts): Resolver {
  const policy = spec.dnsPolicy ?? "ClusterFirst";
  if (policy === "None") return { nameservers: [], searches: [], options: [] };
  const isNodes = policy === "Default" || (policy === "ClusterFirst" && spec.hostNetwork === true);
  if (isNodes) return parseResolvConf(facts.nodeResolvConf);
  const domain = facts.clusterDomain;
  return {
    nameservers: [facts.nameserver],
    searches: [`${metadata.namespace}.svc.${domain}`, `svc.${domain}`, domain],
    options: [["ndots", "5"]],
  };
}

function parseResolvConf(text: string): Resolver {
  const nameservers: string[] = [];
  const options: (readonly [string, string])[] = [];
  let searches: string[] = [];
  for (const line of text.split("\n")) {
    const [keyword, ...words] = line.trim().split(/\s+/);
    if (keyword === "nameserver" && words[0] !== undefined) nameservers.push(words[0]);
    if (keyword === "search") searches = words;
    if (keyword === "options") {
      for (const word of words) {
        const [name = "", value = ""] = word.split(/:(.*)/s);
        options.push([name, value]);
      }
    }
  }
  return { nameservers, searches, options };
}

/** `/etc/hosts`: loopback, the Pod itself, and what its spec adds. */
export function hostsFile(pod: PodObject, facts: NameFacts): string {
  const { spec, metadata } = pod;
  const hostname = hostnameOf(pod, facts.nodeName);
  const full =
    spec.subdomain === undefined
      ? []
      : [`${hostname}.${spec.subdomain}.${metadata.namespace}.svc.${facts.clusterDomain}`];
  const own = spec.hostNetwork === true ? [] : [`${facts.address}\t${[...full, hostname].join("\t")}`];
  const aliases = (spec.hostAliases ?? []).map(
    ({ ip, hostnames }) => `${ip}\t${(hostnames ?? []).join("\t")}`,
  );
  return [
    "# Kubernetes-managed hosts file.",
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    ...own,
    ...(aliases.length === 0 ? [] : ["", "# Entries added by HostAliases.", ...aliases]),
    "",
  ].join("\n");
}
