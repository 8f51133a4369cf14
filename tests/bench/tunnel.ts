/** The tunnel bench: a ztunnel pair in two namespaces against an nginx `stream` pair with mutual TLS, in turns on the same cores. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeLibc, type Libc, openLibc } from "#host/linux/libc.ts";
import { type NetworkNamespace, warmUp, withNamespace } from "#host/linux/namespaces.ts";
import { spawnIn } from "../support/node-pair.ts";
import { waitUntil } from "../support/wait-until.ts";
import { echoService, startZtunnelPair, type ZtunnelPair } from "../support/ztunnel-pair.ts";
import {
  type BenchOptions,
  type BenchRow,
  benchRow,
  cpuSeconds,
  median,
  needCommand,
  residentMb,
  runWrk,
  type WrkFigures,
} from "./bench.ts";
import { type BenchProgram, cipher, nginxEntryPort, startNginxPair, startUpstream } from "./nginx-pair.ts";

/** The first proxy and the load on one core, the second and the upstream on the other: the same for both pairs. */
const cores = ["0", "1"] as const;
const seconds = 4;
const settleMs = 6000;

/** What is measured: how wrk asks, and which of its figures counts. */
const measures = [
  { name: "keep-alive requests/s, 32 connections", unit: "req/s", path: "/", connections: 32, headers: {} },
  {
    name: "new connections/s, 32 at once",
    unit: "conn/s",
    path: "/",
    connections: 32,
    headers: { Connection: "close" },
  },
  { name: "bulk, one stream", unit: "MB/s", path: "/big", connections: 1, headers: {} },
] as const;

type Measure = (typeof measures)[number];

/** One pair: where its load is made and what runs. */
interface Side {
  readonly name: string;
  readonly from: NetworkNamespace;
  readonly url: string;
  readonly pids: readonly number[];
}

/** Measures both pairs. */
export async function run({ runs, log }: BenchOptions): Promise<readonly BenchRow[]> {
  await needCommand("nginx", ["nginx-light", "libnginx-mod-stream"]);
  await needCommand("wrk", ["wrk"]);
  const libc = openLibc();
  await warmUp();
  const folder = mkdtempSync(join(tmpdir(), "lambient-bench-"));
  const programs: BenchProgram[] = [];
  const pair = await startZtunnelPair(libc, { cores });
  try {
    const { a, b } = pair.nodes;
    for (const { namespace, slot } of [a, b]) [namespace, slot].forEach((one) => widenPorts(libc, one));
    for (const [name, namespace] of [["slot", b.slot] as const, ["node", b.namespace] as const]) {
      programs.push(startUpstream({ libc, namespace, folder: join(folder, name), cores: cores[1] }));
    }
    const nginx = startNginxPair(libc, pair.nodes, pair.ca, { folder: join(folder, "pair"), cores });
    programs.push(...nginx);
    const sides: readonly [Side, Side] = [
      {
        name: "ztunnel",
        from: a.slot,
        url: `http://${echoService.address}:${echoService.port}`,
        pids: [pair.a.pid, pair.b.pid],
      },
      {
        name: "nginx",
        from: a.namespace,
        url: `http://127.0.0.1:${nginxEntryPort}`,
        pids: nginx.map(({ pid }) => pid),
      },
    ];
    log(`peer: ${nginxVersion()}, ${cipher}, mutual TLS, one worker a side; cores ${cores.join(" and ")}`);
    for (const side of sides) await untilServing(libc, side);
    return await measureAll({ libc, sides, runs, log, pair });
  } finally {
    await Promise.all(programs.map((program) => program.stop()));
    await pair[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
    closeLibc(libc);
  }
}

interface Session {
  readonly libc: Libc;
  readonly sides: readonly [Side, Side];
  readonly runs: number;
  readonly log: (line: string) => void;
  readonly pair: ZtunnelPair;
}

async function measureAll({ libc, sides, runs, log, pair }: Session): Promise<BenchRow[]> {
  const idleMb = residentOf(pair);
  log(`ztunnel resident, idle: ${idleMb.join(" and ")} MB`);
  const rows: BenchRow[] = [];
  for (const measure of measures) {
    const figures = sides.map((): number[] => []);
    for (let round = 1; round <= runs; round++) {
      for (const [i, side] of sides.entries()) {
        const before = side.pids.map(cpuSeconds);
        const found = await load(libc, side, measure);
        const cpu = side.pids.map((pid, at) => cpuSeconds(pid) - (before[at] ?? 0));
        const figure = figureOf(measure, found);
        figures[i]?.push(figure);
        log(
          `${measure.name}, run ${round}, ${side.name}: ${figure.toFixed(1)} ${measure.unit}, p50 ${found.p50Ms} p99 ${found.p99Ms} ms, ` +
            `CPU ${cpu.map((spent) => spent.toFixed(2)).join(" + ")} s, errors ${found.errors} (${found.command})`,
        );
      }
    }
    const [ours = [], peer = []] = figures;
    rows.push(
      benchRow(`tunnel ${measure.name}`, { ours: median(ours), peer: median(peer) }, measure.unit, "higher"),
    );
  }
  // Garbage is collected once the load is over; what counts is what stays.
  await Bun.sleep(settleMs);
  const loadedMb = residentOf(pair);
  log(`ztunnel resident, after the runs: ${loadedMb.join(" and ")} MB`);
  rows.push(
    benchRow("ztunnel resident, idle, bar 80 MB", { ours: Math.max(...idleMb), peer: 80 }, "MB", "lower"),
    benchRow("ztunnel resident, after the runs", { ours: Math.max(...loadedMb), peer: 80 }, "MB", "lower"),
  );
  return rows;
}

function figureOf(measure: Measure, found: WrkFigures): number {
  return measure.unit === "MB/s" ? found.bytesPerS / 1e6 : found.requestsPerS;
}

function load(libc: Libc, side: Side, { path, connections, headers }: Measure): Promise<WrkFigures> {
  const spawn = (argv: string[]): ReturnType<typeof spawnIn> => spawnIn(libc, side.from, argv);
  return runWrk({ url: side.url + path, connections, seconds, headers, cores: cores[0], spawn });
}

async function untilServing(libc: Libc, side: Side): Promise<void> {
  await waitUntil(`the ${side.name} pair serves`, async () => {
    const asked = spawnIn(libc, side.from, ["curl", "-fsS", "-o", "/dev/null", "-m", "2", `${side.url}/`]);
    return (await asked.exited) === 0;
  });
}

function residentOf({ a, b }: ZtunnelPair): number[] {
  return [a, b].map(({ pid }) => residentMb(pid));
}

/** Thousands of connections a second wait out their last minute each, on the clients' side of either pair. */
function widenPorts(libc: Libc, namespace: NetworkNamespace): void {
  withNamespace(libc, namespace.fd, () =>
    writeFileSync("/proc/sys/net/ipv4/ip_local_port_range", "1024 65535"),
  );
}

function nginxVersion(): string {
  return Bun.spawnSync(["nginx", "-v"]).stderr.toString().trim();
}
