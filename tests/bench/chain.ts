/**
 * What the whole warm chain costs a call between two functions: from the caller's slot through its ztunnel, the waypoint and the
 * callee's ztunnel to the instance, against a direct connection to the same handler in the same engine. The load comes from inside
 * the caller's slot, so that the chain is the one that its own calls take.
 */
import { openSync, closeSync, readdirSync, readFileSync, rmSync, writeFileSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeLibc, type Libc, openLibc } from "#host/linux/libc.ts";
import { withNamespace } from "#host/linux/namespaces.ts";
import { type Mesh, startMesh } from "../support/mesh.ts";
import { openTestHost } from "../support/test-host.ts";
import { waitUntil } from "../support/wait-until.ts";
import {
  type BenchOptions,
  type BenchRow,
  benchRow,
  cpuSeconds,
  median,
  needCommand,
  runWrk,
  type WrkFigures,
} from "./bench.ts";

const seconds = 5;
const barAddedP50Ms = 0.3;
const barAddedP99Ms = 1;
const handler = `() => new Response("price 7\\n")`;
/** Longer than any bench, so that both instances stay. */
const idleMs = 3_600_000;

interface Run {
  readonly chain: WrkFigures;
  readonly direct: WrkFigures;
  readonly chainMany: WrkFigures;
  readonly directMany: WrkFigures;
}

/** Runs the bench: each run is a mesh of its own, chain and direct in turns. */
export async function run(options: BenchOptions): Promise<readonly BenchRow[]> {
  await needCommand("wrk", ["wrk"]);
  const libc = openLibc();
  const runs: Run[] = [];
  try {
    for (let turn = 1; turn <= options.runs; turn++) runs.push(await runOnce(libc, options.log));
  } finally {
    closeLibc(libc);
  }
  return rowsOf(runs);
}

function rowsOf(runs: readonly Run[]): BenchRow[] {
  // On a busy machine noise can exceed the difference; a microsecond is wrk's resolution.
  const added = (pick: (figures: WrkFigures) => number): number =>
    Math.max(0.001, median(runs.map(({ chain, direct }) => pick(chain) - pick(direct))));
  const of = (pick: (made: Run) => number): number => median(runs.map(pick));
  return [
    benchRow(
      `added p50, 1 connection (bar ${barAddedP50Ms})`,
      { ours: added(({ p50Ms }) => p50Ms), peer: barAddedP50Ms },
      "ms",
      "lower",
    ),
    benchRow(
      `added p99, 1 connection (bar ${barAddedP99Ms})`,
      { ours: added(({ p99Ms }) => p99Ms), peer: barAddedP99Ms },
      "ms",
      "lower",
    ),
    benchRow(
      "requests/s, 32 connections, against direct",
      { ours: of((made) => made.chainMany.requestsPerS), peer: of((made) => made.directMany.requestsPerS) },
      "requests/s",
      "higher",
    ),
  ];
}

async function runOnce(libc: Libc, log: BenchOptions["log"]): Promise<Run> {
  const host = await openTestHost();
  const mesh = await startMesh({ host });
  const server = startDirect();
  try {
    await deploy(mesh);
    const target = await priceUrl(mesh);
    const slot = await slotOf(mesh, "caller");
    try {
      const spawn = (argv: string[]): Bun.Subprocess<"ignore", "pipe", "inherit"> =>
        withNamespace(libc, slot, () =>
          Bun.spawn(argv, { stdin: "ignore", stdout: "pipe", stderr: "inherit" }),
        );
      const chainOf = (connections: number): Promise<WrkFigures> =>
        measured(mesh, log, () =>
          runWrk({ url: target, connections, seconds, headers: { Host: "price.bench" }, spawn }),
        );
      const directOf = (connections: number): Promise<WrkFigures> =>
        told(log, "direct", runWrk({ url: server.url, connections, seconds }));
      await runWrk({ url: target, connections: 4, seconds: 2, headers: { Host: "price.bench" }, spawn });
      return {
        chain: await chainOf(1),
        direct: await directOf(1),
        chainMany: await chainOf(32),
        directMany: await directOf(32),
      };
    } finally {
      closeSync(slot);
    }
  } finally {
    server.stop();
    await mesh.down();
    await host.close();
  }
}

async function deploy(mesh: Mesh): Promise<void> {
  const scale = { idleMs, max: 1, concurrency: 1000 };
  await mesh.deployFunctions("bench", {
    price: { source: `export default { fetch: ${handler} };`, scale },
    caller: {
      source: `export default { async fetch() { return new Response(await (await fetch("http://price/")).text()); } };`,
      scale,
    },
  });
  await waitUntil(
    "both functions answer",
    async () => (await mesh.call("caller.bench")).body === "price 7\n",
  );
}

async function priceUrl(mesh: Mesh): Promise<string> {
  const { body } = await mesh.apiFetch("/api/v1/namespaces/bench/services/price");
  const { spec } = JSON.parse(body) as { readonly spec: { readonly clusterIP: string } };
  return `http://${spec.clusterIP}/`;
}

/** Opens the network namespace of a function's one instance: that of the process whose loopback has its address. */
async function slotOf(mesh: Mesh, name: string): Promise<number> {
  const instance = await waitUntil(`an instance of ${name} is told of`, async () =>
    (await mesh.instances()).find((known) => known.function === name),
  );
  for (const pid of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("engine")) continue;
      if (readFileSync(`/proc/${pid}/net/fib_trie`, "utf8").includes(`-- ${instance.address}\n`))
        return openSync(`/proc/${pid}/ns/net`, "r");
    } catch {
      // It ended between the list and the look.
    }
  }
  throw new Error(
    `Cannot find the process of ${instance.instance}: none has the address ${instance.address}`,
  );
}

/** The same handler under the same engine, reached over loopback. */
function startDirect(): { readonly url: string; stop(): void } {
  const folder = mkdtempSync(join(tmpdir(), "chain-direct-"));
  const source = `const server = Bun.serve({ port: 0, hostname: "127.0.0.1", idleTimeout: 0, fetch: ${handler} });
require("node:fs").writeFileSync(process.argv[2], String(server.port));`;
  writeFileSync(join(folder, "server.cjs"), source);
  writeFileSync(join(folder, "port"), "");
  const server = Bun.spawn([process.execPath, join(folder, "server.cjs"), join(folder, "port")], {
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
  });
  const deadline = performance.now() + 10_000;
  let port = "";
  while (port === "" && performance.now() < deadline) {
    Bun.sleepSync(10);
    port = readFileSync(join(folder, "port"), "utf8");
  }
  return {
    url: `http://127.0.0.1:${port}/`,
    stop() {
      server.kill();
      rmSync(folder, { recursive: true });
    },
  };
}

async function told(
  log: BenchOptions["log"],
  what: string,
  running: Promise<WrkFigures>,
): Promise<WrkFigures> {
  const figures = await running;
  const { command, requestsPerS, p50Ms, p99Ms, errors } = figures;
  log(`${what}: ${requestsPerS} requests/s, p50 ${p50Ms} ms, p99 ${p99Ms} ms, ${errors} errors: ${command}`);
  return figures;
}

/** Tells beside the figures what CPU each program of the mesh used for one request. */
async function measured(
  mesh: Mesh,
  log: BenchOptions["log"],
  load: () => Promise<WrkFigures>,
): Promise<WrkFigures> {
  const programs = programsOf(mesh.runDir);
  const before = programs.map(({ pid }) => cpuSeconds(pid));
  const figures = await told(log, "chain", load());
  const perRequest = programs.map(({ name, pid }, i) => {
    const micros = ((cpuSeconds(pid) - (before[i] ?? 0)) * 1e6) / figures.requests;
    return `${name} ${micros.toFixed(1)}`;
  });
  log(`  CPU µs a request: ${perRequest.join(", ")}`);
  return figures;
}

function programsOf(runDir: string): { readonly name: string; readonly pid: number }[] {
  const found: { name: string; pid: number }[] = [];
  for (const pid of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      const name = /\/(ztunnel|waypoint)\/main\.ts\0/.exec(line)?.[1];
      if (name !== undefined && line.includes(runDir) && !line.includes("--edge"))
        found.push({ name, pid: Number(pid) });
    } catch {
      // It ended between the list and the look.
    }
  }
  return found;
}
