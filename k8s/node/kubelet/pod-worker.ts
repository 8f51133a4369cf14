/**
 * One Pod from its binding to its end: looks at the facts, has them decided, does what is decided, tells the API, and looks again when something
 * happens. One look at a time.
 *
 *     made or found ──▶ runs: decide, start, end, tell ──▶ over (its containers have ended for good)
 *                              │                             │
 *                              └────── deletion ◀────────────┘
 *                                         ▼
 *                           ended in order, then gone
 */
import type { Timer } from "#host/clock.ts";
import { errorText } from "#host/mesh-error.ts";
import type { PodObject } from "../../model/pod.ts";
import { decideContainers } from "../../reconcile/pods/decide-containers.ts";
import { CrashEvents } from "./crash-events.ts";
import { Grace } from "./grace.ts";
import type { KubeletHost } from "./kubelet-host.ts";
import { PodHome } from "./pod-home.ts";
import { PodContainers } from "./pod-containers.ts";
import { podPaths } from "./pod-paths.ts";
import type { PodRecord } from "./pod-record.ts";
import { PodStatusWriter } from "./pod-status-writer.ts";
import type { Sandbox } from "./sandbox.ts";
import { findDeadline, isFinished, refusalOf } from "./pod-limits.ts";

/** What is left to be done when a Pod could not be furnished. */
const retryMs = 2000;
const graceSecondsDefault = 30;
const second = 1000;

/** See the file's opening. */
export class PodWorker {
  readonly #host: KubeletHost;
  readonly #containers: PodContainers;
  readonly #home: PodHome;
  readonly #status: PodStatusWriter;
  readonly #onGone: () => void;
  #pod: PodObject;
  #startedAtMs: number;
  #failure: PodRecord["failure"];
  #grace: Grace | undefined;
  #isWanted = true;
  #isOpen = true;
  #isLooking = false;
  #mustLook = false;
  #timer: Timer | undefined;
  #wakeAtMs = 0;
  readonly #crashes: CrashEvents;

  /** @param onGone told once nothing of it is left on this machine */
  constructor(host: KubeletHost, pod: PodObject, onGone: () => void) {
    this.#host = host;
    this.#pod = pod;
    this.#onGone = onGone;
    const paths = podPaths(host.folders, pod.metadata.uid);
    this.#home = new PodHome(host, paths);
    this.#startedAtMs = host.clock.nowMs();
    this.#status = new PodStatusWriter(host);
    this.#crashes = new CrashEvents(host.events);
    this.#containers = new PodContainers({
      host,
      paths,
      pod: () => this.#pod,
      context: () => this.#home.context(this.#pod),
      record: (event) => host.events.record(this.#pod, event),
      onChange: () => this.look(),
    });
  }

  get containers(): PodContainers {
    return this.#containers;
  }

  get sandbox(): Sandbox | undefined {
    return this.#home.sandbox;
  }

  /** What is known of it. */
  report(): unknown {
    const { uid } = this.#pod.metadata;
    return { uid, pod: this.#name(), address: this.sandbox?.address, containers: this.#containers.facts() };
  }

  /** Begins: with what an earlier program kept, if there is a record. */
  open(record: PodRecord | undefined): void {
    if (record === undefined) this.#containers.inherit(this.#pod, this.#startedAtMs);
    else this.#adopt(record);
    this.look();
  }

  /** The Pod as it is now. */
  update(pod: PodObject): void {
    this.#pod = pod;
    this.#home.markStale();
    this.#grace?.shorten(this.#graceMs());
    this.look();
  }

  /** An object that it shows has changed. */
  refresh(): void {
    this.#home.markStale();
    this.look();
  }

  /** The API has it no more: it ends at once. */
  remove(): void {
    this.#isWanted = false;
    this.#grace?.shorten(0);
    this.look();
  }

  /** Lets it run on without this program. */
  close(): void {
    this.#isOpen = false;
    this.#timer?.cancel();
    this.#grace?.close();
    this.#containers.letGo();
    this.#home.close();
  }

  /** Looks at the facts soon. */
  look(): void {
    this.#mustLook = true;
    if (this.#isLooking || !this.#isOpen) return;
    this.#isLooking = true;
    queueMicrotask(() => void this.#lookOn());
  }

  async #lookOn(): Promise<void> {
    while (this.#mustLook && this.#isOpen) {
      this.#mustLook = false;
      this.#timer?.cancel();
      this.#timer = undefined;
      try {
        await this.#step();
      } catch (error) {
        this.#host.log.warn("Pod not looked after", { pod: this.#name(), error: errorText(error) });
        this.#later(retryMs);
      }
    }
    this.#isLooking = false;
  }

  async #step(): Promise<void> {
    if (!this.#isWanted || this.#pod.metadata.deletionTimestamp !== undefined) return this.#finish();
    if (isFinished(this.#pod)) return this.#release();
    this.#failure ??= refusalOf(this.#pod) ?? this.#findLateness();
    if (this.#failure !== undefined) {
      if (this.sandbox !== undefined) await this.#containers.endAll(this.#newGrace());
      await this.#tell();
      return this.#release();
    }
    if (!(await this.#furnish())) return;
    const isOver = await this.#runContainers();
    this.#keep();
    await this.#tell();
    if (isOver) await this.#release();
  }

  /** Has what containers need. @returns false when something is missing; it is tried again */
  async #furnish(): Promise<boolean> {
    const problem = await this.#home.furnish(this.#pod, () => this.#keep());
    if (problem === undefined) return true;
    this.#host.events.record(this.#pod, { type: "Warning", ...problem });
    this.#later(retryMs);
    await this.#tell();
    // Containers that run already are looked after though their volumes cannot be shown anew.
    return problem.reason === "FailedMount" && this.#containers.isAnyLive;
  }

  async #runContainers(): Promise<boolean> {
    const { clock, backOff } = this.#host;
    const nowMs = clock.nowMs();
    const restartPolicy = this.#pod.spec.restartPolicy ?? "Always";
    const facts = this.#containers.facts();
    const decision = decideContainers({ restartPolicy, containers: facts, nowMs, backOff });
    for (const { name, why } of decision.end) void this.#containers.find(name)?.end(why, this.#newGrace());
    await Promise.all(decision.start.map((name) => this.#start(name)));
    if (decision.wakeAtMs !== undefined) this.#later(decision.wakeAtMs - nowMs);
    this.#watchDeadline(nowMs);
    this.#crashes.tell(this.#pod, this.#containers.facts(), decision.start);
    return decision.isOver;
  }

  async #start(name: string): Promise<void> {
    await this.#containers.find(name)?.start();
  }

  #watchDeadline(nowMs: number): void {
    const deadlineMs = findDeadline(this.#pod, this.#startedAtMs);
    if (deadlineMs !== undefined) this.#later(deadlineMs - nowMs);
  }

  #findLateness(): PodRecord["failure"] {
    const deadlineMs = findDeadline(this.#pod, this.#startedAtMs);
    if (deadlineMs === undefined || this.#host.clock.nowMs() < deadlineMs) return undefined;
    const message = "Pod was active on the node longer than the specified deadline";
    this.#host.events.record(this.#pod, { type: "Normal", reason: "DeadlineExceeded", message });
    return { reason: "DeadlineExceeded", message };
  }

  /** Ends it in order, tells how, and has the API forget it. */
  async #finish(): Promise<void> {
    const graceMs = this.#isWanted ? this.#graceMs() : 0;
    this.#grace ??= new Grace(this.#host.clock, graceMs);
    if (this.sandbox !== undefined) await this.#containers.endAll(this.#grace);
    this.#grace.close();
    if (this.#isWanted) await this.#tell();
    await this.#release();
    const { uid } = this.#pod.metadata;
    if (this.#isWanted) await this.#status.forget(this.#pod);
    this.#home.remove(this.#pod);
    this.#host.records.remove(uid);
    this.#isOpen = false;
    this.#onGone();
  }

  /** Gives back what only containers need; what tells of them stays. */
  async #release(): Promise<void> {
    if (!(await this.#home.release(this.#pod))) return;
    this.#keep();
    if (this.#isWanted) await this.#tell();
  }

  #tell(): Promise<void> {
    return this.#status.write({
      pod: this.#pod,
      containers: this.#containers.facts(),
      hasSandbox: this.sandbox !== undefined,
      address: this.sandbox?.address ?? this.#pod.status?.podIP,
      startedAtMs: this.#startedAtMs,
      failure: this.#failure,
    });
  }

  #adopt(record: PodRecord): void {
    this.#startedAtMs = record.startedAtMs;
    this.#failure = record.failure;
    const isHere = !record.hasSandbox || this.#home.find(this.#pod, record.address);
    if (isHere) this.#containers.adopt(record.containers);
    else this.#containers.inherit(this.#pod, this.#host.clock.nowMs());
  }

  #keep(): void {
    const { uid, namespace, name } = this.#pod.metadata;
    this.#host.records.write({
      uid,
      namespace,
      name,
      hasSandbox: this.sandbox !== undefined,
      address: this.sandbox?.network === undefined ? undefined : this.sandbox.address,
      startedAtMs: this.#startedAtMs,
      failure: this.#failure,
      containers: this.#containers.records(),
    });
  }

  #graceMs(): number {
    const { metadata, spec } = this.#pod;
    const seconds = metadata.deletionGracePeriodSeconds ?? spec.terminationGracePeriodSeconds;
    return (seconds ?? graceSecondsDefault) * second;
  }

  #newGrace(): Grace {
    const seconds = this.#pod.spec.terminationGracePeriodSeconds ?? graceSecondsDefault;
    return new Grace(this.#host.clock, seconds * second);
  }

  /** Looks again then, unless something makes it look earlier. */
  #later(delayMs: number): void {
    const atMs = this.#host.clock.monotonicMs() + Math.max(0, delayMs);
    if (this.#timer !== undefined && this.#wakeAtMs <= atMs) return;
    this.#timer?.cancel();
    this.#wakeAtMs = atMs;
    this.#timer = this.#host.clock.after(Math.max(0, delayMs), () => this.look());
  }

  #name(): string {
    return `${this.#pod.metadata.namespace}/${this.#pod.metadata.name}`;
  }
}
