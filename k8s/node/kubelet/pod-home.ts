/** What a Pod has on this machine besides its containers: sandbox, admission to the mesh, volumes; made in that order, given back in the opposite one. */
import { rmSync } from "node:fs";
import type { IpAddress } from "#core/address/ip.ts";
import { errorText } from "#host/mesh-error.ts";
import type { PodObject } from "../../model/pod.ts";
import type { PlanContext } from "./container-plan.ts";
import type { KubeletHost } from "./kubelet-host.ts";
import type { PodPaths } from "./pod-paths.ts";
import { PodVolumes } from "./pod-volumes.ts";
import { closeSandbox, findSandbox, openSandbox, type Sandbox, sandboxOf } from "./sandbox.ts";

/** What could not be made, by the Event's reason. */
export interface HomeProblem {
  readonly reason: "FailedCreatePodSandBox" | "FailedEnrolment" | "FailedMount";
  readonly message: string;
}

/** See the file's opening. */
export class PodHome {
  readonly #host: KubeletHost;
  readonly #paths: PodPaths;
  readonly #volumes: PodVolumes;
  #sandbox: Sandbox | undefined;
  #isAdmitted = false;
  #areVolumesStale = true;

  constructor(host: KubeletHost, paths: PodPaths) {
    this.#host = host;
    this.#paths = paths;
    this.#volumes = new PodVolumes(host.volumes, paths);
  }

  get sandbox(): Sandbox | undefined {
    return this.#sandbox;
  }

  /** The Pod, or something that its volumes show, has changed. */
  markStale(): void {
    this.#areVolumesStale = true;
  }

  /** Makes what is missing; undefined once nothing is. @param onSandbox told when a sandbox was made, before anything lives in it */
  async furnish(pod: PodObject, onSandbox: () => void): Promise<HomeProblem | undefined> {
    let reason: HomeProblem["reason"] = "FailedCreatePodSandBox";
    try {
      if (this.#sandbox === undefined) {
        this.#sandbox = openSandbox(this.#host, pod, this.#paths);
        onSandbox();
      }
      reason = "FailedEnrolment";
      await this.#admit(pod, this.#sandbox);
      reason = "FailedMount";
      if (this.#areVolumesStale) await this.#fill(pod);
      return undefined;
    } catch (error) {
      return { reason, message: errorText(error) };
    }
  }

  /** Takes over the sandbox that an earlier program made. @returns whether it is there */
  find(pod: PodObject, address: IpAddress | undefined): boolean {
    this.#sandbox = findSandbox(this.#host, pod, this.#paths, address);
    return this.#sandbox !== undefined;
  }

  /** Gives back what only containers need. @returns whether there was anything */
  async release({ metadata }: PodObject): Promise<boolean> {
    const sandbox = this.#sandbox;
    if (sandbox === undefined) return false;
    await this.#host.enrolment.forget(metadata.uid);
    await closeSandbox(this.#host, metadata.uid, sandbox);
    this.#sandbox = undefined;
    this.#isAdmitted = false;
    return true;
  }

  /** Removes all that the Pod has on disk. */
  remove(pod: PodObject): void {
    this.#volumes.remove(pod);
    for (const folder of [this.#paths.folder, this.#paths.runFolder]) {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /** What containers are planned with. @throws Error when there is no sandbox */
  context(pod: PodObject): PlanContext {
    const sandbox = this.#sandbox;
    if (sandbox === undefined)
      throw new Error(`Cannot run containers of Pod ${pod.metadata.name}: it has no sandbox`);
    const { node, allocatable } = this.#host;
    return {
      host: this.#host,
      pod,
      place: { address: sandbox.address, hostIP: node.address, node: node.name, allocatable },
      paths: this.#paths,
      volumes: this.#volumes,
      networkFd: sandbox.network?.fd,
    };
  }

  /** Lets go of what this program holds of it; it stays. */
  close(): void {
    this.#sandbox?.network?.close();
  }

  async #admit(pod: PodObject, sandbox: Sandbox): Promise<void> {
    if (this.#isAdmitted) return;
    const told = sandboxOf(this.#host, pod, sandbox);
    if (told !== undefined) await this.#host.enrolment.admit(told);
    this.#isAdmitted = true;
  }

  async #fill(pod: PodObject): Promise<void> {
    this.#areVolumesStale = false;
    try {
      await this.#volumes.prepare(pod, this.context(pod).place);
    } catch (error) {
      this.#areVolumesStale = true;
      throw error;
    }
  }
}
