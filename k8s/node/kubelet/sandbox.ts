/** A Pod's place on the machine: address, network, control group, name files; opened before its first container, closed after its last. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import type { IpAddress } from "#core/address/ip.ts";
import { type Cgroup, openCgroup } from "#host/linux/cgroup.ts";
import type { NetworkNamespace } from "#host/linux/namespaces.ts";
import type { PodObject } from "../../model/pod.ts";
import { hostsFile, type NameFacts, resolvConf } from "../../reconcile/pods/name-files.ts";
import type { PodSandbox } from "../enrolment/pod-sandbox.ts";
import type { KubeletHost } from "./kubelet-host.ts";
import type { PodPaths } from "./pod-paths.ts";

/** An open sandbox. */
export interface Sandbox {
  /** The Pod's; in the node's own network the node's. */
  readonly address: IpAddress;
  readonly cgroup: Cgroup;
  /** Absent in the node's own network. */
  readonly network: NetworkNamespace | undefined;
}

const removeMs = 5000;

/** Makes it. @throws Error with what cannot be made; nothing is left then */
export function openSandbox(host: KubeletHost, pod: PodObject, paths: PodPaths): Sandbox {
  const { uid } = pod.metadata;
  if (pod.spec.hostNetwork === true) return withServices(host, furnish(host, pod, paths, undefined));
  const address = host.addresses.take();
  try {
    const own = { address, network: host.networks.open(uid, address) };
    return withServices(host, furnish(host, pod, paths, own));
  } catch (error) {
    host.networks.remove(uid);
    host.addresses.release(address);
    throw error;
  }
}

/** Finds the one that an earlier program made; undefined when it is gone. */
export function findSandbox(
  host: KubeletHost,
  pod: PodObject,
  paths: PodPaths,
  address: IpAddress | undefined,
): Sandbox | undefined {
  if (address === undefined) return withOldServices(host, furnish(host, pod, paths, undefined));
  const network = host.networks.find(pod.metadata.uid);
  if (network === undefined) {
    // What still runs of it has lost its place, and ends before it is made anew.
    openCgroup(host.cgroups, podCgroupPath(host, pod.metadata.uid)).kill();
    return undefined;
  }
  host.addresses.keep(address);
  return withOldServices(host, furnish(host, pod, paths, { address, network }));
}

/** Ends what is left in it and takes it away. */
export async function closeSandbox(host: KubeletHost, uid: string, sandbox: Sandbox): Promise<void> {
  sandbox.cgroup.kill();
  await sandbox.cgroup.remove(removeMs);
  if (sandbox.network === undefined) return;
  sandbox.network.close();
  host.networks.remove(uid);
  host.addresses.release(sandbox.address);
}

/** What others learn of it; undefined for a Pod in the node's own network, which is nobody's to capture. */
export function sandboxOf(
  host: KubeletHost,
  { metadata, spec }: PodObject,
  sandbox: Sandbox,
): PodSandbox | undefined {
  if (sandbox.network === undefined) return undefined;
  return {
    uid: metadata.uid,
    namespace: metadata.namespace,
    name: metadata.name,
    serviceAccount: spec.serviceAccountName ?? "default",
    address: sandbox.address,
    nameserver: host.nameserver,
    network: sandbox.network,
    cgroup: sandbox.cgroup,
    interfaceName: "eth0",
  };
}

function withServices(host: KubeletHost, sandbox: Sandbox): Sandbox {
  host.services.attach(sandbox.cgroup.path);
  return sandbox;
}

function withOldServices(host: KubeletHost, sandbox: Sandbox): Sandbox {
  host.services.renew(sandbox.cgroup.path);
  return sandbox;
}

function furnish(
  host: KubeletHost,
  pod: PodObject,
  paths: PodPaths,
  own: { readonly address: IpAddress; readonly network: NetworkNamespace } | undefined,
): Sandbox {
  const cgroup = openCgroup(host.cgroups, podCgroupPath(host, pod.metadata.uid));
  const address = own?.address ?? host.node.address;
  const facts: NameFacts = {
    clusterDomain: host.clusterDomain,
    nameserver: host.nameserver,
    nodeResolvConf: host.node.resolvConf,
    nodeName: host.node.name,
    address,
  };
  mkdirSync(paths.folder, { recursive: true, mode: 0o755 });
  writeShared(paths.resolvConf, resolvConf(pod, facts));
  writeShared(paths.hosts, hostsFile(pod, facts));
  return { address, cgroup, network: own?.network };
}

/** The path of a Pod's group, below the mounts. */
export function podCgroupPath(host: Pick<KubeletHost, "cgroupPath">, uid: string): string {
  return `${host.cgroupPath}/${uid}`;
}

function writeShared(path: string, text: string): void {
  rmSync(path, { force: true });
  writeFileSync(path, text, { mode: 0o644 });
}
