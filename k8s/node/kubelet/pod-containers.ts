/** The containers of one Pod together, in the order of their start. Each one's life is in container-life.ts. */
import type { PodObject } from "../../model/pod.ts";
import { type ContainerFacts, containersOf } from "../../reconcile/pods/container-facts.ts";
import { ContainerLife } from "./container-life.ts";
import type { Grace } from "./grace.ts";
import { endedRun, startedAnew } from "./inherited-run.ts";
import type { ContainerRecord } from "./pod-record.ts";
import type { PodView } from "./pod-view.ts";

/** See the file's opening. */
export class PodContainers {
  readonly #lives: ReadonlyMap<string, ContainerLife>;

  constructor(view: PodView) {
    const all = containersOf(view.pod().spec);
    this.#lives = new Map(
      all.map(({ container, role }) => [container.name, new ContainerLife(view, container, role)]),
    );
  }

  /** One of them. */
  find(name: string): ContainerLife | undefined {
    return this.#lives.get(name);
  }

  /** What is known of each. */
  facts(): ContainerFacts[] {
    return [...this.#lives.values()].map((life) => life.facts());
  }

  /** What must be found again after a restart of this program. */
  records(): Record<string, ContainerRecord> {
    return Object.fromEntries([...this.#lives].map(([name, life]) => [name, life.record()]));
  }

  /** Whether any runs. */
  get isAnyLive(): boolean {
    return [...this.#lives.values()].some(({ live }) => live !== undefined);
  }

  /** Takes over what an earlier program kept. */
  adopt(records: Readonly<Record<string, ContainerRecord>>): void {
    for (const [name, record] of Object.entries(records)) this.#lives.get(name)?.adopt(record);
  }

  /** Takes over what the API knows of runs that did not outlive the machine's last mesh. */
  inherit({ spec, status }: PodObject, nowMs: number): void {
    // Init containers make anew what the Pod has lost, so that the others wait for them as at first.
    const isWhole =
      spec.restartPolicy === "Never" || ![...this.#lives.values()].some(({ role }) => role === "init");
    const statuses = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
    for (const one of statuses) {
      if (one.containerID === undefined) continue;
      const known = isWhole ? endedRun(one, nowMs) : startedAnew(one);
      this.#lives.get(one.name)?.inherit(known);
    }
  }

  /** Ends all, sidecars last and in the opposite order of their start. */
  async endAll(grace: Grace): Promise<void> {
    const end = ([name, life]: [string, ContainerLife]): Promise<void> =>
      life.end(`Stopping container ${name}`, grace);
    const all = [...this.#lives];
    await Promise.all(all.filter((one) => !isSidecar(one)).map(end));
    for (const one of all.filter(isSidecar).toReversed()) await end(one);
  }

  /** Lets them run on without this program. */
  letGo(): void {
    for (const { live } of this.#lives.values()) live?.letGo();
  }
}

function isSidecar([, { role }]: [string, ContainerLife]): boolean {
  return role === "sidecar";
}
