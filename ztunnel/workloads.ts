/** The workloads that this ztunnel serves, by uid: begun, given their identity, and ended one by one. */
import { readlinkSync } from "node:fs";
import type { IpAddress } from "#core/address/ip.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import type { Assign } from "#core/proto/istio/zds_pb.js";
import { closeFd } from "#host/linux/libc.ts";
import { MeshError } from "#host/mesh-error.ts";
import type { DnsUpstream } from "#host/dns/dns-upstream.ts";
import {
  type LocalPlace,
  type LocalWorkload,
  makeKnownWorkload,
  makeSlotWorkload,
  type SlotWorkload,
} from "./local-workload.ts";
import type { Parts } from "./parts.ts";
import { reachOfSlot } from "./reach.ts";
import { type ServedWorkload, serveWorkload } from "./serve-workload.ts";

/** A slot as the node hands it over; its descriptors pass to us. */
export interface PreparedSlot {
  readonly uid: string;
  readonly address: IpAddress;
  readonly nameserver: IpAddress;
  readonly namespaceFd: number;
  readonly mapFd: number;
}

interface Entry {
  readonly served: ServedWorkload;
  readonly slot: SlotWorkload | undefined;
  readonly address: IpAddress;
  /** The kernel's name of its namespace. */
  readonly namespace: string;
  readonly fds: number[];
}

/** The table. */
export interface Workloads {
  readonly size: number;
  readonly uids: readonly string[];
  readonly all: readonly LocalWorkload[];
  /** Of those that have one. */
  readonly identities: readonly SpiffeId[];
  /** Serves a slot; one that is served already gets its capture back. @throws when it cannot be served. */
  prepare(slot: PreparedSlot): void;
  /** Gives a slot its identity. @throws MeshError `not-found`. */
  assign(message: Assign): void;
  /** Serves a workload that the mesh knows by its address. @throws when it cannot be served. */
  serveKnown(slot: PreparedSlot): void;
  remove(uid: string): void;
  /** Takes no more connections. */
  drain(): void;
  close(reason: string): void;
}

/** Makes an empty table. */
export function makeWorkloads(parts: Parts, upstream: DnsUpstream): Workloads {
  return new Table(parts, upstream);
}

class Table implements Workloads {
  readonly #parts: Parts;
  readonly #upstream: DnsUpstream;
  readonly #entries = new Map<string, Entry>();

  constructor(parts: Parts, upstream: DnsUpstream) {
    this.#parts = parts;
    this.#upstream = upstream;
  }

  get size(): number {
    return this.#entries.size;
  }

  get uids(): readonly string[] {
    return [...this.#entries.keys()];
  }

  get all(): readonly LocalWorkload[] {
    return [...this.#entries.values()].map(({ served }) => served.workload);
  }

  get identities(): readonly SpiffeId[] {
    const { snapshot } = this.#parts.mesh;
    return [...this.#entries.values()].flatMap(({ served }) => {
      const identity = served.workload.factsAt(snapshot)?.source.identity;
      return identity === undefined ? [] : [identity];
    });
  }

  prepare(slot: PreparedSlot): void {
    const known = this.#entries.get(slot.uid);
    if (known !== undefined && known.namespace === namespaceOf(slot) && known.address === slot.address) {
      known.served.capture(slot.mapFd);
      closeFd(this.#parts.libc, slot.namespaceFd);
      known.fds.push(slot.mapFd);
      return;
    }
    if (known !== undefined) this.remove(slot.uid);
    const workload = makeSlotWorkload(this.#placeOf(slot), this.#parts.config.trustDomain);
    this.#serve(slot, workload, workload);
  }

  assign(message: Assign): void {
    const slot = this.#entries.get(message.uid)?.slot;
    if (slot === undefined)
      throw new MeshError("not-found", `Cannot assign slot ${message.uid}: it is not prepared`);
    slot.assign(message);
    const { identity } = slot;
    // Held already as a rule, since the template asked for it; what follows never waits for it.
    if (identity !== undefined) this.#parts.certificates.prefetch(identity);
    this.#parts.mesh.touch();
  }

  serveKnown(slot: PreparedSlot): void {
    this.remove(slot.uid);
    this.#serve(slot, makeKnownWorkload(this.#placeOf(slot)), undefined);
  }

  remove(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return;
    this.#entries.delete(uid);
    entry.served.close("connection closed because the workload is gone");
    for (const fd of entry.fds) closeFd(this.#parts.libc, fd);
  }

  drain(): void {
    for (const { served } of this.#entries.values()) served.drain();
  }

  close(reason: string): void {
    for (const entry of this.#entries.values()) {
      entry.served.close(reason);
      for (const fd of entry.fds) closeFd(this.#parts.libc, fd);
    }
    this.#entries.clear();
  }

  #serve(slot: PreparedSlot, workload: Entry["served"]["workload"], asSlot: SlotWorkload | undefined): void {
    const { workloadsMax } = this.#parts.config;
    if (this.#entries.size >= workloadsMax) {
      throw new MeshError(
        "limit-reached",
        `Cannot serve workload ${slot.uid}: ${workloadsMax} are served already`,
      );
    }
    const { mapFd, nameserver } = slot;
    const served = serveWorkload(this.#parts, workload, { mapFd, nameserver, upstream: this.#upstream });
    this.#entries.set(slot.uid, {
      served,
      slot: asSlot,
      address: slot.address,
      namespace: namespaceOf(slot),
      fds: [slot.namespaceFd, mapFd],
    });
  }

  #placeOf({ uid, address, namespaceFd }: PreparedSlot): LocalPlace {
    const { network, node, clusterId } = this.#parts.config;
    const reach = reachOfSlot(this.#parts, { address, namespaceFd });
    return { uid, address, namespaceFd, network, node, clusterId, reach };
  }
}

function namespaceOf({ namespaceFd }: PreparedSlot): string {
  return readlinkSync(`/proc/self/fd/${namespaceFd}`);
}
