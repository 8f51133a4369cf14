/** One container of a Pod through all its runs: started, watched, ended, found again. Whether it is to run is decided elsewhere. */
import { rmSync } from "node:fs";
import { adoptProcess, readStartTicks } from "#host/linux/adopted-process.ts";
import { errorText } from "#host/mesh-error.ts";
import type { Container } from "../../model/container.ts";
import { type BackOff, nextBackOff } from "../../reconcile/pods/back-off.ts";
import type {
  ContainerFacts,
  ContainerRole,
  EndedRun,
  StartProblem,
} from "../../reconcile/pods/container-facts.ts";
import type { AskContext } from "./ask-container.ts";
import { ContainerLog } from "./container-log.ts";
import { configureContainer, openContainerCgroup, openPlan, type PlanProblem } from "./container-plan.ts";
import { privilegeSteps, readPrivileges } from "./container-privileges.ts";
import { startContainer } from "./container-process.ts";
import { findStreams, type OurStreams } from "./container-streams.ts";
import { accompany, endRun, type Turn } from "./container-turns.ts";
import { describeEnd, readLastWords } from "./ended-run.ts";
import type { InheritedRun } from "./inherited-run.ts";
import type { Grace } from "./grace.ts";
import { LiveContainer, type MainProcess, newRunId } from "./live-container.ts";
import type { ContainerRecord } from "./pod-record.ts";
import type { PodView } from "./pod-view.ts";
import type { ContainerPlace } from "../streams/start-in-container.ts";

/** What a run begins with. */
interface Beginning {
  readonly process: MainProcess;
  readonly id: string;
  readonly startedAtMs: number;
  readonly startTicks: string;
  readonly isStarted: boolean;
  readonly streams: OurStreams;
}

const configurationRetryMs = 10_000;
const startErrorCode = 128;
const groupRemoveMs = 2000;
const graceSecondsDefault = 30;

/** See the file's opening. */
export class ContainerLife {
  readonly role: ContainerRole;
  readonly name: string;
  readonly #view: PodView;
  readonly #container: Container;
  #restarts = 0;
  #live: LiveContainer | undefined;
  #ended: EndedRun | undefined;
  #lastRun: EndedRun | undefined;
  #backOff: BackOff | undefined;
  #problem: StartProblem | undefined;
  #imageBackOff: BackOff | undefined;

  constructor(view: PodView, container: Container, role: ContainerRole) {
    this.#view = view;
    this.#container = container;
    this.role = role;
    this.name = container.name;
  }

  /** The run that goes on. */
  get live(): LiveContainer | undefined {
    return this.#live;
  }

  /** What is known of it. */
  facts(): ContainerFacts {
    return {
      name: this.name,
      role: this.role,
      restarts: this.#restarts,
      run: this.#live?.facts() ?? this.#ended,
      lastRun: this.#lastRun,
      backOff: this.#backOff,
      problem: this.#problem,
    };
  }

  /** What must be found again after a restart of this program. */
  record(): ContainerRecord {
    const live = this.#live;
    const running = live && {
      kind: "running" as const,
      id: live.id,
      startedAtMs: live.startedAtMs,
      pid: live.process.pid,
      startTicks: live.startTicks,
      isStarted: live.isStarted,
    };
    return {
      restarts: this.#restarts,
      run: running ?? this.#ended,
      lastRun: this.#lastRun,
      backOff: this.#backOff,
    };
  }

  /** The log of the present run, or of the one before; undefined when there was none. */
  log(which: "present" | "previous"): ContainerLog | undefined {
    if (which === "present" && this.#live !== undefined) return this.#live.log;
    const hasRun = this.#live !== undefined || this.#ended !== undefined;
    const run = which === "present" ? this.#restarts : this.#restarts - 1;
    if (run < 0 || !hasRun) return undefined;
    const log = new ContainerLog(this.#view.paths.log(this.name, run));
    log.end();
    return log;
  }

  /** Takes over what an earlier program kept; a process that is gone ended in a way nobody knows. */
  adopt(record: ContainerRecord): void {
    this.#restarts = record.restarts;
    this.#lastRun = record.lastRun;
    this.#backOff = record.backOff;
    if (record.run?.kind !== "running") {
      this.#ended = record.run;
      return;
    }
    const { pid, startTicks } = record.run;
    const { host, paths } = this.#view;
    const lost: MainProcess = { pid, exited: Promise.resolve(undefined), signal: () => false };
    const process = adoptProcess(host, pid, startTicks) ?? lost;
    const folder = paths.streams(this.name, this.#restarts);
    const wish = process === lost ? {} : this.#container;
    this.#watch({ ...record.run, process, streams: findStreams(host.libc, folder, wish, pid) });
  }

  /** Takes over what the API knows of runs before the machine's last mesh ended. */
  inherit({ restarts, run }: InheritedRun): void {
    this.#restarts = restarts;
    this.#ended = run;
  }

  /** Starts it. It never throws: what went wrong is a fact afterwards. */
  async start(): Promise<void> {
    if (this.#live !== undefined) return;
    try {
      await this.#endStrays();
      const configuration = await configureContainer(this.#view.context(), this.#container);
      if (configuration.ok) this.#launch(configuration.value);
      else this.#hinder(configuration.error);
    } catch (error) {
      this.#failToStart(error);
    }
  }

  /** Ends it: hook, signal, and after its grace for certain. Settles once it is gone. */
  end(why: string, grace: Grace): Promise<void> {
    const live = this.#live;
    if (live === undefined) return Promise.resolve();
    live.ending ??= endRun(this.#turn(live), { why, grace, kill: () => this.#group().kill() });
    return live.ending;
  }

  /** Where commands are started in it. @throws Error when it does not run */
  place(): ContainerPlace {
    const privileges = readPrivileges(this.#view.pod().spec, this.#container);
    if (this.#live === undefined || !privileges.ok) throw new Error(`container ${this.name} is not running`);
    return {
      pid: this.#live.process.pid,
      cgroup: this.#group(),
      env: this.#live.environment(),
      workingDir: this.#container.workingDir ?? "/",
      uid: privileges.value.uid,
      last: privilegeSteps(privileges.value),
    };
  }

  /** A program before this one may have started it and ended before it could write that down. */
  async #endStrays(): Promise<void> {
    const group = this.#group();
    if (group.pids().length === 0) return;
    group.kill();
    await group.remove(groupRemoveMs);
  }

  #launch(configuration: Parameters<typeof openPlan>[1]["configuration"]): void {
    const { host } = this.#view;
    const run = this.#ended === undefined ? this.#restarts : this.#restarts + 1;
    const image = JSON.stringify(this.#container.image ?? "");
    this.#tell("Normal", "Pulled", `Container image ${image} already present on machine`);
    using open = openPlan(this.#view.context(), { container: this.#container, configuration, run });
    this.#tell("Normal", "Created", "Container created");
    const process = startContainer(host, open.plan);
    this.#turnTo(run);
    const startTicks = readStartTicks(process.pid) ?? "";
    const startedAtMs = host.clock.nowMs();
    this.#watch({ process, id: newRunId(), startedAtMs, startTicks, isStarted: false, streams: open.ours });
    this.#tell("Normal", "Started", "Container started");
  }

  /** A new run: what ended becomes the one before. */
  #turnTo(run: number): void {
    const { host, paths } = this.#view;
    if (this.#ended !== undefined) {
      this.#lastRun = this.#ended;
      this.#backOff = nextBackOff(this.#backOff, host.clock.nowMs(), host.backOff);
    }
    this.#ended = undefined;
    this.#problem = undefined;
    this.#restarts = run;
    for (const suffix of ["", ".1"]) rmSync(paths.log(this.name, run - 2) + suffix, { force: true });
  }

  #hinder({ reason, message }: PlanProblem): void {
    const { clock, backOff: limits } = this.#view.host;
    const nowMs = clock.nowMs();
    if (reason === "ErrImagePull") {
      const isRepeated = this.#problem !== undefined;
      this.#imageBackOff = nextBackOff(this.#imageBackOff, nowMs, limits);
      const retryAtMs = nowMs + this.#imageBackOff.delayMs;
      this.#problem = { reason: isRepeated ? "ImagePullBackOff" : reason, message, retryAtMs };
      this.#tell("Warning", "Failed", isRepeated ? "Error: ImagePullBackOff" : message);
    } else {
      const retryAtMs = nowMs + Math.min(configurationRetryMs, limits.firstMs);
      this.#problem = { reason, message, retryAtMs };
      this.#tell("Warning", "Failed", `Error: ${message}`);
    }
    this.#view.onChange();
  }

  #failToStart(error: unknown): void {
    const nowMs = this.#view.host.clock.nowMs();
    const message = `failed to start container ${JSON.stringify(this.name)}: ${errorText(error)}`;
    this.#turnTo(this.#ended === undefined ? this.#restarts : this.#restarts + 1);
    const base = { kind: "ended", id: newRunId(), startedAtMs: nowMs, endedAtMs: nowMs } as const;
    this.#ended = { ...base, exitCode: startErrorCode, reason: "StartError", message };
    this.#tell("Warning", "Failed", `Error: ${message}`);
    this.#view.onChange();
  }

  #watch(beginning: Beginning): void {
    const { host, paths, pod } = this.#view;
    const log = new ContainerLog(paths.log(this.name, this.#restarts));
    const live = new LiveContainer({ ...beginning, host, log });
    live.isStarted = beginning.isStarted;
    this.#live = live;
    void live.ended().then((status) => this.#onEnd(live, status));
    this.#view.onChange();
    const graceMs = (pod().spec.terminationGracePeriodSeconds ?? graceSecondsDefault) * 1000;
    void accompany(this.#turn(live), graceMs);
  }

  async #onEnd(live: LiveContainer, status: Awaited<MainProcess["exited"]>): Promise<void> {
    const { host, paths } = this.#view;
    const group = this.#group();
    const isOutOfMemory = group.outOfMemoryKills() > 0;
    group.kill();
    const hasFailed = !(status?.kind === "exited" && status.code === 0);
    const path = paths.terminationMessage(this.name, this.#restarts);
    const message = await readLastWords(this.#container, { path, log: live.log, hasFailed });
    const { id, startedAtMs } = live;
    this.#ended = describeEnd({
      id,
      startedAtMs,
      endedAtMs: host.clock.nowMs(),
      status,
      isOutOfMemory,
      message,
    });
    try {
      await group.remove(groupRemoveMs);
    } catch (error) {
      host.log.warn("control group left", { container: this.name, error: errorText(error) });
    }
    rmSync(paths.streams(this.name, this.#restarts), { recursive: true, force: true });
    this.#live = undefined;
    this.#view.onChange();
  }

  #group(): ReturnType<typeof openContainerCgroup> {
    return openContainerCgroup(this.#view.host, this.#view.pod(), this.#container);
  }

  #turn(live: LiveContainer): Turn {
    const { host } = this.#view;
    const ask: AskContext = {
      clock: host.clock,
      container: this.#container,
      address: this.#view.context().place.address,
      start: (command) => host.startIn(this.place(), command),
    };
    return {
      container: this.#container,
      live,
      ask,
      tell: (type, reason, message) => this.#tell(type, reason, message),
      onChange: () => this.#view.onChange(),
    };
  }

  #tell(type: "Normal" | "Warning", reason: string, message: string): void {
    this.#view.record({ type, reason, message, container: this.name, isInit: this.role !== "main" });
  }
}
