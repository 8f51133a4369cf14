import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { type Mesh, startMesh } from "../support/mesh.ts";
import { type CapturedPacket, openPacketCapture } from "../support/packet-capture.ts";
import { openTestHost, type TestHost } from "../support/test-host.ts";

setDefaultTimeout(60_000);

let host: TestHost;
let mesh: Mesh;
beforeAll(async () => {
  host = await openTestHost();
  mesh = await startMesh({ host });
  await mesh.deployFunctions("wire", {
    front: {
      source: `export default { fetch: async (request) => new Response(await (await fetch("http://back/", { method: "POST", body: await request.text() })).text()) };`,
    },
    back: {
      source: `export default { fetch: async (request) => new Response("echo " + (await request.text())) };`,
    },
  });
  await mesh.call("front.wire", { method: "POST", body: "warm" });
}, 60_000);
afterAll(async () => {
  await mesh.down();
  await host.close();
});

/** Of a TLS record: content type 20 to 23, version 3.1 or 3.3. */
function beginsTls(payload: Buffer): boolean {
  const [type = 0, major = 0, minor = 0] = payload;
  return type >= 20 && type <= 23 && major === 3 && (minor === 1 || minor === 3);
}

function isRehearsal({ source, destination, payload }: CapturedPacket): boolean {
  return source === "127.0.0.1" && destination === "127.0.0.1" && beginsTls(payload);
}

test("between the programs of the node there is TLS on 15008, and no payload", async () => {
  const nonce = `nonce-${crypto.randomUUID()}`;
  const ztunnel = await mesh.pidOf("ztunnel");
  const capture = openPacketCapture(host.libc, host.poller, host.procPath(ztunnel, "ns/net"));
  const answer = await mesh.call("front.wire", { method: "POST", body: nonce });
  expect(answer.body).toBe(`echo ${nonce}`);
  const packets = capture.finish();
  const tunnelled = packets.filter(
    ({ destinationPort, sourcePort }) => destinationPort === 15008 || sourcePort === 15008,
  );
  expect(tunnelled.filter(({ payload }) => payload.length > 0).length).toBeGreaterThan(8);
  // Nothing else crosses the node's network but tunnels: slots have no link to it. What a waypoint that boots in these
  // moments says to itself while it rehearses is TLS too.
  const others = packets.filter(
    (packet) => !tunnelled.includes(packet) && packet.payload.length > 0 && !isRehearsal(packet),
  );
  expect(
    others.map(
      ({ protocol, source, destination, destinationPort }) =>
        `${protocol} ${source} ${destination}:${destinationPort}`,
    ),
  ).toEqual([]);
  for (const word of [nonce, "POST / HTTP", "front.wire", "traceparent"]) {
    expect(packets.filter(({ payload }) => payload.includes(word)).length).toBe(0);
  }
}, 30_000);

test("the first bytes of each new tunnel are a TLS handshake in both directions", async () => {
  // A new caller needs new tunnels: they begin under our eyes.
  const ztunnel = await mesh.pidOf("ztunnel");
  const capture = openPacketCapture(host.libc, host.poller, host.procPath(ztunnel, "ns/net"));
  await mesh.deployFunctions("wire", {
    late: {
      source: `export default { fetch: async () => new Response((await fetch("http://back/")).status) };`,
    },
  });
  expect((await mesh.call("late.wire")).status).toBe(200);
  const packets = capture.finish();
  const firsts = new Map<string, Buffer>();
  for (const { source, sourcePort, destination, destinationPort, payload } of packets) {
    const flow = `${source}:${sourcePort} ${destination}:${destinationPort}`;
    if (payload.length > 0 && (sourcePort === 15008 || destinationPort === 15008) && !firsts.has(flow))
      firsts.set(flow, payload);
  }
  const handshakes = [...firsts].filter(([, payload]) => payload[0] === 22);
  expect(handshakes.length).toBeGreaterThanOrEqual(4);
  expect([...firsts].filter(([, payload]) => !beginsTls(payload)).map(([flow]) => flow)).toEqual([]);
}, 30_000);

test("a capture in a slot, where bytes are plain by design, sees the nonce: the capture can see", async () => {
  const nonce = `nonce-${crypto.randomUUID()}`;
  // The child's own network namespace is its slot's.
  const { processes } = await host.snapshot();
  const node = readFileSync(host.procPath(await mesh.pidOf("node-runtime"), "cmdline"), "utf8");
  expect(node).toContain("functions/main.ts");
  const engines = processes
    .filter((line) => line.includes("/engine.js"))
    .map((line) => Number(line.split(" ")[0]));
  expect(engines.length).toBeGreaterThan(0);
  const captures = engines.map((pid) =>
    openPacketCapture(host.libc, host.poller, host.procPath(pid, "ns/net")),
  );
  await mesh.call("front.wire", { method: "POST", body: nonce });
  const seen = captures
    .flatMap((capture) => capture.finish())
    .filter(({ payload }) => payload.includes(nonce));
  expect(seen.length).toBeGreaterThan(0);
}, 30_000);
