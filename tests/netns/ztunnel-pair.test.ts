/** A pair of ztunnels in two network namespaces, from files: what crosses, what is refused, and what is seen of it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import { closeLibc, type Libc, openLibc } from "#host/linux/libc.ts";
import { warmUp, withNamespace } from "#host/linux/namespaces.ts";
import { startConnect } from "#host/linux/sockets.ts";
import { openTunnel, type TunnelDial } from "#host/tunnel/open-tunnel.ts";
import { TunnelError } from "#host/tunnel/tunnel-error.ts";
import type { Tunnel } from "#host/tunnel/tunnel.ts";
import { askByUdp } from "../support/ask-name.ts";
import { type Conversation, converseFrom, untilRefused } from "../support/conversation.ts";
import { openLinkCapture, readTcp } from "../support/link-capture.ts";
import { makeTestCa } from "../support/test-ca.ts";
import { waitUntil } from "../support/wait-until.ts";
import {
  echoPort,
  echoService,
  meshOf,
  type RunningZtunnel,
  startZtunnelPair,
  type ZtunnelPair,
} from "../support/ztunnel-pair.ts";

let libc: Libc;
let pair: ZtunnelPair;
/** Peers that the echo server has seen. */
const seen: string[] = [];
let echo: { stop(): void };

beforeAll(async () => {
  libc = openLibc();
  await warmUp();
  pair = await startZtunnelPair(libc);
  echo = withNamespace(libc, pair.nodes.b.slot.fd, () =>
    Bun.listen({
      hostname: "0.0.0.0",
      port: echoPort,
      allowHalfOpen: true,
      socket: {
        open: (socket) => void seen.push(socket.remoteAddress),
        data: (socket, bytes) => void socket.write(bytes),
        end: (socket) => void socket.end(),
      },
    }),
  );
});

afterAll(async () => {
  echo.stop();
  await pair[Symbol.asyncDispose]();
  closeLibc(libc);
});

/** The first line from an index on that holds the text. */
function lineWith(ztunnel: RunningZtunnel, text: string, from = 0): Promise<string> {
  return waitUntil(`a line holds ${text}`, () =>
    ztunnel.lines.slice(from).find((line) => line.includes(text)),
  );
}

/** A connection of `web`. */
function connectFromWeb(address = echoService.address, port = echoService.port): Promise<Conversation> {
  return converseFrom(libc, pair.nodes.a.slot.fd, address, port);
}

test("bytes cross, and the workload sees who calls", async () => {
  const talk = await connectFromWeb();
  expect(await talk.say("hello")).toBe("hello");
  talk.stream.end();
  await talk.over();
  expect(seen.at(-1)).toBe(pair.nodes.a.address);
});

test("both ends leave a line in Istio's words and count in Istio's metrics", async () => {
  const talk = await connectFromWeb();
  await talk.say("count me well");
  const before = [pair.a.lines.length, pair.b.lines.length];
  talk.stream.end();
  await talk.over();
  const outbound = await lineWith(pair.a, "bytes_sent=13 ", before[0]);
  const inbound = await lineWith(pair.b, "bytes_sent=13 ", before[1]);
  const { a, b } = pair.nodes;
  expect(outbound).toMatch(
    new RegExp(
      `^\\S+Z\\tinfo\\taccess\\tconnection complete\\tsrc\\.addr=${a.address}:\\d+ src\\.workload="web" src\\.namespace="shop"` +
        ` src\\.identity="spiffe://cluster\\.local/ns/shop/sa/web" dst\\.addr=${b.address}:15008 dst\\.hbone_addr=${b.address}:8080` +
        ` dst\\.service="echo\\.shop\\.svc\\.cluster\\.local" dst\\.workload="echo" dst\\.namespace="shop"` +
        ` dst\\.identity="spiffe://cluster\\.local/ns/shop/sa/echo" direction="outbound" bytes_sent=13 bytes_recv=13 duration="\\d+ms"$`,
    ),
  );
  expect(inbound).toContain(`dst.addr=${b.address}:8080 dst.hbone_addr=${b.address}:8080`);
  expect(inbound).toContain('src.identity="spiffe://cluster.local/ns/shop/sa/web"');
  expect(inbound).toContain('direction="inbound" bytes_sent=13 bytes_recv=13');
  const metrics = await pair.b.metrics();
  expect(metrics).toMatch(
    /istio_tcp_connections_opened_total\{reporter="destination",source_workload="web".*connection_security_policy="mutual_tls".*\} \d/,
  );
  expect(metrics).toMatch(/istio_tcp_received_bytes_total\{reporter="destination".*\} \d/);
});

const denyWeb = {
  name: "deny-web",
  namespace: "shop",
  scope: "Namespace",
  action: "Deny",
  rules: [[[{ principals: [{ exact: "cluster.local/ns/shop/sa/web" }] }]]],
};

test("a policy refuses with 401 and is named in the line", async () => {
  await pair.setPolicies([denyWeb]);
  const before = [pair.a.lines.length, pair.b.lines.length];
  await untilRefused(libc, pair.nodes.a.slot.fd, echoService.address, echoService.port);
  const outbound = await lineWith(pair.a, "http status: 401", before[0]);
  const inbound = await lineWith(pair.b, "connection failed", before[1]);
  expect(outbound).toContain('error="http status: 401"');
  expect(inbound).toContain("\twarn\taccess\tconnection failed\t");
  expect(inbound).toContain(
    'error="connection closed due to policy rejection: explicitly denied by: shop/deny-web"',
  );
  expect(await pair.b.metrics()).toMatch(/istio_tcp_connections_failed_total\{.*response_flags="DENY".*\} 1/);
  await pair.setPolicies([]);
});

test("a policy change cuts a connection that carries bytes", async () => {
  const talk = await connectFromWeb();
  expect(await talk.say("before")).toBe("before");
  const before = pair.b.lines.length;
  await pair.setPolicies([denyWeb]);
  await waitUntil("it is cut", () => talk.closed);
  const line = await lineWith(pair.b, "connection closed due to policy change", before);
  expect(line).toContain("shop/deny-web");
  await pair.setPolicies([]);
  const again = await connectFromWeb();
  expect(await again.say("after")).toBe("after");
  again.stream.reset();
});

test("a policy that a workload names and nobody holds refuses after the bounded wait", async () => {
  const mesh = meshOf(pair.nodes);
  const workloads = mesh.workloads.map((workload) =>
    workload["uid"] === "echo-1" ? { ...workload, authorizationPolicies: ["shop/later"] } : workload,
  );
  await pair.setMesh({ ...mesh, workloads });
  const before = pair.b.lines.length;
  await untilRefused(libc, pair.nodes.a.slot.fd, echoService.address, echoService.port);
  await lineWith(pair.b, "policies are not known yet: shop/later", before);
  await pair.setMesh(mesh);
});

test("an application that is not there is a 503, and the caller's connection ends", async () => {
  const before = [pair.a.lines.length, pair.b.lines.length];
  await untilRefused(libc, pair.nodes.a.slot.fd, pair.nodes.b.address, 9);
  const outbound = await lineWith(pair.a, "http status: 503", before[0]);
  const inbound = await lineWith(pair.b, `${pair.nodes.b.address}:9 `, before[1]);
  expect(outbound).toContain('error="http status: 503"');
  expect(inbound).toContain("\terror\taccess\tconnection complete\t");
});

/** A tunnel past `web`'s ztunnel, straight to the other node. */
async function openDirectTunnel(identity: string, expected = "ns/shop/sa/echo"): Promise<Tunnel> {
  const to = { address: pair.nodes.b.address, port: 15008 };
  const fd = startConnect(libc, pair.nodes.a.namespace.fd, { to });
  return await openTunnel({
    dial: { kind: "fd", fd },
    certificate: pair.ca.issue(identity),
    expectedPeers: new Set([`spiffe://cluster.local/${expected}` as SpiffeId]),
  });
}

async function statusOf(tunnel: Tunnel, authority: string): Promise<number> {
  const outcome = await tunnel.connect([
    [":method", "CONNECT"],
    [":authority", authority],
  ]);
  if (outcome.kind === "refused") return outcome.status;
  outcome.stream.handle({ onData() {}, onDrain() {}, onEnd() {}, onClose() {} });
  outcome.stream.reset();
  return 200;
}

test("a tunnel's CONNECT is checked in order", async () => {
  const tunnel = await openDirectTunnel("ns/shop/sa/other");
  const { address } = pair.nodes.b;
  const statuses: [string, number][] = [];
  for (const authority of [
    `${address}:8080`,
    `${echoService.hostname}:80`,
    "10.9.9.9:8080",
    `${address}:15008`,
    `${address}:15001`,
    "nowhere.x:80",
    "nonsense",
  ]) {
    statuses.push([authority, await statusOf(tunnel, authority)]);
  }
  expect(statuses).toEqual([
    [`${address}:8080`, 200],
    [`${echoService.hostname}:80`, 200],
    ["10.9.9.9:8080", 400],
    [`${address}:15008`, 503],
    [`${address}:15001`, 503],
    ["nowhere.x:80", 503],
    ["nonsense", 400],
  ]);
  tunnel.close();
});

test("identities are checked on both sides", async () => {
  const strange = makeTestCa().issue("ns/shop/sa/web");
  const to = { address: pair.nodes.b.address, port: 15008 };
  const dial = (): TunnelDial => ({ kind: "fd", fd: startConnect(libc, pair.nodes.a.namespace.fd, { to }) });
  const expectedPeers = new Set(["spiffe://cluster.local/ns/shop/sa/echo" as SpiffeId]);
  const certificate = { ...strange, rootsPem: pair.ca.rootsPem };
  // TLS 1.3 refuses a client after the client believes that it is connected: the first stream shows it.
  const outcome = openTunnel({ dial: dial(), certificate, expectedPeers }).then((tunnel) =>
    statusOf(tunnel, "10.2.0.2:8080"),
  );
  expect(outcome).rejects.toBeInstanceOf(TunnelError);
  expect(openDirectTunnel("ns/shop/sa/web", "ns/shop/sa/somebody-else")).rejects.toMatchObject({
    code: "identity",
  });
  await Promise.allSettled([outcome]);
});

test("a server of another identity gets no byte", async () => {
  await using other = await startZtunnelPair(libc, { echoIdentity: "ns/shop/sa/impostor" });
  await untilRefused(libc, other.nodes.a.slot.fd, echoService.address, echoService.port);
  const line = await waitUntil("the line is written", () => other.a.lines.at(-1));
  expect(line).toMatch(/error="(tls error|.*connect)/i);
});

test("what is nobody's is dialled past the mesh, and loopback is not", async () => {
  const listener = withNamespace(libc, pair.nodes.a.namespace.fd, () =>
    Bun.listen({
      hostname: pair.nodes.a.linkAddress,
      port: 0,
      socket: { open: (s) => void s.end("outside"), data() {} },
    }),
  );
  const talk = await connectFromWeb(pair.nodes.a.linkAddress, listener.port);
  await talk.over();
  expect(talk.received).toBe("outside");
  listener.stop(true);
});

test("names of the mesh are answered in the workload's namespace", async () => {
  const answers = await Promise.all(
    ["echo", "echo.shop", "echo.shop.svc", echoService.hostname, "nobody"].map(lookUp),
  );
  expect(answers).toEqual([...Array.from({ length: 4 }, () => echoService.address), "code 3"]);
});

function lookUp(name: string): Promise<string> {
  return askByUdp({ libc, namespace: pair.nodes.a.slot, nameserver: "10.96.0.10" }, name);
}

test("a file that breaks changes nothing, and is read again once it is whole", async () => {
  const talk = await connectFromWeb();
  const from = pair.b.log.length;
  await pair.breakMesh();
  await waitUntil("the mistake is told with its path", () =>
    pair.b.log.slice(from).some((line) => line.includes("workloads[0]") && line.includes("colour")),
  );
  expect(await talk.say("still served")).toBe("still served");
  expect(await (await connectFromWeb()).say("and anew")).toBe("and anew");
  await pair.setPolicies([]);
  talk.stream.reset();
});

test("the wire between the nodes holds only TLS on 15008, and nothing of the payload", async () => {
  const nonce = crypto.randomUUID();
  using capture = openLinkCapture(libc, pair.nodes.a.namespace.fd);
  const talk = await connectFromWeb();
  expect(await talk.say(nonce)).toBe(nonce);
  talk.stream.end();
  await talk.over();
  const packets = capture.read().filter((packet) => packet.link !== "lo");
  const tcp = packets.flatMap(({ bytes }) => readTcp(bytes) ?? []);
  expect(tcp.length).toBeGreaterThan(0);
  expect(tcp.filter(({ ports }) => !ports.includes(15008))).toEqual([]);
  expect(Buffer.concat(tcp.map(({ payload }) => payload)).includes(nonce)).toBe(false);
});

test("an end by signal lets open connections go at the deadline and exits 0", async () => {
  await using other = await startZtunnelPair(libc);
  expect(await other.b.stop()).toBe(0);
});
