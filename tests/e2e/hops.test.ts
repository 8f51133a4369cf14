/** Every hop of one call on a whole mesh: a TLS handshake of its own on the wire, and the SVID of each end as the other end saw it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import type { ToldSpan } from "../../runtime/cli/trace/chain.ts";
import { type Mesh, startMesh } from "../support/mesh.ts";
import { spiffeId } from "../support/mesh-node.ts";
import { type CapturedPacket, openPacketCapture } from "../support/packet-capture.ts";
import { waitUntil } from "../support/wait-until.ts";

const longMs = 30_000;
const awake = { scale: { idleMs: 600_000 } };
const edgeAddress = "10.245.0.1";

let mesh: Mesh;
beforeAll(async () => {
  mesh = await startMesh();
  await mesh.deployFunctions("hops", {
    front: {
      source: `export default { fetch: async () => new Response("front of " + (await (await fetch("http://back/")).text())) };`,
      ...awake,
    },
    back: { source: `export default { fetch: () => new Response("back") };`, ...awake },
  });
}, 90_000);
afterAll(async () => {
  await mesh.down();
  await mesh.host.close();
}, 60_000);

/** Whether a packet begins with a TLS handshake record that holds the message: 1 is ClientHello, 2 ServerHello. */
function begins({ payload }: CapturedPacket, message: 1 | 2): boolean {
  return payload[0] === 22 && payload[1] === 3 && payload[5] === message;
}

/** The connections from one address to the other's port 15008, each by the client's port, that showed the message. */
function handshakes(
  packets: readonly CapturedPacket[],
  hop: { readonly from: string; readonly to: string },
  message: 1 | 2,
): ReadonlySet<number> {
  const isOfHop = (packet: CapturedPacket): boolean =>
    message === 1
      ? packet.source === hop.from && packet.destination === hop.to && packet.destinationPort === 15008
      : packet.source === hop.to && packet.destination === hop.from && packet.sourcePort === 15008;
  const found = packets.filter((packet) => isOfHop(packet) && begins(packet, message));
  return new Set(found.map((packet) => (message === 1 ? packet.sourcePort : packet.destinationPort)));
}

test("each hop has its handshake, and both ends know each other", async () => {
  const traceId = randomBytes(16).toString("hex");
  const ztunnel = await mesh.pidOf("ztunnel");
  const capture = openPacketCapture(mesh.host.libc, mesh.host.poller, mesh.host.procPath(ztunnel, "ns/net"));
  const { body } = await mesh.call("front.hops", {
    headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` },
  });
  const packets = capture.finish();
  expect(body).toBe("front of back");
  const instances = await waitUntil("both instances are known", async () => {
    const found = await mesh.instances();
    return found.length === 2 ? found : undefined;
  });
  const addressOf = (name: string): string =>
    instances.find((found) => found.function === name)?.address ?? "";
  const waypoint = await waypointAddress();
  const hops = [
    {
      from: edgeAddress,
      to: waypoint,
      caller: spiffeId("lambient-system", "edge"),
      callee: accounts.waypoint,
    },
    { from: waypoint, to: addressOf("front"), caller: accounts.waypoint, callee: accounts.front },
    { from: addressOf("front"), to: waypoint, caller: accounts.front, callee: accounts.waypoint },
    { from: waypoint, to: addressOf("back"), caller: accounts.waypoint, callee: accounts.back },
  ];
  const spans = await waitUntil(
    "the whole trace is there",
    async () => {
      const told = await mesh.trace(traceId, 1);
      return new Set(hops.flatMap((hop) => seenByEnds(told, hop))).has(undefined) ? undefined : told;
    },
    longMs,
  );
  for (const hop of hops) {
    const [asked, answered] = [handshakes(packets, hop, 1), handshakes(packets, hop, 2)];
    expect([hop, answered.size > 0]).toEqual([hop, true]);
    // Each answer is to a question; one asked before the instance had its identity is hung up on.
    expect(answered.difference(asked)).toEqual(new Set());
    // The client's word of the server's SVID, and the server's of the client's.
    expect(seenByEnds(spans, hop)).toEqual([hop.callee, hop.caller]);
  }
  // No other tunnel began meanwhile.
  const known = hops.map(({ from, to }) => `${from} ${to}`);
  const begun = packets.filter((packet) => begins(packet, 1));
  expect(
    begun.map(({ source, destination }) => `${source} ${destination}`).filter((hop) => !known.includes(hop)),
  ).toEqual([]);
}, 60_000);

const accounts = {
  waypoint: spiffeId("hops", "waypoint"),
  front: spiffeId("hops", "front"),
  back: spiffeId("hops", "back"),
} as const;

async function waypointAddress(): Promise<string> {
  const { body } = await mesh.apiFetch(
    "/apis/gateway.networking.k8s.io/v1/namespaces/hops/gateways/waypoint",
  );
  const { status } = JSON.parse(body) as {
    readonly status: { readonly addresses: readonly { readonly value: string }[] };
  };
  return status.addresses[0]?.value ?? "";
}

function text(span: ToldSpan | undefined, name: string): string | undefined {
  return span?.attributes[name]?.toString();
}

/** What the client recorded of the server, and the server of the client; undefined where there is no such record. */
function seenByEnds(
  spans: readonly ToldSpan[],
  { from, to, caller }: { readonly from: string; readonly to: string; readonly caller: string },
): (string | undefined)[] {
  const client = spans.find(
    ({ service, attributes }) =>
      (service !== "ztunnel" && attributes["network.peer.address"] === `${to}:15008`) ||
      (attributes["network.direction"] === "outbound" &&
        attributes["source.address"] === from &&
        attributes["destination.address"] === to),
  );
  const server = spans.find(
    ({ service, attributes }) =>
      (service === "waypoint" && attributes["lambient.caller"] === caller) ||
      (attributes["network.direction"] === "inbound" &&
        attributes["source.address"] === from &&
        attributes["destination.address"] === to),
  );
  return [
    text(client, "lambient.callee") ?? text(client, "destination.identity"),
    text(server, "lambient.caller") ?? text(server, "source.identity"),
  ];
}
