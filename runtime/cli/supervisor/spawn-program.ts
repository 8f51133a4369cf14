/** Makes a plan's process: born in its control group and namespaces, its output in its log, readiness asked on its admin socket. */
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import type { Step } from "#host/linux/birth.ts";
import { type CgroupMounts, openCgroup } from "#host/linux/cgroup.ts";
import type { Libc } from "#host/linux/libc.ts";
import type { Poller } from "#host/linux/poller.ts";
import { type Child, signals, spawnChild } from "#host/linux/spawn.ts";
import type { NodeNamespaces } from "./node-namespaces.ts";
import type { ProgramPort, ProgramProcess } from "./program.ts";
import type { ProgramLog } from "./program-log.ts";
import { edgeListenerFd, type ProgramPlan } from "./program-plans.ts";

/** What every program is made with. */
export interface SpawnTools {
  readonly libc: Libc;
  readonly poller: Poller;
  readonly cgroups: CgroupMounts;
  /** The mesh's control group, below the mounts. */
  readonly cgroup: string;
  readonly node: NodeNamespaces;
  readonly adminDir: string;
  /** The edge's listening socket. */
  readonly listenerFd: number;
  /** `LAMBIENT_…` variables that go to every program. */
  readonly env: Readonly<Record<string, string>>;
  /** The folder that the plans' entries are below. */
  readonly programsRoot: string;
}

const lastWordsBytes = 2048;
/** A program that does not answer on its own socket within this is not ready. */
const askTimeoutMs = 1000;

/** A plan as the supervisor of one program needs it. */
export function programPort(plan: ProgramPlan, log: ProgramLog, tools: SpawnTools): ProgramPort {
  let startOffset = log.size();
  const socket = join(tools.adminDir, `${plan.name}.sock`);
  return {
    start() {
      startOffset = log.size();
      return spawnProgram(plan, log, tools);
    },
    isReady: () => askReady(socket),
    lastWords: () => lastLines(log.readFrom(startOffset, lastWordsBytes)),
  };
}

function spawnProgram(plan: ProgramPlan, log: ProgramLog, tools: SpawnTools): ProgramProcess {
  const { libc, poller, node } = tools;
  const group = openCgroup(tools.cgroups, `${tools.cgroup}/${plan.name}`);
  group.kill(); // what an earlier process of this program started and left
  // A folder of its own for the program: on machines with version 2 alone, a group with limited groups below holds no process.
  const own = openCgroup(tools.cgroups, `${group.path}/main`);
  const membersFd = openSync(join(tools.cgroups.unified, own.path, "cgroup.procs"), "w");
  const join0: Step = { what: "Cannot join a control group", name: "write", args: [membersFd, "0", 1] };
  const entry = plan.place === "node" ? node.entry() : undefined;
  try {
    const child = spawnChild(libc, poller, {
      executable: process.execPath,
      args: [join(tools.programsRoot, plan.entry), ...plan.args],
      env: { ...baseEnvironment(), ...tools.env, ...plan.env },
      fds: descriptors(plan, log, tools),
      newNamespaces: entry?.newNamespaces ?? [],
      joinNamespaces: entry?.joinNamespaces ?? [],
      before: [join0, ...(entry?.before ?? [])],
    });
    if (entry !== undefined) node.born(child.pid);
    return processOf(child, () => group.kill());
  } finally {
    closeSync(membersFd);
  }
}

function descriptors(plan: ProgramPlan, log: ProgramLog, tools: SpawnTools): ReadonlyMap<number, number> {
  const fds = new Map([
    [1, log.fd],
    [2, log.fd],
  ]);
  if (plan.takesListener) fds.set(edgeListenerFd, tools.listenerFd);
  return fds;
}

function processOf(child: Child, killAll: () => void): ProgramProcess {
  const ended = child.exited.then((status) =>
    status.kind === "exited" ? `exit code ${status.code}` : `signal ${status.signal}`,
  );
  return { pid: child.pid, ended, terminate: () => void child.signal(signals.terminate), kill: killAll };
}

function baseEnvironment(): Record<string, string> {
  const path = process.env["PATH"] ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  // Bun would keep compiled sources in a folder of the user's, which outlives the mesh.
  return { PATH: path, HOME: "/", BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0" };
}

async function askReady(socket: string): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(askTimeoutMs);
    const response = await fetch("http://admin/healthz/ready", { unix: socket, signal });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false; // it does not serve yet
  }
}

/** The end of the log without its last newline, on one line. */
function lastLines(text: string): string {
  return text.trim().split("\n").slice(-8).join(" | ");
}
