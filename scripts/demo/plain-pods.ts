/**
 * The demo's two plain Pods: they talk in the clear, their namespace is labelled while they talk, and the same two processes
 * go on under mutual TLS. What crosses the node is watched by a packet socket.
 */
import { join } from "node:path";
import { openKubeClient } from "#host/kube/open-kube-client.ts";
import type { Libc } from "#host/linux/libc.ts";
import { closeLibc, openLibc } from "#host/linux/libc.ts";
import { warmUp } from "#host/linux/namespaces.ts";
import { openPoller, type Poller } from "#host/linux/poller.ts";
import { namespaceResource } from "../../k8s/model/core-objects.ts";
import { openMeshApi, type MeshApi } from "../../runtime/cli/api/mesh-api.ts";
import { bunInPods, bunMount, bunVolume } from "../../tests/support/bun-in-pods.ts";
import { openPacketCapture } from "../../tests/support/packet-capture.ts";
import { readPeerSvid } from "../../tests/support/peer-svid.ts";
import type { MeshProcess } from "./mesh-process.ts";

/** What became of them. */
export interface PodsEvidence {
  readonly labelledBy: "kubectl" | "lambient";
  /** Packets on the wire that held the client's secret word: before the label, and once it was in force. */
  readonly wordBefore: number;
  readonly wordAfter: number;
  /** Packets of the tunnel once the label was in force. */
  readonly tunnelPackets: number;
  /** From the label's write to the first record that followed a tunnel's handshake. */
  readonly enrolMs: number;
  /** What the server's tunnel port shows. */
  readonly serverSvid: string;
  readonly isSameClient: boolean;
  readonly restarts: number;
  /** The client's calls by its own count, from before the label on. */
  readonly calls: number;
  readonly failedCalls: number;
}

const namespace = "plain";
const labelText = "istio.io/dataplane-mode=ambient";
const tunnelPort = 15_008;
const callsWanted = 50;
/** The type of the TLS records that follow a handshake. */
const applicationData = 23;

const serverCode = `Bun.serve({ port: 8080, fetch: () => new Response("hello") });`;
/** A connection a call, so that each call is a first one. */
const clientCode = `
let calls = 0, failed = 0;
for (;;) {
  try {
    const answer = await fetch("http://server:8080/?word=" + process.env.WORD, { headers: { connection: "close" } });
    if ((await answer.text()) === "hello") calls++; else failed++;
  } catch { failed++; }
  if ((calls + failed) % 10 === 0) console.log(JSON.stringify({ pid: process.pid, startedAt: performance.timeOrigin, calls, failed }));
  await Bun.sleep(5);
}`;

interface ClientReport {
  readonly pid: number;
  readonly startedAt: number;
  readonly calls: number;
  readonly failed: number;
}

/** Makes them, labels their namespace, and watches. @throws Error when they do not talk */
export async function enrolPlainPods(mesh: MeshProcess): Promise<PodsEvidence> {
  const api = openMeshApi(mesh.place.runDir);
  const word = `word-${crypto.randomUUID()}`;
  await makePods(api, word);
  await untilReport(api, (report) => report.calls >= callsWanted);
  const libc = openLibc();
  await warmUp();
  const poller = await openPoller(libc);
  try {
    return await watchLabel({ mesh, api, libc, poller, word });
  } finally {
    poller.close();
    closeLibc(libc);
  }
}

interface Scene {
  readonly mesh: MeshProcess;
  readonly api: MeshApi;
  readonly libc: Libc;
  readonly poller: Poller;
  readonly word: string;
}

async function watchLabel({ mesh, api, libc, poller, word }: Scene): Promise<PodsEvidence> {
  const node = await nodeNamespace(mesh);
  const holding = (payload: Buffer): boolean => payload.includes(word);
  const before = await untilReport(api, () => true);
  const plain = openPacketCapture(libc, poller, node);
  await untilReport(api, ({ calls }) => calls >= before.calls + callsWanted);
  const wordBefore = plain.finish().filter(({ payload }) => holding(payload)).length;

  const [clientAddress, serverAddress] = await Promise.all([
    addressOf(api, "client"),
    addressOf(api, "server"),
  ]);
  const firstTunnel = Promise.withResolvers<number>();
  const passing = openPacketCapture(libc, poller, node, ({ source, destinationPort, payload }) => {
    if (source !== clientAddress || destinationPort !== tunnelPort || payload[0] !== applicationData) return;
    firstTunnel.resolve(performance.now());
  });
  const { writtenAtMs } = await watchForLabel(mesh);
  const labelledBy = await setLabel(mesh);
  const enrolMs = (await firstTunnel.promise) - (await writtenAtMs);
  passing.finish();

  const then = await untilReport(api, () => true);
  const later = await untilReport(api, ({ calls }) => calls > then.calls);
  const sealed = openPacketCapture(libc, poller, node);
  const after = await untilReport(api, ({ calls }) => calls >= later.calls + callsWanted);
  const packets = sealed.finish();
  return {
    labelledBy,
    wordBefore,
    wordAfter: packets.filter(({ payload }) => holding(payload)).length,
    tunnelPackets: packets.filter(({ destinationPort }) => destinationPort === tunnelPort).length,
    enrolMs,
    serverSvid: await readPeerSvid(libc, node, serverAddress),
    isSameClient: after.startedAt === before.startedAt,
    restarts: (await restartsOf(api, "client")) + (await restartsOf(api, "server")),
    // Those of the beginning do not count: the client may have been there before the server.
    calls: after.calls - before.calls,
    failedCalls: after.failed - before.failed,
  };
}

async function makePods(api: MeshApi, word: string): Promise<void> {
  const post = (path: string, body: object): Promise<unknown> =>
    api.json({ method: "POST", path, body: JSON.stringify(body) });
  const at = `/api/v1/namespaces/${namespace}`;
  await post("/api/v1/namespaces", { metadata: { name: namespace } });
  const ports = [{ name: "http", port: 8080, targetPort: 8080 }];
  await post(`${at}/services`, {
    metadata: { name: "server" },
    spec: { selector: { app: "server" }, ports },
  });
  const pods = [
    ["server", serverCode],
    ["client", clientCode],
  ] as const;
  for (const [name, code] of pods) {
    await post(`${at}/serviceaccounts`, { metadata: { name } });
    const env = [{ name: "WORD", value: word }];
    const container = {
      name: "main",
      image: "local/bun",
      command: [bunInPods, "-e", code],
      env,
      volumeMounts: [bunMount],
    };
    const spec = {
      serviceAccountName: name,
      terminationGracePeriodSeconds: 1,
      containers: [container],
      volumes: [bunVolume],
    };
    await post(`${at}/pods`, { metadata: { name, labels: { app: name } }, spec });
  }
}

/** The client's last word, once it is as wanted. */
async function untilReport(api: MeshApi, isWanted: (report: ClientReport) => boolean): Promise<ClientReport> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    const report = await readReport(api);
    if (report !== undefined && isWanted(report)) return report;
    if (performance.now() > deadline)
      throw new Error(`Cannot see the Pods talk: the client said ${JSON.stringify(report)}`);
    await Bun.sleep(20);
  }
}

async function readReport(api: MeshApi): Promise<ClientReport | undefined> {
  try {
    const lines = api.lines({ path: `/api/v1/namespaces/${namespace}/pods/client/log?tailLines=1` });
    for await (const line of lines) return JSON.parse(line) as ClientReport;
  } catch {
    // Its container does not run yet: asked again.
  }
  return undefined;
}

interface PodView {
  readonly status: {
    readonly podIP: string;
    readonly containerStatuses: readonly { readonly restartCount: number }[];
  };
}

async function readPod(api: MeshApi, name: string): Promise<PodView> {
  return (await api.json({ path: `/api/v1/namespaces/${namespace}/pods/${name}` })) as PodView;
}

async function addressOf(api: MeshApi, name: string): Promise<string> {
  return (await readPod(api, name)).status.podIP;
}

async function restartsOf(api: MeshApi, name: string): Promise<number> {
  return (await readPod(api, name)).status.containerStatuses.reduce(
    (sum, { restartCount }) => sum + restartCount,
    0,
  );
}

/** Where Pods' links end: the network of the node's programs. */
async function nodeNamespace(mesh: MeshProcess): Promise<string> {
  const { programs } = await mesh.json<{
    readonly programs: readonly { readonly name: string; readonly pid?: number }[];
  }>("status");
  const pid = programs.find(({ name }) => name === "ztunnel")?.pid;
  if (pid === undefined) throw new Error("Cannot find the node's network: ztunnel does not run");
  return `/proc/${pid}/ns/net`;
}

/** When the label was written, as whoever watches the API sees it. */
async function watchForLabel({
  place: { runDir },
}: MeshProcess): Promise<{ readonly writtenAtMs: Promise<number> }> {
  const client = openKubeClient({
    socketPath: join(runDir, "api.sock"),
    caFile: join(runDir, "ca.pem"),
    tokenFile: join(runDir, "tokens/admin"),
  });
  const written = Promise.withResolvers<number>();
  const synced = Promise.withResolvers<void>();
  const ending = new AbortController();
  const [key = "", value] = labelText.split("=");
  client.watch(namespaceResource, {
    onSync: () => synced.resolve(),
    onEvent({ object: { metadata } }) {
      if (metadata.name !== namespace || metadata.labels?.[key] !== value) return;
      written.resolve(performance.now());
      ending.abort();
    },
    signal: ending.signal,
  });
  await synced.promise;
  return { writtenAtMs: written.promise };
}

/** By the real kubectl where there is one, else by the same request. */
async function setLabel(mesh: MeshProcess): Promise<PodsEvidence["labelledBy"]> {
  const kubectl = Bun.which("kubectl");
  if (kubectl !== null) {
    const flags = ["--kubeconfig", join(mesh.place.runDir, "kubeconfig")];
    const child = Bun.spawn([kubectl, ...flags, "label", "namespace", namespace, labelText], {
      stdout: "ignore",
      stderr: "ignore",
    });
    if ((await child.exited) === 0) return "kubectl";
  }
  await mesh.command("label", "namespace", namespace, labelText);
  return "lambient";
}
