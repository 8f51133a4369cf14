/**
 * The mesh of one machine as a whole: everything a run needs is made in order, the programs are started and kept running, and all of it
 * is undone in the opposite order. What a program is stands in program-plans.ts; what a killed supervisor left is swept before a start.
 */
import { chmodSync, closeSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "#host/clock.ts";
import { serveChannels } from "#host/channel-socket.ts";
import { openCgroup, readCgroupMounts } from "#host/linux/cgroup.ts";
import { type Libc, openLibc } from "#host/linux/libc.ts";
import { warmUp } from "#host/linux/namespaces.ts";
import { openPoller } from "#host/linux/poller.ts";
import { localEndpoint, startListen } from "#host/linux/sockets.ts";
import { parseIp } from "#core/address/ip.ts";
import type { Log } from "#host/log.ts";
import { MeshError } from "#host/mesh-error.ts";
import { writeWhole } from "#host/private-file.ts";
import { type MeshPaths, meshPaths } from "../mesh-paths.ts";
import { cgroupPath } from "./cgroup-path.ts";
import { findFreePort } from "./free-port.ts";
import { formatKubeconfig } from "./kubeconfig.ts";
import { watchLog } from "./log-watch.ts";
import { type MeshConfig, slotRange } from "./mesh-config.ts";
import { openNodeNamespaces } from "./node-namespaces.ts";
import { dataVersion, decideMachine, decidePlace } from "./preflight.ts";
import { gatherMachineFacts, gatherPlaceFacts } from "./preflight-facts.ts";
import { Program, type ProgramLimits, type ProgramStatus } from "./program.ts";
import { openProgramLog } from "./program-log.ts";
import { planPrograms, type ProgramPlan } from "./program-plans.ts";
import { defaultRestartLimits } from "./restart-delay.ts";
import { openRunFolder } from "./run-folder.ts";
import { programPort, type SpawnTools } from "./spawn-program.ts";
import { writeTokens } from "./tokens.ts";

/** Where callers reach the mesh; what `endpoints.json` holds. */
export interface MeshEndpoints {
  readonly api: string;
  readonly edge: string;
}

/** What `lambient status` asks of the supervisor. */
export interface MeshStatus {
  readonly pid: number;
  readonly state: "starting" | "running" | "stopping";
  readonly startedAtMs: number;
  readonly runDir: string;
  readonly dataDir: string;
  readonly endpoints: MeshEndpoints | undefined;
  readonly programs: readonly ProgramStatus[];
}

/** What a supervisor is made from. */
export interface SupervisorOptions {
  readonly config: MeshConfig;
  readonly clock: Clock;
  readonly log: Log;
  /** `LAMBIENT_…` variables that go to every program. */
  readonly env: Readonly<Record<string, string>>;
  /** The folder that the programs' entries are below: the package's root. */
  readonly programsRoot: string;
  /** Given what the programs write, as it is noticed in their logs; absent: they only write there. */
  readonly onOutput?: (program: string, text: string) => void;
  /** Told before each step of start and stop. */
  readonly onStep: (step: string) => void;
  /** Somebody asked for the end by the channel. */
  readonly onStopAsked: () => void;
}

/** Limits of every program; see {@link ProgramLimits}. */
const programLimits: ProgramLimits = {
  ...defaultRestartLimits,
  readyMs: 30_000,
  askEveryMs: 20,
  // The edge's own drain takes up to 10 s.
  stopMs: 11_000,
};
const removeMs = 5000;

/** One mesh, from start to stop. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #paths: MeshPaths;
  readonly #held = new AsyncDisposableStack();
  readonly #programs: Program[] = [];
  readonly #startedAtMs: number;
  #state: MeshStatus["state"] = "starting";
  #endpoints: MeshEndpoints | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#paths = meshPaths(options.config.runDir, options.config.dataDir);
    this.#startedAtMs = options.clock.nowMs();
  }

  /**
   * Brings the mesh up; undoes everything and throws when that is impossible.
   * @throws MeshError with every reason, one a line
   */
  async start(): Promise<MeshEndpoints> {
    try {
      return await this.#start();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Ends everything in order; settles when nothing is left. */
  stop(): Promise<void> {
    this.#state = "stopping";
    this.#stopped ??= this.#held.disposeAsync();
    return this.#stopped;
  }

  status(): MeshStatus {
    return {
      pid: process.pid,
      state: this.#state,
      startedAtMs: this.#startedAtMs,
      runDir: this.#paths.runDir,
      dataDir: this.#paths.dataDir,
      endpoints: this.#endpoints,
      programs: this.#programs.map((program) => program.status()),
    };
  }

  async #start(): Promise<MeshEndpoints> {
    refuse(decideMachine(gatherMachineFacts()));
    const libc = openLibc();
    await warmUp();
    const tools = await this.#prepare(libc);
    const plans = this.#plan(tools);
    for (const stage of Map.groupBy(plans.programs, (plan) => plan.stage).values()) {
      const started = stage.map((plan) => this.#startProgram(plan, tools));
      await Promise.all(started);
    }
    this.#step("publish");
    this.#endpoints = this.#publish(plans.apiPort, localEndpoint(libc, tools.listenerFd).port);
    this.#step("running");
    this.#state = "running";
    return this.#endpoints;
  }

  /** Everything that the programs need, made in order, with its undoing. */
  async #prepare(libc: Libc): Promise<SpawnTools> {
    const { config, env, programsRoot } = this.#options;
    const paths = this.#paths;
    this.#step("lock");
    const folder = openRunFolder(libc, paths, process.pid);
    this.#undo("remove the run folder", () => folder.close());
    const poller = this.#held.use(await openPoller(libc));
    this.#step("sweep");
    const cgroups = readCgroupMounts();
    const cgroup = cgroupPath(paths.runDir);
    await sweep(openCgroup(cgroups, cgroup));
    folder.empty();
    refuse(decidePlace(gatherPlaceFacts(config, paths)));
    chmodSync(paths.dataDir, 0o700); // keys lie in it
    writeWhole(paths.dataVersionFile, `${dataVersion}\n`);
    this.#serve();
    this.#step("tokens");
    await writeTokens(paths, this.#options.clock.nowMs());
    this.#step("listen");
    const loopback = parseIp("127.0.0.1");
    if (!loopback.ok) throw new Error(loopback.error);
    const at = { address: loopback.value, port: config.edgePort };
    const listenerFd = startListen(libc, libc.homeNamespace, at);
    this.#undo("close the edge's listener", () => closeSync(listenerFd));
    this.#step("network");
    const ranges = [slotRange(config.nodeRange), config.waypointRange, config.serviceRange];
    const node = this.#held.use(openNodeNamespaces(libc, config.node, ranges));
    this.#undo("kill what is left", () => sweep(openCgroup(cgroups, cgroup)));
    return { libc, poller, cgroups, cgroup, node, adminDir: paths.adminDir, listenerFd, env, programsRoot };
  }

  #plan(tools: SpawnTools): { readonly programs: readonly ProgramPlan[]; readonly apiPort: number } {
    const { config } = this.#options;
    const apiPort = config.apiPort === 0 ? findFreePort() : config.apiPort;
    const hostNetwork = `/proc/${process.pid}/ns/net`;
    const programs = planPrograms({ config, paths: this.#paths, cgroup: tools.cgroup, hostNetwork, apiPort });
    return { programs, apiPort };
  }

  #startProgram(plan: ProgramPlan, tools: SpawnTools): Promise<void> {
    this.#step(`start ${plan.name}`);
    const { clock, onOutput } = this.#options;
    const log = this.#held.use(openProgramLog(join(this.#paths.systemLogsDir, `${plan.name}.log`)));
    const onChange = (event: string, status: ProgramStatus): void => this.#report(event, status);
    const program = new Program({
      name: plan.name,
      port: programPort(plan, log, tools),
      limits: programLimits,
      clock,
      onChange,
    });
    this.#programs.push(program);
    this.#undo(`stop ${plan.name}`, () => program.stop());
    const watch = watchLog({
      log,
      clock,
      ...(onOutput === undefined ? {} : { onOutput: (text) => onOutput(plan.name, text) }),
      onLost: (refusal) => this.#options.log.warn("log lost", { program: plan.name, refusal }),
    });
    this.#held.use(watch);
    return program.start();
  }

  #serve(): void {
    const server = serveChannels(this.#paths.supervisorSocket, () => ({
      onRequest: (method) => this.#answer(method),
      onNotify() {},
      onClose() {},
    }));
    this.#held.use(server);
  }

  #answer(method: string): unknown {
    if (method === "status") return this.status();
    if (method !== "stop")
      throw new MeshError("not-found", `Cannot answer "${method}": known are status and stop`);
    this.#options.onStopAsked();
    return {};
  }

  #publish(apiPort: number, edgePort: number): MeshEndpoints {
    const paths = this.#paths;
    const endpoints = { api: `https://127.0.0.1:${apiPort}`, edge: `http://127.0.0.1:${edgePort}` };
    const caPem = readFileSync(paths.caFile, "utf8");
    const token = readFileSync(join(paths.tokensDir, "admin"), "utf8");
    writeWhole(paths.kubeconfig, formatKubeconfig({ server: endpoints.api, caPem, token }));
    writeWhole(paths.endpointsFile, `${JSON.stringify(endpoints)}\n`);
    return endpoints;
  }

  #undo(step: string, action: () => void | Promise<void>): void {
    this.#held.defer(async () => {
      this.#options.onStep(step);
      await action();
    });
  }

  #step(step: string): void {
    if (this.#state === "stopping")
      throw new MeshError("canceled", "Cannot start the mesh: it was told to stop");
    this.#options.onStep(step);
  }

  #report(event: string, status: ProgramStatus): void {
    const { name, state, pid, restarts, lastEnd } = status;
    const fields = { program: name, state, pid, restarts, lastEnd };
    if (event === "program ended" || event === "program failed to start")
      this.#options.log.warn(event, fields);
    else this.#options.log.info(event, fields);
  }
}

/** Ends every process of a group and removes the group. */
async function sweep(group: { kill(): void; remove(timeoutMs: number): Promise<void> }): Promise<void> {
  group.kill();
  await group.remove(removeMs);
}

function refuse(errors: readonly string[]): void {
  if (errors.length > 0) throw new MeshError("bad-input", errors.join("\n"));
}
