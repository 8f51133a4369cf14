/** Builds enrolment, top to bottom, and keeps the Pods that the kubelet hands over: what the API wishes of each becomes its life. */
import { join } from "node:path";
import type { MetricsRegistry } from "#host/admin/metrics.ts";
import type { Clock } from "#host/clock.ts";
import type { KubeClient } from "#host/kube/kube-client.ts";
import type { CgroupMounts } from "#host/linux/cgroup.ts";
import { listProcesses } from "#host/linux/freezer.ts";
import type { Libc } from "#host/linux/libc.ts";
import type { Poller } from "#host/linux/poller.ts";
import { watchRouting } from "#host/linux/routing-watch.ts";
import type { Log } from "#host/log.ts";
import { MeshError } from "#host/mesh-error.ts";
import { servePackets } from "#host/zds/packet-socket.ts";
import { type PodObject, redirectionAnnotation } from "../../model/pod.ts";
import { openEnrolmentMetrics, registerEnrolmentFacts } from "./enrolment-metrics.ts";
import { enrolmentNews, type PodEventSink } from "./enrolment-news.ts";
import { EnrolmentWishes } from "./enrolment-wishes.ts";
import { dropPodLink, openPinFolder, sweepPodLinks } from "./pod-link.ts";
import { PodLife, type PodLifeOptions, type PodLifeState } from "./pod-life.ts";
import type { PodEnrolment, PodSandbox } from "./pod-sandbox.ts";
import type { CapturedServices } from "./capture-pod.ts";
import { PodZds } from "./pod-zds.ts";
import { Redirections } from "./redirections.ts";

/** What enrolment is built from. */
export interface EnrolmentOptions {
  readonly libc: Libc;
  readonly poller: Poller;
  readonly clock: Clock;
  readonly log: Log;
  readonly api: KubeClient;
  readonly registry: MetricsRegistry;
  readonly events: PodEventSink;
  readonly cgroupMounts: CgroupMounts;
  /** What captured Pods do without. */
  readonly services?: CapturedServices;
  readonly runDir: string;
  /** Name of this node's object. */
  readonly node: string;
  /** Namespaces whose Pods are never taken in. */
  readonly excludedNamespaces: ReadonlySet<string>;
  /** Namespace of the mesh's own parts. */
  readonly rootNamespace: string;
}

/** A Pod of {@link OpenEnrolment.report}. */
export interface EnrolledPodReport {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly state: PodLifeState;
}

/** Enrolment that runs. */
export interface OpenEnrolment extends PodEnrolment {
  /** What has not been told whole yet by the API or to ztunnel. */
  readonly waitsFor: readonly string[];
  report(): readonly EnrolledPodReport[];
}

/** Deadline of ZDS for every request; one ztunnel that serves and a few that drain. */
const zdsLimits = { deadlineMs: 5000, connectionsMax: 8 } as const;
/** How often every Pod is looked at, a few of them at a time; changes of its rules are noticed at once. */
const look = { roundMs: 1900, sliceMs: 100 } as const;
/** A ztunnel that ends lets go of its listeners a moment after its connection; then what is captured must be refused. */
const lookAfterLossMs = [1, 5, 20, 50, 100, 200, 400] as const;
/** How long the kubelet waits for the API to speak of a Pod that it has seen there itself. */
const knownWithinMs = 5000;
const freezeTimeoutMs = 250;
const flowRulesMax = 512;
const leaveDelayMs = 250;

/** Starts it. @throws LinuxError when the kernel has no such file system for links */
export function openEnrolment(options: EnrolmentOptions): OpenEnrolment {
  const { libc, poller, clock, log, api, node, runDir, registry } = options;
  const pinFolder = join(runDir, "pods");
  openPinFolder(libc, pinFolder);
  const captured = sweepPodLinks(libc, pinFolder);
  const redirections = new Redirections({ api, clock, log });
  const wishes: EnrolmentWishes = new EnrolmentWishes({
    api,
    log,
    node,
    settings: options,
    rootNamespace: options.rootNamespace,
    onChange: ({ metadata }) => enrolment.onWish(metadata.uid),
  });
  const zds = new PodZds({
    clock,
    log,
    ...zdsLimits,
    policyKeys: (uid) => wishes.policyKeysFor(uid),
    onListeners(uid) {
      if (uid !== undefined) return enrolment.look(uid);
      for (const delayMs of lookAfterLossMs) clock.after(delayMs, () => enrolment.look(undefined));
    },
  });
  for (const uid of captured) zds.keep(uid);
  const services = options.services === undefined ? {} : { services: options.services };
  const capture = {
    libc,
    cgroupMounts: options.cgroupMounts,
    freezeTimeoutMs,
    flowRulesMax,
    ...services,
  };
  const metrics = openEnrolmentMetrics(registry);
  const news = enrolmentNews({ metrics, log, events: options.events, find: (uid) => wishes.find(uid) });
  const life = { capture, pinFolder, zds, redirections, news, clock, log, leaveDelayMs };
  const enrolment: Enrolment = new Enrolment({ life, wishes, poller });
  registerEnrolmentFacts(registry, () => ({
    enrolled: enrolment.count("capturing"),
    leaving: enrolment.count("leaving"),
    isZtunnelSynced: zds.isSynced,
  }));
  const socket = servePackets({ libc, poller, log, path: join(runDir, "pods.sock") }, (connection) =>
    zds.accept(connection),
  );
  wishes.follow();
  enrolment.start();
  let isOpen = true;
  return {
    get waitsFor() {
      return zds.isSynced ? wishes.waitsFor : [...wishes.waitsFor, "ztunnel"];
    },
    report: () => enrolment.report(),
    admit: (pod) => enrolment.admit(pod),
    forget: (uid) => enrolment.forget(uid),
    async close() {
      if (!isOpen) return;
      isOpen = false;
      wishes.close();
      enrolment.close();
      redirections.close();
      zds.close();
      socket[Symbol.dispose]();
    },
  };
}

interface EnrolmentParts {
  readonly life: PodLifeOptions;
  readonly wishes: EnrolmentWishes;
  readonly poller: Poller;
}

interface Entry {
  readonly life: PodLife;
  readonly watch: Disposable;
}

/** The Pods that were handed over. */
class Enrolment {
  readonly #parts: EnrolmentParts;
  readonly #pods = new Map<string, Entry>();
  #isOpen = true;

  constructor(parts: EnrolmentParts) {
    this.#parts = parts;
  }

  start(): void {
    const { clock } = this.#parts.life;
    let waiting: string[] = [];
    const lookAtSome = (): void => {
      if (!this.#isOpen) return;
      if (waiting.length === 0) waiting = [...this.#pods.keys()];
      const share = Math.ceil((this.#pods.size * look.sliceMs) / look.roundMs);
      for (const uid of waiting.splice(0, share)) this.look(uid);
      clock.after(look.sliceMs, lookAtSome);
    };
    clock.after(look.sliceMs, lookAtSome);
  }

  /** Looks after one Pod, or after all. */
  look(uid: string | undefined): void {
    if (uid !== undefined) this.#pods.get(uid)?.life.look();
    else for (const { life } of this.#pods.values()) life.look();
  }

  async admit(sandbox: PodSandbox): Promise<void> {
    const life = this.#lifeOf(sandbox);
    this.onWish(sandbox.uid);
    const { clock, capture } = this.#parts.life;
    const { wishes } = this.#parts;
    const isNew = listProcesses(capture.cgroupMounts, sandbox.cgroup.path).length === 0;
    if (isNew && wishes.decisionFor(sandbox.uid)?.kind === "out") await wishes.refresh(sandbox.uid);
    const late = Promise.withResolvers<never>();
    const timer = clock.after(knownWithinMs + zdsLimits.deadlineMs, () => {
      const waitsFor = wishes.waitsFor.join(", ") || "the Pod";
      const text = `Cannot admit Pod ${sandbox.namespace}/${sandbox.name}: still waiting for ${waitsFor}`;
      late.reject(new MeshError("timeout", text));
    });
    try {
      await Promise.race([life.settled(), late.promise]);
    } finally {
      timer.cancel();
    }
  }

  async forget(uid: string): Promise<void> {
    const entry = this.#pods.get(uid);
    if (entry === undefined) {
      // It may have been captured by a program before this one, and have gone while there was none.
      const { zds, capture, pinFolder } = this.#parts.life;
      zds.remove(uid);
      return dropPodLink(capture.libc, pinFolder, uid);
    }
    this.#pods.delete(uid);
    entry.watch[Symbol.dispose]();
    entry.life.end();
  }

  /** The API has said something of a Pod. */
  onWish(uid: string): void {
    const { wishes, life } = this.#parts;
    const entry = this.#pods.get(uid);
    if (entry === undefined) return;
    const pod = wishes.find(uid);
    if (pod !== undefined) life.redirections.observe(pod);
    const decision = wishes.decisionFor(uid);
    // A Pod that was made anew, or let go without a word, must not be taken for one that has tunnels.
    if (decision?.kind === "out" && entry.life.state === "plain" && isSaidToBeIn(pod))
      void life.redirections.set(entry.life.sandbox, undefined);
    entry.life.want(decision);
  }

  count(state: PodLifeState): number {
    return [...this.#pods.values()].filter(({ life }) => life.state === state).length;
  }

  report(): readonly EnrolledPodReport[] {
    return [...this.#pods.values()].map(({ life: { sandbox, state } }) => {
      const { uid, namespace, name } = sandbox;
      return { uid, namespace, name, state };
    });
  }

  close(): void {
    this.#isOpen = false;
    for (const { life, watch } of this.#pods.values()) {
      watch[Symbol.dispose]();
      life.abandon();
    }
    this.#pods.clear();
  }

  #lifeOf(sandbox: PodSandbox): PodLife {
    const known = this.#pods.get(sandbox.uid);
    if (known !== undefined) return known.life;
    const life = new PodLife(this.#parts.life, sandbox);
    const { libc } = this.#parts.life.capture;
    const watch = watchRouting(libc, this.#parts.poller, sandbox.network.fd, () => life.look());
    this.#pods.set(sandbox.uid, { life, watch });
    return life;
  }
}

function isSaidToBeIn(pod: PodObject | undefined): boolean {
  return pod?.metadata.annotations?.[redirectionAnnotation] !== undefined;
}
