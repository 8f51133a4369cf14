/** What the parts of the kubelet share: the kernel, the API, what Pods get of both. Built in app.ts. */
import type { IpAddress } from "#core/address/ip.ts";
import type { Clock } from "#host/clock.ts";
import type { KubeClient } from "#host/kube/kube-client.ts";
import type { CgroupMounts } from "#host/linux/cgroup.ts";
import type { Libc } from "#host/linux/libc.ts";
import type { Poller } from "#host/linux/poller.ts";
import type { Log } from "#host/log.ts";
import type { ServiceObject } from "../../model/core-objects.ts";
import type { BackOffLimits } from "../../reconcile/pods/back-off.ts";
import type { PodEnrolment } from "../enrolment/pod-sandbox.ts";
import type { ContainerPlace } from "../streams/start-in-container.ts";
import type { ContainerStreams } from "./container-access.ts";
import type { RootKind } from "./container-root.ts";
import type { ImageMap } from "./image-map.ts";
import type { PodAddresses } from "./pod-addresses.ts";
import type { PodEvents } from "./pod-events.ts";
import type { PodNetworks } from "./pod-network.ts";
import type { PodFolders } from "./pod-paths.ts";
import type { PodRecords } from "./pod-record.ts";
import type { VolumeHost } from "./pod-volumes.ts";

/** Attaches and detaches what makes Services' addresses work in a Pod outside the mesh. */
export interface PodServices {
  /** For a new Pod. */
  attach(cgroupPath: string): void;
  /** For one that a program before this one started: only if it still had them, for a captured Pod has none. */
  renew(cgroupPath: string): void;
}

/** See the file's opening. */
export interface KubeletHost {
  readonly libc: Libc;
  readonly poller: Poller;
  readonly clock: Clock;
  readonly log: Log;
  readonly api: KubeClient;
  readonly cgroups: CgroupMounts;
  /** Group of all Pods, below the mounts. */
  readonly cgroupPath: string;
  readonly rootKind: RootKind;
  readonly folders: PodFolders;
  /** Folders that no container sees. */
  readonly hidden: readonly string[];
  readonly node: { readonly name: string; readonly address: IpAddress; readonly resolvConf: string };
  readonly nameserver: IpAddress;
  readonly clusterDomain: string;
  readonly backOff: BackOffLimits;
  readonly images: ImageMap;
  readonly addresses: PodAddresses;
  readonly networks: PodNetworks;
  readonly records: PodRecords;
  readonly events: PodEvents;
  readonly volumes: VolumeHost;
  readonly enrolment: PodEnrolment;
  readonly services: PodServices;
  /** What the machine has, by resource. */
  readonly allocatable: Readonly<Record<string, number>>;
  /** Services whose variables a Pod of the namespace gets. */
  readonly servicesOf: (namespace: string) => readonly ServiceObject[];
  /** Starts a command in a container. */
  readonly startIn: (place: ContainerPlace, command: readonly string[]) => Promise<ContainerStreams>;
}
