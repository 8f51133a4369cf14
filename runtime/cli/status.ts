/** `lambient status`: the programs of the mesh, their processes and memory, and where callers reach it. */
import { readFileSync } from "node:fs";
import { systemClock } from "#host/clock.ts";
import { openMeshApi } from "./api/mesh-api.ts";
import { type Console, type Paint, paint } from "./console.ts";
import { fetchInstances, type InstanceRow } from "./list.ts";
import { meshPaths } from "./mesh-paths.ts";
import { formatAge, formatTable, type OutputFormat, printResult } from "./output.ts";
import { askSupervisor } from "./supervisor-client.ts";
import type { ProgramStatus } from "./supervisor/program.ts";
import type { MeshStatus } from "./supervisor/supervisor.ts";
import { readVersion } from "./version.ts";

interface ProgramRow extends ProgramStatus {
  /** Resident, in MB; 0 when it does not run. */
  readonly memoryMb: number;
}

/** Runs the command. @returns whether every program is ready */
export async function status(console: Console, runDir: string, format: OutputFormat): Promise<boolean> {
  const mesh = await askSupervisor<MeshStatus>(meshPaths(runDir, "/"), "status");
  const programs = mesh.programs.map((program): ProgramRow => ({
    ...program,
    memoryMb: residentMb(program.pid),
  }));
  const instances = await findInstances(runDir);
  const data = { version: readVersion(), bun: Bun.version, ...mesh, programs, instances: instances ?? null };
  printResult(console, format, data, () => describe(console, mesh, programs) + describeInstances(instances));
  return mesh.state === "running" && programs.every((program) => program.state === "ready");
}

/** The running instances; undefined while the API cannot tell. */
async function findInstances(runDir: string): Promise<readonly InstanceRow[] | undefined> {
  try {
    return await fetchInstances(openMeshApi(runDir));
  } catch {
    return undefined; // the table above says which program is missing
  }
}

function describeInstances(instances: readonly InstanceRow[] | undefined): string {
  if (instances === undefined) return "\nThe API does not tell which instances run\n";
  const counts = new Map<string, number>();
  for (const { namespace, revision } of instances) {
    const name = `${namespace}/${revision}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const names = [...counts].map(([name, count]) => (count === 1 ? name : `${name} ×${count}`)).join(", ");
  return `\n${instances.length} ${instances.length === 1 ? "instance runs" : "instances run"}${names === "" ? "" : `: ${names}`}\n`;
}

function describe(console: Console, mesh: MeshStatus, programs: readonly ProgramRow[]): string {
  const now = systemClock.nowMs();
  const rows = programs.map((program) => [
    program.name,
    paint(console, colours[program.state], program.state),
    program.pid === undefined ? "-" : String(program.pid),
    program.startedAtMs === undefined ? "-" : formatAge(now - program.startedAtMs),
    String(program.restarts),
    program.memoryMb === 0 ? "-" : `${program.memoryMb} MB`,
    program.lastEnd ?? "",
  ]);
  const head = ["PROGRAM", "STATE", "PID", "AGE", "RESTARTS", "MEMORY", "LAST END"];
  const lines = [
    `Lambient ${readVersion()} on Bun ${Bun.version}, ${mesh.state} for ${formatAge(now - mesh.startedAtMs)}, supervisor ${mesh.pid}`,
    `  API   ${mesh.endpoints?.api ?? "not yet"}`,
    `  edge  ${mesh.endpoints?.edge ?? "not yet"}`,
    `  run   ${mesh.runDir}`,
    `  data  ${mesh.dataDir}`,
    "",
  ];
  return `${lines.join("\n")}\n${formatTable({ head, rows })}`;
}

const colours: Readonly<Record<ProgramStatus["state"], Paint>> = {
  ready: "good",
  starting: "waiting",
  waiting: "bad",
  stopping: "waiting",
  stopped: "dim",
};

function residentMb(pid: number | undefined): number {
  if (pid === undefined) return 0;
  try {
    const kb = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0";
    return Math.round((Number(kb) * 1024) / 1e6);
  } catch {
    return 0; // it ended a moment ago
  }
}
