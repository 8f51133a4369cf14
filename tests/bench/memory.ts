/** Resident memory of each program of a whole mesh: idle, and after load through the edge. Bars are in the rows' names; there is no peer. */
import { type Mesh, startMesh } from "../support/mesh.ts";
import { openTestHost } from "../support/test-host.ts";
import { waitUntil } from "../support/wait-until.ts";
import { type BenchOptions, type BenchRow, benchRow, median, needCommand, parseWrk } from "./bench.ts";

const barMb: Readonly<Record<string, number>> = {
  "control-plane": 120,
  ztunnel: 80,
  "node-runtime": 80,
  edge: 80,
  waypoint: 80,
};
const loadSeconds = 5;
/** Longer than a waypoint waits before it gives memory back. */
const restMs = 6000;
const connections = 32;

/** Runs the bench: each run is a mesh of its own. */
export async function run(options: BenchOptions): Promise<readonly BenchRow[]> {
  await needCommand("wrk", ["wrk"]);
  const idle = new Map<string, number[]>();
  const loaded = new Map<string, number[]>();
  const rested = new Map<string, number[]>();
  for (let turn = 0; turn < options.runs; turn++) {
    const host = await openTestHost();
    const mesh = await startMesh({ host });
    await mesh.deployFunctions("bench", {
      hello: { source: `export default { fetch: () => new Response("hello") };` },
    });
    await mesh.call("hello.bench");
    add(idle, await residents(mesh), `run ${turn + 1}, idle`, options.log);
    await load(mesh, options.log);
    add(loaded, await residents(mesh), `run ${turn + 1}, after load`, options.log);
    await Bun.sleep(restMs);
    add(rested, await residents(mesh), `run ${turn + 1}, ${restMs / 1000} s later`, options.log);
    await mesh.down();
    await host.close();
  }
  return [
    ...barRows(idle),
    ...figureRows(loaded, `after ${loadSeconds} s of load`),
    ...figureRows(rested, `${restMs / 1000} s after the load`),
  ];
}

async function load(mesh: Mesh, log: BenchOptions["log"]): Promise<void> {
  const argv = [
    "wrk",
    "-t1",
    `-c${connections}`,
    `-d${loadSeconds}s`,
    "--latency",
    "-H",
    "Host: hello.bench",
    `${mesh.edge}/`,
  ];
  const { stdout } = await mesh.host.run(argv, { timeoutMs: 60_000 });
  const figures = parseWrk(argv.join(" "), stdout);
  log(`${figures.command}: ${figures.requestsPerS} requests/s, ${figures.errors} errors`);
}

/** Memory by program, read on the host, whose pids the mesh tells. */
async function residents(mesh: Mesh): Promise<ReadonlyMap<string, number>> {
  const { programs } = await mesh.json<{
    readonly programs: { readonly name: string; readonly pid: number }[];
  }>("status");
  const pids = new Map([
    ["supervisor", mesh.up.pid],
    ...programs.map(({ name, pid }) => [name, pid] as const),
  ]);
  const waypoint = await waitUntil("the waypoint is awake", async () => {
    const { processes } = await mesh.host.snapshot();
    return processes.find((line) => line.includes("waypoint/main.ts") && line.includes("--generic"));
  });
  pids.set("waypoint", Number(waypoint.split(" ")[0]));
  const result = new Map<string, number>();
  for (const [name, pid] of pids) {
    const { stdout } = await mesh.host.run(["cat", `/proc/${pid}/status`]);
    const kb = Number(/VmRSS:\s+(\d+) kB/.exec(stdout)?.[1] ?? 0);
    result.set(name, (kb * 1024) / 1e6);
  }
  return result;
}

function add(
  ...[all, found, what, log]: [
    Map<string, number[]>,
    ReadonlyMap<string, number>,
    string,
    BenchOptions["log"],
  ]
): void {
  log(`${what}: ${[...found].map(([name, mb]) => `${name} ${mb.toFixed(1)} MB`).join(", ")}`);
  for (const [name, mb] of found) all.set(name, [...(all.get(name) ?? []), mb]);
}

/** What a program may take while it does nothing. */
function barRows(all: ReadonlyMap<string, readonly number[]>): BenchRow[] {
  return [...all].map(([name, samples]) => {
    const peer = barMb[name] ?? 80;
    return benchRow(
      `${name} resident, idle (bar ${peer} MB)`,
      { ours: median(samples), peer },
      "MB",
      "lower",
    );
  });
}

/** There is no bar for these. */
function figureRows(all: ReadonlyMap<string, readonly number[]>, when: string): BenchRow[] {
  return [...all].map(([name, samples]) => ({
    name: `${name} resident, ${when}`,
    ours: Number(median(samples).toFixed(1)),
    peer: 0,
    ratio: 0,
    unit: "MB",
  }));
}
