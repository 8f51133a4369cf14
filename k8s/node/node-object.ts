/** The Node object of this machine: made when it is not there, kept alive by its lease; what it says is what the machine has. */
import { readFileSync } from "node:fs";
import os from "node:os";
import type { Clock, Timer } from "#host/clock.ts";
import { findObject, type KubeClient } from "#host/kube/kube-client.ts";
import { isAlreadyExists, isNotFound } from "#host/kube/kube-error.ts";
import type { KubeObject, ResourceType } from "#host/kube/object.ts";
import type { Log } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import { formatTime } from "../reconcile/pods/container-status.ts";

/** v1 Node, as far as it is written here. */
interface NodeObject extends KubeObject {
  readonly spec?: object;
  readonly status?: object;
}

const nodeResource: ResourceType<NodeObject> = {
  group: "",
  version: "v1",
  resource: "nodes",
  kind: "Node",
  namespaced: false,
};

/** coordination.k8s.io/v1 Lease, as far as it is written here. */
interface LeaseObject extends KubeObject {
  readonly spec?: object;
}

const leaseResource: ResourceType<LeaseObject> = {
  group: "coordination.k8s.io",
  version: "v1",
  resource: "leases",
  kind: "Lease",
  namespaced: true,
};
const leaseNamespace = "kube-node-lease";

/** What the machine has, as limits are read in variables: cores, bytes. */
export function readAllocatable(): Readonly<Record<string, number>> {
  return { cpu: os.cpus().length, memory: os.totalmem() };
}

/** What the object is made from. */
export interface NodeObjectOptions {
  readonly api: KubeClient;
  readonly clock: Clock;
  readonly log: Log;
  readonly name: string;
  readonly address: string;
  readonly podRange: string;
  /** Pods that there are addresses for. */
  readonly podsMax: number;
}

/** A Node that is kept alive. */
export interface NodeHeartbeat {
  /** Whether the API has it. */
  readonly isRegistered: boolean;
  close(): void;
}

const heartbeatMs = 10_000;
/** Of so many heartbeats one is the status, the others renew the lease: the control plane calls a node silent whose status is forty seconds old. */
const beatsPerStatus = 2;
const leaseSeconds = 40;
const retryMs = 1000;
const firstLeaseMs = 500;

/** Registers the node and goes on saying that it lives, by one write every ten seconds. */
export function keepNode(options: NodeObjectOptions): NodeHeartbeat {
  const { clock, log } = options;
  const since = formatTime(clock.nowMs());
  let isRegistered = false;
  let isOpen = true;
  let timer: Timer | undefined;
  let beats = 0;
  const beat = async (): Promise<void> => {
    let nextMs = heartbeatMs;
    try {
      if (!isRegistered) await register(options);
      const isLeased = beats % beatsPerStatus !== 0 && (await renewLease(options));
      if (!isLeased) await tellStatus(options, since);
      // The first lease follows the first status soon: who looks for it finds it.
      if (!isRegistered) nextMs = firstLeaseMs;
      isRegistered = true;
      beats++;
    } catch (error) {
      nextMs = isRegistered ? heartbeatMs : retryMs;
      log.warn("node not registered", { node: options.name, error: errorText(error) });
    }
    if (isOpen) timer = clock.after(nextMs, () => void beat());
  };
  void beat();
  return {
    get isRegistered() {
      return isRegistered;
    },
    close() {
      isOpen = false;
      timer?.cancel();
    },
  };
}

async function tellStatus(options: NodeObjectOptions, since: string): Promise<void> {
  const value = { status: statusOf(options, since) };
  await options.api.patchStatus(nodeResource, { name: options.name }, { kind: "merge", value });
}

/** Says that the node lives, at a smaller price than its status. @returns whether the API has leases of nodes */
async function renewLease({ api, clock, name }: NodeObjectOptions): Promise<boolean> {
  const renewTime = new Date(clock.nowMs()).toISOString().replace("Z", "000Z");
  const spec = { holderIdentity: name, leaseDurationSeconds: leaseSeconds, renewTime };
  const key = { namespace: leaseNamespace, name };
  try {
    if ((await findObject(api, leaseResource, key)) === undefined) {
      await api.create(leaseResource, { metadata: key, spec });
    } else await api.patch(leaseResource, key, { kind: "merge", value: { spec } });
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

async function register({ api, name, podRange }: NodeObjectOptions): Promise<void> {
  const labels = {
    "kubernetes.io/hostname": name,
    "kubernetes.io/os": "linux",
    "kubernetes.io/arch": "amd64",
    "node.kubernetes.io/instance-type": "lambient",
  };
  try {
    await api.create(nodeResource, {
      metadata: { name, labels },
      spec: { podCIDR: podRange, podCIDRs: [podRange], providerID: `lambient://${name}` },
    });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}

function statusOf({ clock, name, address, podsMax }: NodeObjectOptions, since: string): object {
  const now = formatTime(clock.nowMs());
  const resources = {
    cpu: String(os.cpus().length),
    memory: `${Math.floor(os.totalmem() / 1024)}Ki`,
    pods: String(podsMax),
  };
  const condition = (type: string, status: "True" | "False", reason: string, message: string) => ({
    type,
    status,
    reason,
    message,
    lastHeartbeatTime: now,
    lastTransitionTime: since,
  });
  return {
    capacity: resources,
    allocatable: resources,
    conditions: [
      condition(
        "MemoryPressure",
        "False",
        "KubeletHasSufficientMemory",
        "kubelet has sufficient memory available",
      ),
      condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
      condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
      condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ],
    addresses: [
      { type: "InternalIP", address },
      { type: "Hostname", address: name },
    ],
    nodeInfo: nodeInfo(),
  };
}

function nodeInfo(): Readonly<Record<string, string>> {
  return {
    machineID: readLine("/etc/machine-id").replaceAll("-", ""),
    systemUUID: readLine("/sys/class/dmi/id/product_uuid"),
    bootID: readLine("/proc/sys/kernel/random/boot_id"),
    kernelVersion: os.release(),
    osImage: /^PRETTY_NAME="?([^"\n]*)/m.exec(readText("/etc/os-release"))?.[1] ?? "Linux",
    containerRuntimeVersion: "lambient://1",
    kubeletVersion: "v1.37.0+lambient",
    kubeProxyVersion: "",
    operatingSystem: "linux",
    architecture: "amd64",
  };
}

function readLine(path: string): string {
  return readText(path).trim();
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // The machine does not have it.
  }
}
