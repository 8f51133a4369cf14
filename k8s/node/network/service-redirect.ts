/** Services for Pods outside the mesh: programs at their socket calls, and the maps by which these choose an endpoint. Which ones there are is decided in service-table.ts. */
import { join } from "node:path";
import { ipBytes } from "#core/address/ip.ts";
import { type BpfMap, openBpfMap } from "#host/linux/bpf-map.ts";
import type { CgroupMounts } from "#host/linux/cgroup.ts";
import {
  attachToCgroup,
  detachFromCgroup,
  isAttachedToCgroup,
  loadSocketProgram,
  type SocketCall,
} from "#host/linux/cgroup-programs.ts";
import { closeFd, type Libc } from "#host/linux/libc.ts";
import { u32s } from "#host/linux/memory.ts";
import { backProgram, type RedirectMaps, towardsProgram } from "./redirect-programs.ts";
import type { ServiceEndpoint, ServiceEntry } from "./service-table.ts";

/** See the file's opening. */
export interface ServiceRedirect extends Disposable {
  /** Makes Services' addresses work for the processes of a group. Idempotent. */
  attach(cgroupPath: string): void;
  /** Replaces what a program before this one attached; a group that had nothing attached stays without. */
  renew(cgroupPath: string): void;
  /** Lets the group's sockets go where they ask to: a captured Pod's proxy must see the Service's address. Idempotent. */
  detach(cgroupPath: string): void;
  /** Replaces what the addresses stand for. */
  update(table: ReadonlyMap<string, ServiceEntry>): void;
  close(): void;
}

const servicesMax = 16_384;
const endpointsMax = 65_536;
/** Datagram sockets and connections whose Service is remembered. */
const flowsMax = 65_536;
const protocols = { TCP: 6, UDP: 17 } as const;

/** What an entry is in the maps. */
interface Placed {
  readonly entry: ServiceEntry;
  readonly id: number;
}

/** Loads the programs. @throws LinuxError when the kernel has none of this kind */
export function openServiceRedirect(libc: Libc, mounts: Pick<CgroupMounts, "unified">): ServiceRedirect {
  const services = openBpfMap(libc, { kind: "hash", keyBytes: 12, valueBytes: 8, entriesMax: servicesMax });
  const endpoints = openBpfMap(libc, { kind: "hash", keyBytes: 8, valueBytes: 8, entriesMax: endpointsMax });
  const flows = openBpfMap(libc, { kind: "newest", keyBytes: 16, valueBytes: 8, entriesMax: flowsMax });
  const programs = loadPrograms(libc, { services: services.fd, endpoints: endpoints.fd, flows: flows.fd });
  const maps = new ServiceMaps(services, endpoints);
  const attach = (path: string): void => {
    for (const [call, fd] of programs) attachToCgroup(libc, join(mounts.unified, path), call, fd);
  };
  const close = (): void => {
    for (const fd of programs.values()) closeFd(libc, fd);
    for (const map of [services, endpoints, flows]) map.close();
  };
  return {
    attach,
    renew(path) {
      if (isAttachedToCgroup(libc, join(mounts.unified, path), "connect4")) attach(path);
    },
    detach(path) {
      for (const call of programs.keys()) detachFromCgroup(libc, join(mounts.unified, path), call);
    },
    update: (table) => maps.update(table),
    close,
    [Symbol.dispose]: close,
  };
}

function loadPrograms(libc: Libc, maps: RedirectMaps): Map<SocketCall, number> {
  const towards = (call: SocketCall, family: 4 | 6): readonly [SocketCall, number] => {
    try {
      return [call, loadSocketProgram(libc, call, towardsProgram(family, maps, "connection refused"))];
    } catch {
      // A kernel that lets no program choose the error: then it is another one.
      return [call, loadSocketProgram(libc, call, towardsProgram(family, maps, "not permitted"))];
    }
  };
  const back = (call: SocketCall, family: 4 | 6): readonly [SocketCall, number] => [
    call,
    loadSocketProgram(libc, call, backProgram(family, maps)),
  ];
  // Datagrams of an IPv6 socket to an IPv4 address pass the call of IPv4.
  return new Map([
    towards("connect4", 4),
    towards("connect6", 6),
    towards("sendMessage4", 4),
    back("receiveMessage4", 4),
    back("receiveMessage6", 6),
    back("peerName4", 4),
    back("peerName6", 6),
  ]);
}

/** The maps' content: each set of endpoints has an id of its own, so that a change is one write that leads to the new set. */
class ServiceMaps {
  readonly #services: BpfMap;
  readonly #endpoints: BpfMap;
  readonly #placed = new Map<string, Placed>();
  #nextId = 1;

  constructor(services: BpfMap, endpoints: BpfMap) {
    this.#services = services;
    this.#endpoints = endpoints;
  }

  update(table: ReadonlyMap<string, ServiceEntry>): void {
    for (const [key, entry] of table) this.#place(key, entry);
    for (const [key, placed] of this.#placed) {
      if (table.has(key)) continue;
      this.#services.remove(serviceKey(placed.entry));
      this.#drop(placed);
      this.#placed.delete(key);
    }
  }

  #place(key: string, entry: ServiceEntry): void {
    const before = this.#placed.get(key);
    if (before !== undefined && areSame(before.entry.endpoints, entry.endpoints)) return;
    const id = this.#nextId++;
    entry.endpoints.forEach((endpoint, index) =>
      this.#endpoints.set(u32s(id, index), endpointValue(endpoint)),
    );
    this.#services.set(serviceKey(entry), u32s(entry.endpoints.length, id));
    this.#placed.set(key, { entry, id });
    if (before !== undefined) this.#drop(before);
  }

  #drop({ entry, id }: Placed): void {
    entry.endpoints.forEach((_, index) => this.#endpoints.remove(u32s(id, index)));
  }
}

function areSame(a: readonly ServiceEndpoint[], b: readonly ServiceEndpoint[]): boolean {
  return (
    a.length === b.length && a.every((one, i) => one.address === b[i]?.address && one.port === b[i].port)
  );
}

function serviceKey({ address, port, protocol }: ServiceEntry): Buffer {
  return Buffer.concat([endpointValue({ address, port }), u32s(protocols[protocol])]);
}

/** Address and port in the order of the network, as programs see them. */
function endpointValue({ address, port }: ServiceEndpoint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.set(ipBytes(address), 0);
  bytes.writeUInt16BE(port, 4);
  return bytes;
}
