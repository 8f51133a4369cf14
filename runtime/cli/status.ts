/** `lambient status`: the programs of the mesh, their processes and memory, and where callers reach it. */
import { readFileSync } from "node:fs";
import { systemClock } from "#host/clock.ts";
import { type Console, type Paint, paint } from "./console.ts";
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
  const data = { version: readVersion(), bun: Bun.version, ...mesh, programs };
  printResult(console, format, data, () => describe(console, mesh, programs));
  return mesh.state === "running" && programs.every((program) => program.state === "ready");
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
