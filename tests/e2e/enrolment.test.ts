/** A label by the API on a whole mesh with running Pods: what the wire shows before and after, who the ends are, what breaks (nothing), and what happens when parts are killed. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { openNetlink } from "#host/linux/netlink.ts";
import { listRules } from "#host/linux/route-lists.ts";
import { deleteRule } from "#host/linux/routes.ts";
import { startConnect } from "#host/linux/sockets.ts";
import { openNetworkNamespace } from "#host/linux/namespaces.ts";
import type { IpAddress } from "#core/address/ip.ts";
import type { EnrolledPodReport } from "../../k8s/node/enrolment/open-enrolment.ts";
import { type Mesh, startMesh } from "../support/mesh.ts";
import { makeTalkingPods, type TalkingPods } from "../support/talking-pods.ts";
import { type CapturedPacket, openPacketCapture, type PacketCapture } from "../support/packet-capture.ts";
import { waitUntil } from "../support/wait-until.ts";

setDefaultTimeout(60_000);

let mesh: Mesh;
beforeAll(async () => {
  mesh = await startMesh();
}, 60_000);
afterAll(async () => {
  await mesh.down();
  await mesh.host.close();
}, 60_000);

/** Everything that crosses the node, where Pods' links end. */
async function captureNode(): Promise<PacketCapture> {
  const ztunnel = await mesh.pidOf("ztunnel");
  return openPacketCapture(mesh.host.libc, mesh.host.poller, mesh.host.procPath(ztunnel, "ns/net"));
}

function holding(packets: readonly CapturedPacket[], text: string): number {
  return packets.filter(({ payload }) => payload.includes(text)).length;
}

/** A server and a client that talks to it. */
async function openShop(
  namespace: string,
  env: Readonly<Record<string, string>> = {},
): Promise<{
  readonly pods: TalkingPods;
  readonly nonce: string;
  readonly server: string;
  readonly client: string;
}> {
  const pods = await makeTalkingPods(mesh, namespace);
  const nonce = `nonce-${crypto.randomUUID()}`;
  const server = (await pods.add("server", { SERVE_PORT: "8080" })).status?.podIP ?? "";
  const told = await pods.add("client", { TARGET: server, NONCE: nonce, ...env });
  await pods.until("client", "it has talked", ({ ok }) => ok > 5);
  return { pods, nonce, server, client: told.status?.podIP ?? "" };
}

/** Waits until the client's new connections go by tunnels, by ztunnel's word. */
async function untilTunnelled(namespace: string, from: number): Promise<string> {
  return await waitUntil("a tunnel is told of", () =>
    mesh
      .log("ztunnel")
      .slice(from)
      .split("\n")
      .find((line) => line.includes(`ns/${namespace}/sa/client`) && line.includes('direction="inbound"')),
  );
}

/** What ztunnel could not carry. */
function refusals(from: number): string[] {
  const lines = mesh.log("ztunnel").slice(from).split("\n");
  return lines.filter((line) => line.includes('error="'));
}

/** The name in the certificate that a Pod's port 15008 shows. */
async function svidAt(address: string): Promise<string> {
  const ztunnel = await mesh.pidOf("ztunnel");
  using node = openNetworkNamespace(mesh.host.procPath(ztunnel, "ns/net"));
  const fd = startConnect(mesh.host.libc, node.fd, { to: { address: address as IpAddress, port: 15_008 } });
  const { promise, resolve } = Promise.withResolvers<string>();
  const options = {
    fd,
    tls: { rejectUnauthorized: false, ALPNProtocols: Buffer.from("\x02h2"), minVersion: 0x0304 },
    socket: {
      handshake: (socket: Bun.Socket) => resolve(String(socket.getPeerCertificate().subjectaltname)),
      data: () => undefined,
      close: () => resolve("closed"),
      error: () => undefined,
    },
  };
  // Sound: Bun takes `fd` here though its types do not say so.
  await Bun.connect(options as unknown as Bun.UnixSocketOptions);
  return await promise;
}

test("the payload is on the wire before the label and in no packet after it, from the same processes", async () => {
  const { pods, nonce, server, client } = await openShop("wire");
  const before = await captureNode();
  const then = await pods.report("client");
  await pods.until("client", "it talks in the plain", ({ ok }) => ok > then.ok + 20);
  expect(holding(before.finish(), nonce)).toBeGreaterThan(20);
  const from = mesh.log("ztunnel").length;
  await pods.label("ambient");
  const line = await untilTunnelled("wire", from);
  const after = await captureNode();
  const now = await pods.report("client");
  const last = await pods.until("client", "it talks by tunnels", ({ ok }) => ok > now.ok + 50);
  const packets = after.finish();
  expect(holding(packets, nonce)).toBe(0);
  const tunnelled = packets.filter(
    ({ source, destinationPort }) => source === client && destinationPort === 15_008,
  );
  expect(tunnelled.length).toBeGreaterThan(50);
  expect(line).toContain('src.identity="spiffe://cluster.local/ns/wire/sa/client"');
  expect(await svidAt(server)).toBe("URI:spiffe://cluster.local/ns/wire/sa/server");
  expect({ ...last, errors: refusals(from) }).toMatchObject({ pid: then.pid, failed: 0, errors: [] });
  for (const name of ["client", "server"]) {
    await pods.untilRedirection(name, "enabled");
    expect((await pods.find(name)).status?.containerStatuses?.[0]?.restartCount).toBe(0);
  }
  await pods.label(undefined);
  await pods.untilRedirection("client", undefined);
  const plain = await waitUntil("it talks in the plain again", async () => {
    const seen = await captureNode();
    await Bun.sleep(200);
    return holding(seen.finish(), nonce);
  });
  expect(plain).toBeGreaterThan(0);
  expect((await pods.report("client")).failed).toBe(0);
});

test("200 busy connections each way go on through 20 labels and unlabels, and new ones never fail", async () => {
  const { pods, client } = await openShop("busy", { KEEP: "200", SERVE_PORT: "8080", PERIOD_MS: "100" });
  await pods.add("caller", { TARGET: client, NONCE: "back", KEEP: "200", PERIOD_MS: "100" });
  await pods.until("caller", "all are open", ({ kept, ok }) => kept === 200 && ok > 5);
  for (let round = 0; round < 20; round++) {
    await pods.label("ambient");
    await waitUntil("the node took all in", async () => (await enrolledPods("busy")) === 3);
    await pods.label(undefined);
    await waitUntil("the node let go of all", async () => (await enrolledPods("busy")) === 0);
  }
  for (const name of ["client", "caller"]) {
    const last = await pods.report(name);
    expect(last).toMatchObject({ kept: 200, keptBroken: 0, servedBroken: 0, failed: 0 });
    await pods.until(name, "all go on", ({ keptExchanged }) => keptExchanged > last.keptExchanged + 400);
  }
  expect((await pods.report("server")).servedBroken).toBe(0);
}, 180_000);

test("a Service is reached by its name before, during and after", async () => {
  const pods = await makeTalkingPods(mesh, "named");
  await pods.add("server", { SERVE_PORT: "8080" });
  await pods.addService("server", 8080);
  await pods.add("client", { TARGET: "server", NONCE: "by-name", KEEP: "5" });
  const talked = async (): Promise<void> => {
    const then = await pods.report("client");
    await pods.until("client", "it goes on", ({ ok, keptExchanged }) => {
      return ok > then.ok + 20 && keptExchanged > then.keptExchanged + 20;
    });
  };
  await pods.until("client", "it talks", ({ ok, kept }) => ok > 5 && kept === 5);
  const from = mesh.log("ztunnel").length;
  await pods.label("ambient");
  const line = await untilTunnelled("named", from);
  expect(line).toContain('src.workload="client"');
  await talked();
  await pods.label(undefined);
  await waitUntil("the node let go of both", async () => (await enrolledPods("named")) === 0);
  await talked();
  expect(await pods.report("client")).toMatchObject({ kept: 5, keptBroken: 0, failed: 0 });
});

test("a Pod of a labelled namespace speaks by tunnels from its first packet", async () => {
  const pods = await makeTalkingPods(mesh, "fresh");
  await pods.label("ambient");
  const server = (await pods.add("server", { SERVE_PORT: "8080" })).status?.podIP ?? "";
  await pods.untilRedirection("server", "enabled");
  const seen = await captureNode();
  const nonce = `nonce-${crypto.randomUUID()}`;
  await pods.add("client", { TARGET: server, NONCE: nonce });
  const { failed } = await pods.until("client", "it has talked", ({ ok }) => ok > 10);
  expect([holding(seen.finish(), nonce), failed]).toEqual([0, 0]);
});

test("nothing leaves in the plain when a rule is lost, ztunnel or the node's program is killed; all is well again in 5 s", async () => {
  const { pods, nonce } = await openShop("harm");
  const from = mesh.log("ztunnel").length;
  await pods.label("ambient");
  await untilTunnelled("harm", from);
  const seen = await captureNode();
  const wellAgain = async (what: string): Promise<void> => {
    const beganMs = performance.now();
    const then = await waitUntil("the node tells what it says", () => pods.report("client"));
    await pods.until("client", `it talks again after ${what}`, ({ ok }) => ok > then.ok + 20);
    expect(performance.now() - beganMs).toBeLessThan(5000);
  };
  using network = await pods.networkOf(await pods.find("client"));
  using netlink = openNetlink(mesh.host.libc, network.fd);
  for (const rule of listRules(netlink, 4)) if (rule.priority === 100) deleteRule(netlink, rule);
  await wellAgain("a lost rule");
  expect(await nodeMetrics()).toContain('lambient_enrolment_repairs_total{reason="rules"} 1');
  const node = await mesh.pidOf("node");
  await kill(node);
  await wellAgain("the end of the node's program");
  await waitUntil("the next one has taken over", async () => (await enrolledPods("harm")) === 2);
  await kill(await mesh.pidOf("ztunnel"));
  await wellAgain("the end of ztunnel");
  expect(holding(seen.finish(), nonce)).toBe(0);
  expect((await pods.find("client")).status?.containerStatuses?.[0]?.restartCount).toBe(0);
});

async function kill(pid: number): Promise<void> {
  const result = await mesh.host.run(["/bin/kill", "-9", String(pid)]);
  expect(result.code).toBe(0);
}

async function nodeMetrics(): Promise<string> {
  const answer = await mesh.host.fetch("http://admin/metrics", { unix: `${mesh.runDir}/admin/node.sock` });
  return answer.body;
}

/** How many Pods of a namespace are in the mesh, by the node's word. */
async function enrolledPods(namespace: string): Promise<number> {
  const answer = await mesh.host.fetch("http://admin/config_dump", {
    unix: `${mesh.runDir}/admin/node.sock`,
  });
  const { enrolment } = JSON.parse(answer.body) as { readonly enrolment: readonly EnrolledPodReport[] };
  return enrolment.filter((pod) => pod.namespace === namespace && pod.state === "capturing").length;
}
