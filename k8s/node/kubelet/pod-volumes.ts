/** The volumes of a Pod on disk: made before its first container, filled again when what they show changes, removed with it. */
import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { Clock } from "#host/clock.ts";
import { closeFd, type Libc } from "#host/linux/libc.ts";
import { MeshError } from "#host/mesh-error.ts";
import type { Container, VolumeMount } from "../../model/container.ts";
import type { PodObject } from "../../model/pod.ts";
import type { Volume } from "../../model/volume.ts";
import { expandVariables } from "../../reconcile/pods/expand.ts";
import type { PodPlace } from "../../reconcile/pods/pod-fields.ts";
import { parseQuantity } from "../../reconcile/pods/quantity.ts";
import {
  defaultModeOf,
  volumeFiles,
  type VolumeFiles,
  type VolumeSources,
} from "../../reconcile/pods/volume-files.ts";
import { writeAtomicFolder } from "./atomic-folder.ts";
import type { RootMount } from "./container-root.ts";
import { openTree } from "./detached-tree.ts";
import type { ObjectCache } from "./object-cache.ts";
import { fieldReaders, gatherObjects, namedObjects } from "./pod-objects.ts";
import type { PodPaths } from "./pod-paths.ts";
import type { ServiceAccountTokens } from "./service-account-tokens.ts";

/** What volumes are made with. */
export interface VolumeHost {
  readonly libc: Libc;
  readonly clock: Clock;
  readonly objects: ObjectCache;
  readonly tokens: ServiceAccountTokens;
  /** Folders of the machine that Pods may have as they are; usually none. */
  readonly hostPaths: readonly string[];
}

const tmpfsFlags = 2 | 4; // no set-uid programs, no devices
const detach = 2;
const memoryBytesDefault = 64 << 20;

/** See the file's opening. */
export class PodVolumes {
  readonly #host: VolumeHost;
  readonly #paths: PodPaths;
  /** Digest of what each volume shows. */
  readonly #shown = new Map<string, string>();

  constructor(host: VolumeHost, paths: PodPaths) {
    this.#host = host;
    this.#paths = paths;
  }

  /** Makes and fills all of them, or what has changed of them. @throws Error naming the volume that cannot be made, and why */
  async prepare(pod: PodObject, place: PodPlace): Promise<void> {
    this.#mountMemory(this.#sharedMemory(), memoryBytesDefault);
    chmodSync(this.#sharedMemory(), 0o1777);
    for (const volume of pod.spec.volumes ?? []) {
      try {
        await this.#prepareOne(pod, place, volume);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        throw new MeshError(
          "unavailable",
          `MountVolume.SetUp failed for volume "${volume.name}" : ${why}`,
          error,
        );
      }
    }
  }

  /** The volumes of a container as trees, which are the caller's to close. @throws Error naming the mount that cannot be made */
  openMounts(pod: PodObject, container: Container, env: ReadonlyMap<string, string>): RootMount[] {
    const shared = openTree(this.#host.libc, this.#sharedMemory(), { isReadOnly: false });
    const opened: RootMount[] = [{ treeFd: shared, target: "/dev/shm", isFolder: true }];
    try {
      for (const mount of container.volumeMounts ?? []) opened.push(this.#openMount(pod, mount, env));
      return opened;
    } catch (error) {
      for (const { treeFd } of opened) closeFd(this.#host.libc, treeFd);
      throw error;
    }
  }

  /** Removes all of them. */
  remove({ metadata }: PodObject): void {
    this.#host.objects.release(metadata.uid);
    this.#host.tokens.forget(metadata.uid);
    removeVolumes(this.#host.libc, this.#paths.volumes);
  }

  /** One for all containers of the Pod; no volume can have its name. */
  #sharedMemory(): string {
    return join(this.#paths.volumes, "..shm");
  }

  async #prepareOne(pod: PodObject, place: PodPlace, volume: Volume): Promise<void> {
    if (volume.hostPath !== undefined) return this.#checkHostPath(volume.hostPath.path);
    const folder = join(this.#paths.volumes, volume.name);
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    if (volume.emptyDir !== undefined) return this.#makeEmpty(pod, folder, volume.emptyDir);
    const sources = await this.#gather(pod, place, volume);
    const files = volumeFiles(volume, sources);
    if (files === undefined) throw new Error(`this node has no volumes of its kind: ${kindOf(volume)}`);
    if (!files.ok) throw new Error(files.error);
    // What may be secret is only in memory.
    if (volume.secret !== undefined || volume.projected !== undefined)
      this.#mountMemory(folder, memoryBytesDefault);
    this.#show(volume, folder, files.value, pod.spec.securityContext?.fsGroup);
  }

  async #gather(pod: PodObject, place: PodPlace, volume: Volume): Promise<VolumeSources> {
    const objects = await gatherObjects(this.#host.objects, pod, namedObjects(volume));
    const tokens = new Map<string, string>();
    for (const { serviceAccountToken } of volume.projected?.sources ?? []) {
      if (serviceAccountToken === undefined) continue;
      const { path, audience, expirationSeconds = 3600 } = serviceAccountToken;
      tokens.set(path, await this.#host.tokens.get(pod, { audience, expirationSeconds }));
    }
    return {
      configMap: (name) => objects.configMaps.get(name),
      secret: (name) => objects.secrets.get(name),
      token: (path) => tokens.get(path),
      ...fieldReaders(pod, place),
    };
  }

  #show(volume: Volume, folder: string, files: VolumeFiles, gid: number | undefined): void {
    const digest = digestOf(files);
    if (this.#shown.get(volume.name) === digest) return;
    const version = `${Math.floor(this.#host.clock.nowMs())}_${digest.slice(0, 8)}`;
    writeAtomicFolder(folder, files, { mode: defaultModeOf(volume), gid, version });
    this.#shown.set(volume.name, digest);
  }

  #makeEmpty(pod: PodObject, folder: string, { medium, sizeLimit }: NonNullable<Volume["emptyDir"]>): void {
    if (medium === "Memory") this.#mountMemory(folder, parseQuantity(sizeLimit) ?? memoryBytesDefault);
    const group = pod.spec.securityContext?.fsGroup;
    if (group !== undefined) chownSync(folder, 0, group);
    chmodSync(folder, group === undefined ? 0o777 : 0o2777);
  }

  #mountMemory(folder: string, bytesMax: number): void {
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    if (isMounted(folder)) return;
    const settings = text(`mode=755,size=${Math.ceil(bytesMax)}`);
    const what = `Cannot mount memory at ${folder}`;
    this.#host.libc.call(what, "mount", text("tmpfs"), text(folder), text("tmpfs"), tmpfsFlags, settings);
  }

  #checkHostPath(path: string): void {
    if (!this.#isAllowed(path)) {
      throw new Error(
        `hostPath ${path} is not given to Pods of this node: its machine is shared; start it with --host-paths ${path} to allow it`,
      );
    }
    if (!existsSync(path)) throw new Error(`hostPath ${path} does not exist`);
  }

  #isAllowed(path: string): boolean {
    const isPlain = path.startsWith("/") && !path.split("/").includes("..");
    return (
      isPlain && this.#host.hostPaths.some((allowed) => path === allowed || path.startsWith(`${allowed}/`))
    );
  }

  #openMount(pod: PodObject, mount: VolumeMount, env: ReadonlyMap<string, string>): RootMount {
    const volume = (pod.spec.volumes ?? []).find(({ name }) => name === mount.name);
    if (volume === undefined) throw new Error(`no volume is named "${mount.name}"`);
    const source = volume.hostPath?.path ?? join(this.#paths.volumes, volume.name);
    const below = mount.subPathExpr === undefined ? mount.subPath : expandVariables(mount.subPathExpr, env);
    if (below !== undefined && below !== "") makeSubPath(source, below);
    const isReadOnly = mount.readOnly === true || isMadeFromObjects(volume);
    const treeFd = openTree(this.#host.libc, source, {
      isReadOnly,
      ...(below === undefined || below === "" ? {} : { below }),
    });
    return { treeFd, target: mount.mountPath, isFolder: statSync(`/proc/self/fd/${treeFd}`).isDirectory() };
  }
}

/** Removes a folder of volumes, whatever of them is mounted. */
export function removeVolumes(libc: Libc, folder: string): void {
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const volume = join(folder, name);
    if (isMounted(volume)) libc.attempt("umount2", text(volume), detach);
  }
  rmSync(folder, { recursive: true, force: true });
}

/** A folder of an emptyDir that a container names before it exists. */
function makeSubPath(source: string, below: string): void {
  if (below.startsWith("/") || below.split("/").includes(".."))
    throw new Error(`subPath "${below}" leads out of its volume`);
  if (existsSync(join(source, below)) || existsSync(join(source, "..data"))) return;
  const parent = join(source, dirname(below));
  // A container may have put a link on the way that leads out of the volume.
  if (!existsSync(parent) || !`${realpathSync(parent)}/`.startsWith(`${realpathSync(source)}/`)) return;
  mkdirSync(join(source, below), { mode: 0o777 });
}

function isMadeFromObjects({ configMap, secret, downwardAPI, projected }: Volume): boolean {
  return (configMap ?? secret ?? downwardAPI ?? projected) !== undefined;
}

function kindOf(volume: Volume): string {
  return Object.keys(volume).find((key) => key !== "name") ?? "none";
}

function digestOf(files: VolumeFiles): string {
  const hash = createHash("sha256");
  for (const [path, { bytes, mode }] of files) {
    hash.update(`${path}\0${mode ?? ""}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest("hex");
}

/** Whether something is mounted at a folder, told by its device being another than its parent's. */
function isMounted(folder: string): boolean {
  return existsSync(folder) && statSync(folder).dev !== statSync(dirname(folder)).dev;
}

function text(value: string): Uint8Array {
  return Buffer.from(`${value}\0`);
}
