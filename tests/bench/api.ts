/**
 * The API server against Kubernetes' own with etcd: writes, the way of a change to a hundred watchers, a long list, memory.
 * Same machine, same client, in turns; the durability of each side is in the row's name.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type ControlPlane, startControlPlane } from "../support/control-plane.ts";
import { startKubeApiserver } from "../support/kube-apiserver.ts";
import { howToGetPeers, kubernetesVersion } from "../support/kube-peers.ts";
import {
  type BenchOptions,
  type BenchRow,
  benchRow,
  median,
  needCommand,
  percentile,
  residentMb,
} from "./bench.ts";
import { openWatches } from "./api-watches.ts";
import { clients, configMaps, object, updated, write } from "./api-writes.ts";

/** A server that is measured. */
interface Server extends AsyncDisposable {
  readonly url: string;
  readonly token: string;
  readonly ca: string;
  readonly pids: readonly number[];
}

/** What one run found. */
interface Figures {
  readonly createsPerS: number;
  readonly updatesPerS: number;
  readonly fanOutP50Ms: number;
  readonly fanOutP99Ms: number;
  readonly listMs: number;
  readonly idleMb: number;
  readonly fullMb: number;
}

const watchers = 100;
const changes = 200;
const listed = 10_000;

/** Runs both sides in turns. @throws Error when a peer is missing */
export async function run({ runs, log }: BenchOptions): Promise<readonly BenchRow[]> {
  await needCommand("wrk", ["wrk"]);
  const sides = {
    "killed process": { ours: () => ours("process"), peer: () => theirs("no-fsync") },
    "power loss": { ours: () => ours("power"), peer: () => theirs("fsync") },
  } as const;
  const rows: BenchRow[] = [];
  for (const [outlives, { ours: openOurs, peer: openPeer }] of Object.entries(sides)) {
    const found: Record<"ours" | "peer", Figures[]> = { ours: [], peer: [] };
    for (let turn = 0; turn < runs; turn++) {
      for (const [side, open] of [
        ["ours", openOurs],
        ["peer", openPeer],
      ] as const) {
        await using server = await open();
        const figures = await measure(server, outlives === "killed process");
        found[side].push(figures);
        log(`${outlives}, ${side}: ${JSON.stringify(figures)}`);
      }
    }
    rows.push(...rowsOf(found, outlives));
  }
  log(`peer: kube-apiserver ${kubernetesVersion} with etcd`);
  return rows;
}

function rowsOf(
  found: Readonly<Record<"ours" | "peer", readonly Figures[]>>,
  outlives: string,
): readonly BenchRow[] {
  const middle = (pick: (figures: Figures) => number): { ours: number; peer: number } => ({
    ours: median(found.ours.map(pick)),
    peer: median(found.peer.map(pick)),
  });
  const writes = `outlives a ${outlives}, ${clients} clients, 1 KB`;
  const rows = [
    benchRow(
      `creates (${writes})`,
      middle((each) => each.createsPerS),
      "writes/s",
      "higher",
    ),
    benchRow(
      `updates (${writes})`,
      middle((each) => each.updatesPerS),
      "writes/s",
      "higher",
    ),
  ];
  if (outlives === "power loss") return rows;
  return [
    ...rows,
    benchRow(
      `watch fan-out p50 (${watchers} watchers)`,
      middle((each) => each.fanOutP50Ms),
      "ms",
      "lower",
    ),
    benchRow(
      `watch fan-out p99 (${watchers} watchers)`,
      middle((each) => each.fanOutP99Ms),
      "ms",
      "lower",
    ),
    benchRow(
      `list of ${listed} objects`,
      middle((each) => each.listMs),
      "ms",
      "lower",
    ),
    benchRow(
      "resident memory at the start",
      middle((each) => each.idleMb),
      "MB",
      "lower",
    ),
    benchRow(
      "resident memory with all of it",
      middle((each) => each.fullMb),
      "MB",
      "lower",
    ),
  ];
}

async function ours(durability: "process" | "power"): Promise<Server> {
  const plane: ControlPlane = await startControlPlane({
    flags: ["--durability", durability, "--log-level", "info"],
  });
  const port = /apiPort[^0-9]*(\d+)/.exec(plane.log())?.[1] ?? "";
  return {
    url: `https://127.0.0.1:${port}`,
    token: readFileSync(join(plane.runDir, "tokens/admin"), "utf8"),
    ca: readFileSync(join(plane.runDir, "ca.pem"), "utf8"),
    pids: [plane.pid],
    [Symbol.asyncDispose]: () => plane[Symbol.asyncDispose](),
  };
}

async function theirs(sync: "fsync" | "no-fsync"): Promise<Server> {
  const server = await startKubeApiserver({ syncsToDisk: sync === "fsync", hasControllers: false }).catch(
    (error: unknown) => {
      throw new Error(`Cannot start the peer; ${howToGetPeers}`, { cause: error });
    },
  );
  return {
    url: server.url,
    token: server.token,
    ca: readFileSync(server.caFile, "utf8"),
    pids: server.pids,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function measure(server: Server, isWhole: boolean): Promise<Figures> {
  const idleMb = memoryOf(server);
  await ask(server, "POST", "/api/v1/namespaces", { metadata: { name: "bench" } });
  const createsPerS = await write(server, "POST");
  for (let index = 0; index < updated; index++) await ask(server, "POST", configMaps, object(`u${index}`));
  const updatesPerS = await write(server, "PUT");
  if (!isWhole) {
    return {
      createsPerS,
      updatesPerS,
      fanOutP50Ms: 0,
      fanOutP99Ms: 0,
      listMs: 0,
      idleMb,
      fullMb: memoryOf(server),
    };
  }
  const fanOut = await fanOutMs(server);
  const listMs = await listTime(server);
  return {
    createsPerS,
    updatesPerS,
    fanOutP50Ms: percentile(fanOut, 0.5),
    fanOutP99Ms: percentile(fanOut, 0.99),
    listMs,
    idleMb,
    fullMb: memoryOf(server),
  };
}

/** From the moment a write is sent to the moment each watcher has its event, as one process sees both. */
async function fanOutMs(server: Server): Promise<readonly number[]> {
  const watches = await openWatches({ ...server, path: configMaps, name: "fan", count: watchers });
  try {
    const samples: number[] = [];
    const first = watches.next();
    await ask(server, "POST", configMaps, object("fan"));
    await first;
    for (let change = 0; change < changes; change++) {
      const sentAtMs = performance.now();
      const arrivals = watches.next();
      await ask(server, "PUT", `${configMaps}/fan`, { ...object("fan"), data: { text: String(change) } });
      for (const atMs of await arrivals) samples.push(atMs - sentAtMs);
    }
    return samples;
  } finally {
    watches.close();
  }
}

async function listTime(server: Server): Promise<number> {
  await ask(server, "POST", "/api/v1/namespaces", { metadata: { name: "many" } });
  const path = "/api/v1/namespaces/many/configmaps";
  const names = Array.from({ length: listed }, (_, index) => `c${index}`);
  for (let at = 0; at < names.length; at += 50) {
    await Promise.all(
      names
        .slice(at, at + 50)
        .map((name) => ask(server, "POST", path, { ...object(name), data: { text: "y".repeat(400) } })),
    );
  }
  const times: number[] = [];
  for (let turn = 0; turn < 5; turn++) {
    const startedAtMs = performance.now();
    const response = await fetch(server.url + path, requestTo(server, "GET"));
    const bytes = (await response.arrayBuffer()).byteLength;
    times.push(performance.now() - startedAtMs);
    if (bytes < listed * 400) throw new Error(`Cannot measure a list of ${bytes} bytes`);
  }
  return median(times);
}

async function ask(server: Server, method: string, path: string, body: unknown): Promise<void> {
  const response = await fetch(server.url + path, {
    ...requestTo(server, method),
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`Cannot ${method} ${path}: ${response.status} ${text.slice(0, 300)}`);
}

function requestTo(server: Server, method: string): BunFetchRequestInit {
  const headers = {
    authorization: `Bearer ${server.token}`,
    "content-type": "application/json",
    accept: "application/json",
  };
  return { method, headers, tls: { ca: server.ca } };
}

function memoryOf({ pids }: Server): number {
  return pids.reduce((sum, pid) => sum + residentMb(pid), 0);
}
