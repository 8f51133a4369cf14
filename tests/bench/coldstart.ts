/**
 * First response of a cold function through the whole mesh (edge, waypoint, activation, ztunnel, instance), its waypoint awake and the pool
 * full, and again with the waypoint asleep; against processes started for one request. Before each sample no instance's process exists.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cgroupPath } from "../../runtime/cli/supervisor/cgroup-path.ts";
import { type MeshProcess, startMeshProcess } from "../../scripts/demo/mesh-process.ts";
import { type BenchOptions, type BenchRow, benchRow, median, percentile } from "./bench.ts";
import { type ColdPeer, fetchColdPeers, timePeer } from "./cold-peers.ts";
import { timeRequest } from "./cold-request.ts";

const samples = 200;
const peerSamples = 30;
const asleepSamples = 50;
const barMs = 10;
/** How soon waypoints sleep in the mesh that measures it. */
const waypointIdleMs = 100;
const conditionMs = 20_000;
const askEveryMs = 3;

interface Run {
  readonly awake: readonly number[];
  readonly asleep: readonly number[];
  readonly peers: ReadonlyMap<string, readonly number[]>;
}

/** See the file's opening. */
export async function run(options: BenchOptions): Promise<readonly BenchRow[]> {
  const peers = await fetchColdPeers(options.cacheDir);
  const runs: Run[] = [];
  for (let i = 1; i <= options.runs; i++) {
    const made = await runOnce(peers);
    runs.push(made);
    const told = [...made.peers].map(([name, ms]) => `${name} ${figures(ms)}`).join(", ");
    const versions = peers.map(({ name, version }) => `${name} ${version}`).join(", ");
    options.log(
      `run ${i} of ${options.runs}: one GET a sample on a connection of its own; peers ${versions}`,
    );
    options.log(
      `  ours, waypoint awake ${figures(made.awake)}; waypoint asleep ${figures(made.asleep)}; ${told}`,
    );
  }
  return rowsOf(runs, peers);
}

function rowsOf(runs: readonly Run[], peers: readonly ColdPeer[]): BenchRow[] {
  const of = (pick: (made: Run) => readonly number[], share: number): number =>
    median(runs.map((made) => percentile(pick(made), share)));
  const rows = [
    benchRow(
      `first response p50 (bar ${barMs})`,
      { ours: of((made) => made.awake, 0.5), peer: barMs },
      "ms",
      "lower",
    ),
  ];
  for (const { name } of peers) {
    for (const share of [0.5, 0.99]) {
      const figuresOf = {
        ours: of((made) => made.awake, share),
        peer: of((made) => made.peers.get(name) ?? [], share),
      };
      rows.push(benchRow(`first response p${share * 100} against ${name}`, figuresOf, "ms", "lower"));
      const asleep = { ...figuresOf, ours: of((made) => made.asleep, share) };
      rows.push(benchRow(`waypoint asleep p${share * 100} against ${name}`, asleep, "ms", "lower"));
    }
  }
  return rows;
}

async function runOnce(peers: readonly ColdPeer[]): Promise<Run> {
  const byPeer = new Map(peers.map(({ name }) => [name, [] as number[]]));
  const awake = await withMesh({}, (mesh) =>
    measure(mesh, samples, {
      findObstacle: (dump) => warmth(mesh, dump),
      // In turns with ours, so that whatever else the machine does falls on both.
      async before(sample) {
        if (sample % Math.floor(samples / peerSamples) !== 0) return;
        for (const peer of peers) byPeer.get(peer.name)?.push(await timePeer(peer));
      },
    }),
  );
  const asleep = await withMesh({ LAMBIENT_WAYPOINT_IDLE_MS: String(waypointIdleMs) }, (mesh) =>
    measure(mesh, asleepSamples, {
      findObstacle: (dump) => warmth(mesh, dump) ?? wakefulness(dump),
      before: () => Promise.resolve(),
    }),
  );
  return { awake, asleep, peers: byPeer };
}

interface Sampling {
  /** What still keeps the next call from being cold. */
  readonly findObstacle: (dump: NodeDump) => string | undefined;
  readonly before: (sample: number) => Promise<void>;
}

interface NodeDump {
  readonly instances: readonly unknown[];
  readonly slots: { readonly ready: number; readonly open: number };
  readonly waypoints: readonly { readonly state: string }[];
  readonly spareWaypoint: boolean;
}

async function measure(
  mesh: MeshProcess,
  count: number,
  { findObstacle, before }: Sampling,
): Promise<readonly number[]> {
  const port = Number(new URL(mesh.edge).port);
  const taken: number[] = [];
  await timeRequest(port, "cold.bench"); // wakes the waypoint, and is not of the samples
  while (taken.length < count) {
    await before(taken.length);
    await awaitNone(async () => findObstacle(await readDump(mesh)));
    const { ms, status, text } = await timeRequest(port, "cold.bench");
    if (status !== 200 || !text.includes('rung;desc="pooled"'))
      throw new Error(`Cannot count a sample: ${text.slice(0, 400)}`);
    taken.push(ms);
  }
  return taken;
}

/** What is still warm: an instance that is known, a slot that is not in reserve, an engine process that is no reserve's. */
function warmth(mesh: MeshProcess, { instances, slots }: NodeDump): string | undefined {
  if (instances.length > 0) return `${instances.length} instances run`;
  if (slots.ready < poolSize || slots.open !== slots.ready)
    return `${slots.ready} of ${slots.open} slots are in reserve`;
  const engines = countEngines(cgroupPath(mesh.place.runDir));
  return engines === slots.ready ? undefined : `${engines} engines run in ${slots.ready} slots`;
}

function wakefulness({ waypoints, spareWaypoint }: NodeDump): string | undefined {
  if (!spareWaypoint) return "no spare waypoint has booted";
  return waypoints.every(({ state }) => state === "asleep") ? undefined : "the waypoint is awake";
}

/** Slots that `lambient up` keeps ready. */
const poolSize = 4;

function countEngines(group: string): number {
  let count = 0;
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("/engine.js")) continue;
      if (readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(group)) count++;
    } catch {
      // It ended between the list and the look.
    }
  }
  return count;
}

async function readDump(mesh: MeshProcess): Promise<NodeDump> {
  const socket = join(mesh.place.runDir, "admin/node-runtime.sock");
  const response = await fetch("http://admin/config_dump", { unix: socket });
  // Sound: the node runtime's own dump, whose fields these are.
  return (await response.json()) as NodeDump;
}

async function withMesh<T>(
  env: Readonly<Record<string, string>>,
  action: (mesh: MeshProcess) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "lambient-cold-"));
  const place = { runDir: join(folder, "run"), dataDir: join(folder, "data"), apiPort: "0", edgePort: "0" };
  const mesh = await startMeshProcess(place, env);
  try {
    mkdirSync(join(folder, "app"));
    const functions = { cold: { main: "cold.ts", scale: { idleMs: 0 } } };
    writeFileSync(join(folder, "app/lambient.jsonc"), JSON.stringify({ namespace: "bench", functions }));
    writeFileSync(join(folder, "app/cold.ts"), `export default { fetch: () => new Response("hello") };\n`);
    await mesh.command("deploy", join(folder, "app"));
    return await action(mesh);
  } finally {
    await mesh.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function awaitNone(findObstacle: () => Promise<string | undefined>): Promise<void> {
  const deadlineMs = performance.now() + conditionMs;
  for (;;) {
    const obstacle = await findObstacle();
    if (obstacle === undefined) return;
    if (performance.now() > deadlineMs)
      throw new Error(`Cannot take a sample after ${conditionMs} ms: ${obstacle}`);
    await Bun.sleep(askEveryMs);
  }
}

function figures(ms: readonly number[]): string {
  const [p50, p99] = [0.5, 0.99].map((share) => percentile(ms, share).toFixed(2));
  return `p50 ${p50} p99 ${p99} ms (${ms.length} samples)`;
}
