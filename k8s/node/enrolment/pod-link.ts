/** A Pod's capture program and its map of listeners, under names that outlive this program. What the program does is in host/linux/pod-lookup.ts. */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { attachLookup, createSocketMap, loadLookupProgram } from "#host/linux/bpf.ts";
import {
  attachedNamespace,
  holdsSocket,
  mountPins,
  openPinned,
  pinObject,
  replaceProgram,
} from "#host/linux/bpf-pins.ts";
import { closeFd, type Libc } from "#host/linux/libc.ts";
import type { NetworkNamespace } from "#host/linux/namespaces.ts";
import { type CapturedPod, podProgram } from "#host/linux/pod-lookup.ts";
import { podListeners } from "#host/linux/pod-marks.ts";

/** A Pod's map, and its program once attached. */
export interface PodLink {
  readonly mapFd: number;
  /** Attaches the program, or puts it in the place of the one that is; @returns whether there was none. */
  attach(network: NetworkNamespace, pod: CapturedPod): boolean;
  /** Whether the program is attached to the namespace. */
  isAttached(network: NetworkNamespace): boolean;
  isAttachedAnywhere(): boolean;
  /** Whether ztunnel's listeners stand in the map. */
  hasListeners(): boolean;
  /** Ends the capture: connections meet the Pod again. */
  detach(): void;
  /** Lets go of it; it stays as it is. */
  close(): void;
}

/** Prepares the folder in which links have their names; one that is there already is taken as it is. */
export function openPinFolder(libc: Libc, folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (!isPinFolder(libc, folder)) mountPins(libc, folder);
}

/** Opens a Pod's map, or makes it; nothing is attached by that. */
export function openPodLink(libc: Libc, folder: string, uid: string): PodLink {
  return new Link(libc, join(folder, `${uid}-link`), join(folder, `${uid}-map`));
}

/**
 * Removes the names of what captures nothing any more, because the namespace is gone or nothing was attached.
 * @returns the Pods that are captured
 */
export function sweepPodLinks(libc: Libc, folder: string): string[] {
  const uids = new Set(readdirSync(folder).flatMap((name) => /^(.*)-(?:link|map)$/.exec(name)?.[1] ?? []));
  return [...uids].filter((uid) => {
    const link = openPodLink(libc, folder, uid);
    const isAttached = link.isAttachedAnywhere();
    if (!isAttached) link.detach();
    link.close();
    return isAttached;
  });
}

/** Removes what a program before this one left of a Pod. */
export function dropPodLink(libc: Libc, folder: string, uid: string): void {
  const link = openPodLink(libc, folder, uid);
  link.detach();
  link.close();
}

class Link implements PodLink {
  readonly mapFd: number;
  readonly #libc: Libc;
  readonly #linkPath: string;
  readonly #mapPath: string;
  #linkFd: number | undefined;

  constructor(libc: Libc, linkPath: string, mapPath: string) {
    this.#libc = libc;
    this.#linkPath = linkPath;
    this.#mapPath = mapPath;
    this.mapFd = openPinned(libc, mapPath) ?? this.#makeMap();
    this.#linkFd = openPinned(libc, linkPath);
  }

  attach(network: NetworkNamespace, pod: CapturedPod): boolean {
    const program = loadLookupProgram(this.#libc, podProgram(this.mapFd, pod));
    try {
      if (this.#linkFd !== undefined && this.isAttached(network)) {
        replaceProgram(this.#libc, this.#linkFd, program);
        return false;
      }
      const made = attachLookup(this.#libc, program, network.fd);
      this.#dropLink();
      this.#linkFd = made;
      pinObject(this.#libc, made, this.#linkPath);
      return true;
    } finally {
      closeFd(this.#libc, program);
    }
  }

  isAttached(network: NetworkNamespace): boolean {
    const fd = this.#linkFd;
    return fd !== undefined && attachedNamespace(this.#libc, fd) === inodeOf(network);
  }

  isAttachedAnywhere(): boolean {
    return this.#linkFd !== undefined && attachedNamespace(this.#libc, this.#linkFd) !== undefined;
  }

  hasListeners(): boolean {
    return Object.values(podListeners).every((slot) => holdsSocket(this.#libc, this.mapFd, slot));
  }

  detach(): void {
    this.#dropLink();
    rmSync(this.#mapPath, { force: true });
  }

  close(): void {
    if (this.#linkFd !== undefined) closeFd(this.#libc, this.#linkFd);
    this.#linkFd = undefined;
    closeFd(this.#libc, this.mapFd);
  }

  #dropLink(): void {
    rmSync(this.#linkPath, { force: true });
    if (this.#linkFd !== undefined) closeFd(this.#libc, this.#linkFd);
    this.#linkFd = undefined;
  }

  #makeMap(): number {
    const fd = createSocketMap(this.#libc, Object.keys(podListeners).length);
    pinObject(this.#libc, fd, this.#mapPath);
    return fd;
  }
}

/** The kernel's number of a namespace, out of a name such as `net:[4026531840]`. */
function inodeOf({ id }: NetworkNamespace): number {
  return Number(/\[(\d+)\]/.exec(id)?.[1] ?? Number.NaN);
}

function isPinFolder(libc: Libc, folder: string): boolean {
  const facts = Buffer.alloc(120);
  libc.call(`Cannot ask about the file system of ${folder}`, "statfs", Buffer.from(`${folder}\0`), facts);
  return facts.readUInt32LE(0) === pinFileSystem;
}

/** BPF_FS_MAGIC (linux/magic.h). */
const pinFileSystem = 0xcafe4a11;
