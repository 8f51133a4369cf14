/** The Pods that this ztunnel serves, by uid: taken, let go while their connections go on, and ended one by one. */
import { fstatSync } from "node:fs";
import type { IpAddress } from "#core/address/ip.ts";
import { formatSpiffeId, type SpiffeId } from "#core/identity/spiffe-id.ts";
import type { SnapshotChanges } from "#core/mesh/snapshot.ts";
import type { Workload } from "#core/mesh/workload.ts";
import type { Timer } from "#host/clock.ts";
import { closeFd } from "#host/linux/libc.ts";
import { MeshError } from "#host/mesh-error.ts";
import type { DnsUpstream } from "#host/dns/dns-upstream.ts";
import type { Parts } from "./parts.ts";
import { makePodWorkload, type PodNames, type PodWorkload } from "./pod-workload.ts";
import { type PodPlace, reachOfPod } from "./reach.ts";
import { type PodCapture, type ServedPod, servePod } from "./serve-pod.ts";

/** A Pod as the node hands it over; its descriptors pass to us. */
export interface EnrolledPod extends PodNames, PodCapture {
  /** Kubernetes' uid of it. */
  readonly uid: string;
  readonly address: IpAddress;
  readonly nameserver: IpAddress;
  readonly namespaceFd: number;
  /** `<namespace>/<name>` of every policy that applies. */
  readonly policyKeys: readonly string[];
}

/** The table. */
export interface Pods {
  readonly size: number;
  readonly uids: readonly string[];
  readonly all: readonly PodWorkload[];
  readonly identities: readonly SpiffeId[];
  /** Serves a Pod; one that is served already gets its capture back. @throws when it cannot be served */
  add(pod: EnrolledPod): void;
  /** The Pod leaves the mesh alive: its connections go on, and what it is served by ends after the last of them. */
  letGo(uid: string): void;
  /** The Pod is gone. */
  remove(uid: string): void;
  /** Whether a change says anew who may reach a Pod here; whether it is well, for instance, does not. */
  isConcernedBy(changes: SnapshotChanges): boolean;
  /** Takes no more connections. */
  drain(): void;
  close(reason: string): void;
}

/** Makes an empty table. @param onGone called after a Pod left the table */
export function makePods(parts: Parts, upstream: DnsUpstream, onGone: () => void): Pods {
  return new Table(parts, upstream, onGone);
}

interface Entry {
  readonly served: ServedPod;
  readonly workload: PodWorkload;
  readonly place: { -readonly [Field in keyof PodPlace]: PodPlace[Field] };
  /** The kernel's name of its namespace. */
  readonly namespace: string;
  mapFd: number;
  /** Looks whether the last connection is over; set while it leaves. */
  leaving: Timer | undefined;
  /** What of its record decides who may reach it. */
  access: string;
}

/** How often a Pod that leaves is looked at. What the capture gave us at the last moment is taken within the first. */
const leavingCheckMs = 1000;

class Table implements Pods {
  readonly #parts: Parts;
  readonly #upstream: DnsUpstream;
  readonly #onGone: () => void;
  readonly #entries = new Map<string, Entry>();
  readonly #byAddress = new Map<IpAddress, Entry>();

  constructor(parts: Parts, upstream: DnsUpstream, onGone: () => void) {
    this.#parts = parts;
    this.#upstream = upstream;
    this.#onGone = onGone;
  }

  get size(): number {
    return this.#entries.size;
  }

  get uids(): readonly string[] {
    return [...this.#entries.keys()];
  }

  get all(): readonly PodWorkload[] {
    return [...this.#entries.values()].map(({ workload }) => workload);
  }

  get identities(): readonly SpiffeId[] {
    return this.all.map(({ identity }) => identity);
  }

  add(pod: EnrolledPod): void {
    const known = this.#entries.get(pod.uid);
    if (known !== undefined && this.#isSame(known, pod)) this.#takeBack(known, pod);
    else {
      this.remove(pod.uid);
      this.#serve(pod);
    }
    // Connections may wait for what the node has said of its policies.
    this.#parts.mesh.touch();
  }

  letGo(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry === undefined || entry.leaving !== undefined) return;
    entry.place.isLeaving = true;
    const { clock, ledger } = this.#parts;
    const look = (): void => {
      if (ledger.openOf(uid) > 0) entry.leaving = clock.after(leavingCheckMs, look);
      else this.#end(uid, entry, "the workload left the mesh");
    };
    entry.leaving = clock.after(leavingCheckMs, look);
  }

  remove(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry !== undefined) this.#end(uid, entry, "connection closed because the workload is gone");
  }

  isConcernedBy({ workloads = [] }: SnapshotChanges): boolean {
    let isConcerned = false;
    for (const workload of this.#byAddress.size === 0 ? [] : workloads) {
      for (const address of workload.addresses) {
        const entry = this.#byAddress.get(address);
        const access = accessOf(workload);
        if (entry === undefined || entry.access === access) continue;
        entry.access = access;
        isConcerned = true;
      }
    }
    return isConcerned;
  }

  drain(): void {
    for (const { served } of this.#entries.values()) served.drain();
  }

  close(reason: string): void {
    for (const [uid, entry] of this.#entries) this.#end(uid, entry, reason);
  }

  #serve(pod: EnrolledPod): void {
    const { workloadsMax, trustDomain, network, node, clusterId, meshRanges } = this.#parts.config;
    if (this.#entries.size >= workloadsMax) {
      const text = `Cannot serve Pod ${pod.uid}: ${workloadsMax} are served already`;
      throw new MeshError("limit-reached", text);
    }
    const { uid, address, namespaceFd, nameserver, mapFd } = pod;
    const place = { address, namespaceFd, isLeaving: false };
    const reach = reachOfPod(this.#parts, place, meshRanges);
    const local = { uid, address, namespaceFd, network, node, clusterId, reach };
    const workload = makePodWorkload(local, pod, trustDomain);
    workload.tellPolicies(pod.policyKeys, this.#parts.mesh.snapshot);
    const served = servePod(this.#parts, workload, { nameserver, upstream: this.#upstream });
    try {
      served.capture(pod);
    } catch (error) {
      served.close("the workload could not be captured");
      throw error;
    }
    const namespace = namespaceOf(pod);
    const entry: Entry = { served, workload, place, namespace, mapFd, leaving: undefined, access: "" };
    this.#entries.set(uid, entry);
    this.#byAddress.set(address, entry);
  }

  #isSame({ workload, place, namespace }: Entry, pod: EnrolledPod): boolean {
    const { trustDomain } = this.#parts.config;
    return (
      namespace === namespaceOf(pod) &&
      place.address === pod.address &&
      workload.identity === formatSpiffeId({ trustDomain, ...pod })
    );
  }

  /** The node speaks of it again, because it started anew, its capture is another, or the Pod has come back. */
  #takeBack(entry: Entry, pod: EnrolledPod): void {
    entry.served.capture(pod);
    entry.workload.tellPolicies(pod.policyKeys, this.#parts.mesh.snapshot);
    entry.leaving?.cancel();
    entry.leaving = undefined;
    entry.place.isLeaving = false;
    closeFd(this.#parts.libc, pod.namespaceFd);
    closeFd(this.#parts.libc, entry.mapFd);
    entry.mapFd = pod.mapFd;
  }

  #end(uid: string, entry: Entry, reason: string): void {
    this.#entries.delete(uid);
    if (this.#byAddress.get(entry.place.address) === entry) this.#byAddress.delete(entry.place.address);
    entry.leaving?.cancel();
    entry.served.close(reason);
    for (const fd of [entry.place.namespaceFd, entry.mapFd]) closeFd(this.#parts.libc, fd);
    this.#onGone();
  }
}

/** Not by its path, which is another one when the node has it mounted. */
/** Its policies, and its services, whose waypoints may name callers. */
function accessOf({ policies, services, protocol }: Workload): string {
  return [protocol, ...policies, ...services.keys()].join(" ");
}

function namespaceOf({ namespaceFd }: EnrolledPod): string {
  return `net:[${fstatSync(namespaceFd).ino}]`;
}
