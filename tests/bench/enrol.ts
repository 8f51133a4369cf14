/**
 * From the write of a label to the first mutual-TLS connection of a running Pod that connects to another all the time: one Pod a sample,
 * and one among 300 that are labelled at once. The wire is watched where Pods' links end: a sample ends with the first record of
 * application data that the Pod sends to port 15008, after a handshake of its own.
 */
import { join } from "node:path";
import { openKubeClient } from "#host/kube/open-kube-client.ts";
import type { KubeClient } from "#host/kube/kube-client.ts";
import { namespaceResource } from "../../k8s/model/core-objects.ts";
import { type PodObject, podResource } from "../../k8s/model/pod.ts";
import { startMesh, type Mesh } from "../support/mesh.ts";
import { makeTalkingPods, type TalkingPods } from "../support/talking-pods.ts";
import { openPacketCapture } from "../support/packet-capture.ts";
import { waitUntil } from "../support/wait-until.ts";
import { type BenchOptions, type BenchRow, benchRow, median, percentile } from "./bench.ts";

const samples = 100;
const manyPods = 300;
const barMs = 50;
const longMs = 120_000;
const mode = "istio.io/dataplane-mode";
const redirection = "ambient.istio.io/redirection";
/** Half of it is for Pods. */
const wideRange = "10.244.0.0/22";

interface Run {
  readonly oneMs: readonly number[];
  readonly stoodMs: readonly number[];
  readonly manyFirstMs: number;
  readonly manyAllMs: number;
}

/** See the file's opening. */
export async function run(options: BenchOptions): Promise<readonly BenchRow[]> {
  const runs: Run[] = [];
  for (let i = 1; i <= options.runs; i++) {
    const made = await runOnce(options.log);
    runs.push(made);
    const { oneMs, stoodMs, manyFirstMs, manyAllMs } = made;
    options.log(
      `run ${i} of ${options.runs}: ${oneMs.length} labels, first mTLS connection ${figures(oneMs)}, stood still ${figures(stoodMs)}; ` +
        `${manyPods} at once: first mTLS of one that connects ${manyFirstMs.toFixed(1)} ms, all enrolled ${manyAllMs.toFixed(1)} ms`,
    );
  }
  const of = (pick: (made: Run) => number): number => median(runs.map(pick));
  return [
    row(
      "label to first mTLS connection p50",
      of(({ oneMs }) => percentile(oneMs, 0.5)),
      barMs,
    ),
    row(
      "label to first mTLS connection p99",
      of(({ oneMs }) => percentile(oneMs, 0.99)),
      barMs,
    ),
    row(
      "Pod stands still p50",
      of(({ stoodMs }) => percentile(stoodMs, 0.5)),
      0,
    ),
    row(
      "Pod stands still p99",
      of(({ stoodMs }) => percentile(stoodMs, 0.99)),
      0,
    ),
    row(
      `${manyPods} Pods at once, first mTLS of one`,
      of(({ manyFirstMs }) => manyFirstMs),
      0,
    ),
    row(
      `${manyPods} Pods at once, all enrolled`,
      of(({ manyAllMs }) => manyAllMs),
      0,
    ),
  ];
}

/** @param peer a bar, or 0 where there is none */
function row(name: string, ours: number, peer: number): BenchRow {
  if (peer > 0) return benchRow(`${name} (bar ${peer})`, { ours, peer }, "ms", "lower");
  return { name, ours: Number(ours.toPrecision(4)), peer, ratio: 0, unit: "ms" };
}

async function runOnce(log: BenchOptions["log"]): Promise<Run> {
  const mesh = await startMesh({ flags: ["--node-range", wideRange] });
  try {
    const api = openKubeClient({
      socketPath: join(mesh.runDir, "api.sock"),
      caFile: join(mesh.runDir, "ca.pem"),
      tokenFile: join(mesh.runDir, "tokens", "admin"),
    });
    const one = await measureOne(mesh, api);
    log(`  one at a time: ${figures(one.oneMs)}, stood still ${figures(one.stoodMs)}`);
    return { ...one, ...(await measureMany(mesh, api)) };
  } finally {
    await mesh.down();
    await mesh.host.close();
  }
}

/** Labels and unlabels one Pod again and again. */
async function measureOne(mesh: Mesh, api: KubeClient): Promise<Pick<Run, "oneMs" | "stoodMs">> {
  const pods = await makeTalkingPods(mesh, "one");
  const { client, server } = await addTalkers(pods);
  const wire = await watchWire(mesh);
  const key = { namespace: "one", name: "client" };
  const label = (value: string | null): Promise<PodObject> =>
    api.patch(podResource, key, { kind: "merge", value: { metadata: { labels: { [mode]: value } } } });
  const oneMs: number[] = [];
  const logFrom = mesh.log("node").length;
  for (let sample = 0; sample < samples; sample++) {
    const first = wire.firstTunnel(client, server);
    const beganMs = performance.now();
    const written = label("ambient");
    oneMs.push((await first) - beganMs);
    await written;
    await pods.untilRedirection("client", "enabled");
    await label(null);
    await untilForgotten(mesh, sample + 1);
  }
  wire.close();
  const stood = mesh
    .log("node")
    .slice(logFrom)
    .matchAll(/Pod enrolled pod="one\/client".*stoodMs=([\d.]+)/g);
  return { oneMs, stoodMs: [...stood].map(([, ms]) => Number(ms)) };
}

/** Labels a namespace of many Pods. */
async function measureMany(mesh: Mesh, api: KubeClient): Promise<Pick<Run, "manyFirstMs" | "manyAllMs">> {
  const pods = await makeTalkingPods(mesh, "many");
  const sleepers = Array.from({ length: manyPods - 2 }, (_, index) => `sleeper-${index}`);
  // A few at a time, as the node starts them.
  for (let at = 0; at < sleepers.length; at += 10) {
    const command = ["/bin/sleep", "infinity"];
    await Promise.all(sleepers.slice(at, at + 10).map((name) => pods.add(name, {}, { command })));
  }
  const { client, server } = await addTalkers(pods);
  const wire = await watchWire(mesh);
  const ending = new AbortController();
  const enrolled = Promise.withResolvers<number>();
  const names = new Set<string>();
  const synced = Promise.withResolvers<void>();
  api.watch(podResource, {
    namespace: "many",
    onEvent({ object: { metadata } }) {
      if (metadata.annotations?.[redirection] === "enabled") names.add(metadata.name);
      if (names.size === manyPods) enrolled.resolve(performance.now());
    },
    onSync: () => synced.resolve(),
    signal: ending.signal,
  });
  await synced.promise;
  const first = wire.firstTunnel(client, server);
  const beganMs = performance.now();
  const value = { metadata: { labels: { [mode]: "ambient" } } };
  await api.patch(namespaceResource, { name: "many" }, { kind: "merge", value });
  const manyFirstMs = (await first) - beganMs;
  const manyAllMs = (await enrolled.promise) - beganMs;
  ending.abort();
  wire.close();
  return { manyFirstMs, manyAllMs };
}

/** A server in the mesh, and a client outside it that connects to it all the time. */
async function addTalkers(pods: TalkingPods): Promise<{ readonly client: string; readonly server: string }> {
  const server = await pods.add("server", { SERVE_PORT: "8080" }, { labels: { [mode]: "ambient" } });
  await pods.untilRedirection("server", "enabled");
  const env = { TARGET: server.status?.podIP ?? "", NONCE: "bench", PERIOD_MS: "1" };
  const client = await pods.add("client", env);
  await pods.until("client", "it talks", ({ ok }) => ok > 100);
  return { client: client.status?.podIP ?? "", server: server.status?.podIP ?? "" };
}

interface Wire {
  /** When the first connection of `from` to the tunnel port of `to` has ended its handshake. */
  firstTunnel(from: string, to: string): Promise<number>;
  close(): void;
}

const record = { handshake: 22, data: 23 } as const;
const clientHello = 1;

/** Watches the node's namespace. */
async function watchWire(mesh: Mesh): Promise<Wire> {
  const { host } = mesh;
  let waiting:
    | { readonly from: string; readonly to: string; readonly resolve: (atMs: number) => void }
    | undefined;
  const greeted = new Set<number>();
  const path = host.procPath(await mesh.pidOf("ztunnel"), "ns/net");
  const capture = openPacketCapture(host.libc, host.poller, path, (packet) => {
    const { source, sourcePort, destination, destinationPort, payload } = packet;
    if (destinationPort !== 15_008 || source !== waiting?.from || destination !== waiting.to) return;
    if (payload[0] === record.handshake && payload[5] === clientHello) greeted.add(sourcePort);
    if (payload[0] !== record.data || !greeted.has(sourcePort)) return;
    waiting.resolve(performance.now());
    waiting = undefined;
  });
  return {
    firstTunnel(from, to) {
      greeted.clear();
      const { promise, resolve } = Promise.withResolvers<number>();
      waiting = { from, to, resolve };
      return promise;
    },
    close: () => void capture.finish(),
  };
}

/** Waits until nothing of the client's membership is left: not its capture, nor ztunnel's tunnels for it. */
async function untilForgotten(mesh: Mesh, times: number): Promise<void> {
  await waitUntil(
    "ztunnel has let go of the client",
    async () => {
      const answer = await mesh.host.fetch("http://admin/metrics", {
        unix: `${mesh.runDir}/admin/ztunnel.sock`,
      });
      const stopped = /^workload_manager_proxies_stopped_total (\d+)$/m.exec(answer.body)?.[1] ?? "0";
      return Number(stopped) >= times;
    },
    longMs,
  );
}

function figures(ms: readonly number[]): string {
  return `p50 ${percentile(ms, 0.5).toFixed(1)} p99 ${percentile(ms, 0.99).toFixed(1)} ms`;
}
