/** The kubelet: follows the Pods that are bound to this node and keeps a worker for each; finds its Pods again after a restart. */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { openCgroup } from "#host/linux/cgroup.ts";
import { errorText } from "#host/mesh-error.ts";
import type { ObjectEvent } from "#host/kube/kube-client.ts";
import { instanceAnnotation, type PodObject, podResource } from "../../model/pod.ts";
import type { KubeletHost } from "./kubelet-host.ts";
import { podPaths } from "./pod-paths.ts";
import type { PodRecord } from "./pod-record.ts";
import { removeVolumes } from "./pod-volumes.ts";
import { PodWorker } from "./pod-worker.ts";
import { podCgroupPath } from "./sandbox.ts";

const removeMs = 5000;

/** See the file's opening. */
export class Kubelet {
  readonly #host: KubeletHost;
  readonly #workers = new Map<string, PodWorker>();
  readonly #records: Map<string, PodRecord>;
  readonly #ending = new AbortController();
  #isSynced = false;

  constructor(host: KubeletHost) {
    this.#host = host;
    this.#records = new Map(host.records.readAll().map((record) => [record.uid, record]));
    // Before any address is given out: what runs keeps its own.
    for (const { address } of this.#records.values()) if (address !== undefined) host.addresses.keep(address);
  }

  /** Whether it knows every Pod of this node. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  /** How many Pods it looks after. */
  get size(): number {
    return this.#workers.size;
  }

  /** The worker of a Pod. */
  find(uid: string): PodWorker | undefined {
    return this.#workers.get(uid);
  }

  /** What it holds, for whoever looks into the program. */
  report(): readonly unknown[] {
    return [...this.#workers.values()].map((worker) => worker.report());
  }

  /** Begins to follow the API. */
  start(): void {
    const { api, log } = this.#host;
    api.watch(podResource, {
      onEvent: (event) => this.#onEvent(event),
      onSync: () => this.#onSync(),
      onError: (error) => log.warn("cannot follow the API", { kind: "Pod", error: errorText(error) }),
      signal: this.#ending.signal,
    });
  }

  /** An object that Pods of that uid show has changed. */
  refresh(uid: string): void {
    this.#workers.get(uid)?.refresh();
  }

  /** Lets every Pod run on without this program. */
  close(): void {
    this.#ending.abort();
    for (const worker of this.#workers.values()) worker.close();
  }

  #onEvent({ type, object }: ObjectEvent<PodObject>): void {
    const { uid } = object.metadata;
    const known = this.#workers.get(uid);
    if (type === "DELETED") {
      known?.remove();
      return;
    }
    if (known !== undefined) {
      known.update(object);
      return;
    }
    const isOurs = object.spec.nodeName === this.#host.node.name;
    if (!isOurs || object.metadata.annotations?.[instanceAnnotation] !== undefined) return;
    const worker = new PodWorker(this.#host, object, () => this.#workers.delete(uid));
    this.#workers.set(uid, worker);
    const record = this.#records.get(uid);
    this.#records.delete(uid);
    worker.open(record);
  }

  /** What is here of Pods that the API does not have was deleted, or half made, while nobody looked. */
  #onSync(): void {
    for (const [uid, { address }] of this.#records) {
      if (address !== undefined && !this.#workers.has(uid)) this.#host.addresses.release(address);
    }
    this.#records.clear();
    for (const uid of this.#found()) if (!this.#workers.has(uid)) void this.#clear(uid);
    this.#isSynced = true;
  }

  /** Everything that looks like a Pod's on this machine. */
  #found(): ReadonlySet<string> {
    const { cgroups, cgroupPath, networks, records, folders } = this.#host;
    const groups = openCgroup(cgroups, cgroupPath).children();
    const recorded = records.readAll().map(({ uid }) => uid);
    const onDisk = existsSync(folders.data) ? readdirSync(folders.data) : [];
    return new Set([...groups, ...recorded, ...networks.uids(), ...onDisk]);
  }

  async #clear(uid: string): Promise<void> {
    const { libc, cgroups, networks, records, enrolment, folders, log } = this.#host;
    try {
      const group = openCgroup(cgroups, podCgroupPath(this.#host, uid));
      group.kill();
      await enrolment.forget(uid);
      await group.remove(removeMs);
      networks.remove(uid);
      const paths = podPaths(folders, uid);
      removeVolumes(libc, paths.volumes);
      for (const folder of [paths.folder, paths.runFolder]) rmSync(folder, { recursive: true, force: true });
      records.remove(uid);
      log.info("Pod cleared", { uid, reason: "it was deleted while this program was away" });
    } catch (error) {
      log.warn("Pod not cleared", { uid, error: errorText(error) });
    }
  }
}
