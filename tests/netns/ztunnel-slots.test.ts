/** A ztunnel under a scripted node, a recorded discovery and authority: slots, waypoints, egress and names. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { findField } from "#core/h2/header-field.ts";
import { Action, AuthorizationSchema } from "#core/proto/istio/authorization_pb.js";
import { RevisionTemplateSchema } from "#core/proto/lambient/discovery_pb.js";
import type { Span } from "#core/telemetry/span.ts";
import { closeLibc, type Libc, openLibc } from "#host/linux/libc.ts";
import { warmUp, withNamespace } from "#host/linux/namespaces.ts";
import type { Tunnel } from "#host/tunnel/tunnel.ts";
import { askByTcp, askByUdp } from "../support/ask-name.ts";
import { Conversation, converseFrom, untilRefused } from "../support/conversation.ts";
import {
  assignSlots,
  assignWeb,
  internet,
  priceService,
  shopId,
  shopPolicy,
  shopTemplates,
  type SlotScene,
  startSlotScene,
  tunnelToPrice,
} from "../support/slot-scene.ts";
import { waitUntil } from "../support/wait-until.ts";
import { slotNameserver } from "../support/ztunnel-node.ts";

let libc: Libc;
let shared: SlotScene;

beforeAll(async () => {
  libc = openLibc();
  await warmUp();
  shared = await startSlotScene(libc);
  await assignSlots(shared);
});

afterAll(async () => {
  await shared[Symbol.asyncDispose]();
  closeLibc(libc);
});

async function connectThrough(
  tunnel: Tunnel,
  authority: string,
  caller?: string,
): Promise<number | Conversation> {
  const outcome = await tunnel.connect([
    [":method", "CONNECT"],
    [":authority", authority],
    ...(caller === undefined ? [] : [["lambient-caller", caller] as const]),
  ]);
  return outcome.kind === "refused" ? outcome.status : new Conversation(outcome.stream);
}

function lineWith({ node }: SlotScene, text: string, from = 0): Promise<string> {
  return waitUntil(`a line holds ${text}`, () => node.lines.slice(from).find((line) => line.includes(text)));
}

const asWeb = `${shopId("web")};10.244.0.2`;

test("a slot has no identity until it is assigned, and ztunnel is ready after the snapshot", async () => {
  await using scene = await startSlotScene(libc);
  const { node, web, price } = scene;
  expect(await node.isReady()).toBe(false);
  for (const slot of [web, price]) expect(await node.prepare(slot)).toBe("");
  expect(await node.agent.say({ case: "snapshotSent", value: {} })).toBe("");
  await waitUntil("ztunnel is ready", () => node.isReady());
  const wrong = { ...assignWeb.value, uid: "nobody" };
  expect(await node.agent.say({ case: "assign", value: wrong })).toContain("not prepared");
  expect(await node.agent.say({ case: "prepare", value: { uid: "x" } })).toContain("wanted the descriptors");
  expect(await node.agent.say({ case: "keep", value: { uid: "x" } })).toContain("after the snapshot");

  await untilRefused(libc, web.namespace.fd, priceService, 80);
  expect(tunnelToPrice(libc, scene)).rejects.toThrow();
  // No function runs before its slot has an identity, so that nothing is held for it; only what a deploy checks asks then.
  const nameless = { libc, namespace: web.namespace, nameserver: slotNameserver };
  expect(await askByUdp(nameless, "price")).toBe("code 2");
  expect(await node.agent.say(assignWeb)).toBe("");
  const talk = await converseFrom(libc, web.namespace.fd, priceService, 80);
  expect(await talk.say("now it has")).toBe("now it has");
});

test("a call goes through the waypoint, as the slot's identity and from its address", async () => {
  const scene = shared;
  const { web, asked } = scene;
  const talk = await converseFrom(libc, web.namespace.fd, priceService, 80);
  expect(await talk.say("to the waypoint")).toBe("to the waypoint");
  const request = asked.at(-1);
  expect(request?.authority).toBe("10.96.0.5:80");
  expect(request?.peer).toBe(shopId("web"));
  expect(`${request?.peerAddress.ip}`).toBe("10.244.0.2");
  const fields = Object.fromEntries(request?.headers ?? []);
  expect(fields["forwarded"]).toMatch(/^for="10\.244\.0\.2:\d+";host=price\.shop\.svc\.cluster\.local$/);
  expect(fields["baggage"]).toBe(
    "k8s.cluster.name=Kubernetes,k8s.namespace.name=shop,k8s.pod.name=web-v1,service.name=web,service.version=web-v1",
  );
  expect(fields["traceparent"]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
  talk.stream.end();
  await talk.over();
});

test("a connection is one span, sent when it opens and when it closes, under the context of its CONNECT", async () => {
  const { node, web, asked } = shared;
  const talk = await converseFrom(libc, web.namespace.fd, priceService, 80);
  expect(await talk.say("traced")).toBe("traced");
  const [, traceId, spanId] = (findField(asked.at(-1)?.headers ?? [], "traceparent") ?? "").split("-");
  const sent = (): Span[] => node.spans.map(({ span }) => span).filter((span) => span.spanId === spanId);
  await waitUntil("it is told of when it opens", () => sent().length === 1);
  talk.stream.end();
  await waitUntil("it is told of again when it closes", () => sent().length === 2);
  const [opened, closed] = sent();
  expect(opened).toMatchObject({ traceId, parentSpanId: undefined, kind: "client" });
  expect(opened?.attributes).toMatchObject({
    "network.direction": "outbound",
    "source.identity": shopId("web"),
    "destination.identity": shopId("waypoint"),
    "connection.open": true,
  });
  expect(closed?.attributes).toMatchObject({
    "connection.open": false,
    "bytes.sent": 6,
    "bytes.received": 6,
  });
});

test("an inbound connection's span continues the trace of its CONNECT, and only a sampled one", async () => {
  const { node } = shared;
  const tunnel = await tunnelToPrice(libc, shared);
  const [sampled, unsampled] = ["a".repeat(32), "b".repeat(32)];
  for (const [traceId, flags] of [
    [unsampled, "00"],
    [sampled, "01"],
  ] as const) {
    const outcome = await tunnel.connect([
      [":method", "CONNECT"],
      [":authority", "10.244.0.3:8080"],
      ["lambient-caller", asWeb],
      ["traceparent", `00-${traceId}-${"c".repeat(16)}-${flags}`],
    ]);
    if (outcome.kind !== "opened") throw new Error(`refused with ${outcome.status}`);
    new Conversation(outcome.stream).stream.reset();
  }
  const span = await waitUntil(
    "it is told of",
    () => node.spans.find((one) => one.span.traceId === sampled)?.span,
  );
  expect(span).toMatchObject({ parentSpanId: "c".repeat(16), kind: "server" });
  expect(node.spans.some((one) => one.span.traceId === unsampled)).toBe(false);
  tunnel.close();
});

test("a slot behind a waypoint serves its waypoint alone, on the word of which the caller is known", async () => {
  const scene = shared;
  const { node, seen } = scene;
  const byWaypoint = await tunnelToPrice(libc, scene);
  const talk = await connectThrough(byWaypoint, "10.244.0.3:8080", asWeb);
  if (typeof talk === "number") throw new Error(`refused with ${talk}`);
  expect(await talk.say("as web")).toBe("as web");
  expect(seen.at(-1)).toBe("10.244.0.2");
  talk.stream.reset();
  const rows: [caller: string | undefined, status: number][] = [
    [`${shopId("snoop")};10.244.0.9`, 401],
    [undefined, 401],
    ["nonsense", 400],
    [`${shopId("web")};10.244.0.2, ${shopId("web")};10.244.0.2`, 400],
  ];
  for (const [caller, status] of rows) {
    expect(await connectThrough(byWaypoint, "10.244.0.3:8080", caller)).toBe(status);
  }
  const from = node.lines.length;
  const direct = await tunnelToPrice(libc, scene, "web", "10.244.0.2");
  expect(await connectThrough(direct, "10.244.0.3:8080", asWeb)).toBe(401);
  await lineWith(scene, "the workload is reached through its waypoint only", from);
  for (const tunnel of [byWaypoint, direct]) tunnel.close();
});

test("inbound waits for policies that are withheld, is refused in time, and opens when they come", async () => {
  const scene = shared;
  const { node } = scene;
  const tunnel = await tunnelToPrice(libc, scene);
  node.ads.set(RevisionTemplateSchema, shopTemplates(["shop/only-web", "shop/later"]));
  await waitUntil(
    "the slot waits for it",
    async () => (await connectThrough(tunnel, "10.244.0.3:8080", asWeb)) === 503,
  );
  const waiting = connectThrough(tunnel, "10.244.0.3:8080", asWeb);
  node.ads.set(AuthorizationSchema, {
    "shop/only-web": shopPolicy("only-web", "web"),
    "shop/later": shopPolicy("later", "nobody", Action.DENY),
  });
  const talk = await waiting;
  if (typeof talk === "number") throw new Error(`refused with ${talk}`);
  expect(await talk.say("held, then served")).toBe("held, then served");

  // The same connection is cut once a policy no longer lets the original caller in.
  const from = node.lines.length;
  node.ads.set(AuthorizationSchema, {
    "shop/only-web": shopPolicy("only-web", "web"),
    "shop/later": shopPolicy("later", "web", Action.DENY),
  });
  await waitUntil("it is cut", () => talk.closed);
  await lineWith(scene, "connection closed due to policy change", from);
  await lineWith(scene, "explicitly denied by: shop/later", from);
  node.ads.set(RevisionTemplateSchema, shopTemplates());
  node.ads.set(AuthorizationSchema, { "shop/only-web": shopPolicy("only-web", "web") });
  tunnel.close();
});

test("names are the workload's namespace's, and an egress list's", async () => {
  const scene = shared;
  const rows: [name: string, answer: string][] = [
    ["price", "10.96.0.5"],
    ["price.shop", "10.96.0.5"],
    ["price.shop.svc", "10.96.0.5"],
    ["price.shop.svc.cluster.local", "10.96.0.5"],
    ["nobody", "code 3"],
    ["denied.example", "code 3"],
    ["allowed.example", internet],
  ];
  for (const [name, answer] of rows) expect([name, await lookUp(scene, name)]).toEqual([name, answer]);
});

function lookUp({ web }: SlotScene, name: string): Promise<string> {
  return askByUdp({ libc, namespace: web.namespace, nameserver: slotNameserver }, name);
}

test("names are answered by TCP too, one connection's in order and within its bound", async () => {
  const ask = { libc, namespace: shared.web.namespace, nameserver: slotNameserver };
  expect(await askByTcp(ask, ["price", "nobody", "price.shop"])).toEqual([
    priceService,
    "code 3",
    priceService,
  ]);
  expect(
    await askByTcp(
      ask,
      Array.from({ length: 17 }, () => "price"),
    ),
  ).toEqual([]);
});

test("a workload's names outside the mesh wait in bounded number, and the mesh's are answered meanwhile", async () => {
  await using scene = await startSlotScene(libc, { isResolverSilent: true });
  await assignSlots(scene);
  const { node, web } = scene;
  const ask = { libc, namespace: web.namespace, nameserver: slotNameserver };
  const waiting = Array.from({ length: 64 }, () => askByUdp(ask, "allowed.example"));
  await waitUntil("all wait", async () =>
    (await node.metrics()).includes(
      'request_query_type="A",request_protocol="udp",source_canonical_service="web",source_canonical_revision="web-v1"} 64',
    ),
  );
  expect(await askByUdp(ask, "allowed.example")).toBe("code 2");
  expect(await askByUdp(ask, "price")).toBe(priceService);
  expect(waiting).toHaveLength(64);
});

test("egress reaches what the list's names led to, and nothing of the mesh, the host or its links", async () => {
  const scene = shared;
  const { node, web } = scene;
  const reached: string[] = [];
  const targets = [
    ...[80, 81].map((port) => ({ namespace: node.world.b.namespace, hostname: internet, port })),
    { namespace: node.world.a.namespace, hostname: "0.0.0.0", port: 80 },
  ].map(({ namespace, hostname, port }) =>
    withNamespace(libc, namespace.fd, () =>
      Bun.listen({
        hostname,
        port,
        socket: {
          open(socket) {
            reached.push(`${hostname}:${port}`);
            socket.end("outside");
          },
          data() {},
        },
      }),
    ),
  );
  expect(await lookUp(scene, "allowed.example")).toBe(internet);
  const allowed = await converseFrom(libc, web.namespace.fd, internet, 80);
  await allowed.over();
  expect(allowed.received).toBe("outside");
  const from = node.lines.length;
  const refused: [address: string, port: number, reason: string][] = [
    [internet, 81, "is not in the function's list"],
    ["198.51.100.9", 80, "is not in the function's list"],
    ["192.0.2.1", 80, "192.0.2.1 is an address of this machine"],
    ["169.254.169.254", 80, "169.254.169.254 is this machine or its link"],
    ["10.244.0.77", 80, "10.244.0.77 is in a range of the mesh"],
    ["10.245.0.1", 15008, "10.245.0.1 is in a range of the mesh"],
    ["10.96.99.99", 80, "10.96.99.99 is in a range of the mesh"],
  ];
  for (const [address, port, reason] of refused) {
    await untilRefused(libc, web.namespace.fd, address, port);
    expect(await lineWith(scene, reason, from)).toContain("\twarn\taccess\tconnection failed\t");
  }
  expect(reached).toEqual([`${internet}:80`]);
  for (const target of targets) target.stop(true);
});

test("a node that starts anew keeps what it names and drops the rest", async () => {
  await using scene = await startSlotScene(libc);
  await assignSlots(scene);
  const { node, web } = scene;
  const talk = await converseFrom(libc, web.namespace.fd, priceService, 80);
  expect(await talk.say("before")).toBe("before");
  const tunnel = await tunnelToPrice(libc, scene);
  node.agent.hangUp();
  await node.agent.accept();
  expect(await node.prepare(web)).toBe("");
  expect(await node.agent.say(assignWeb)).toBe("");
  expect(await node.agent.say({ case: "snapshotSent", value: {} })).toBe("");
  expect(await talk.say("after")).toBe("after");
  await waitUntil("the peers of a slot that is gone are told", () => !tunnel.isReady);
  expect(tunnelToPrice(libc, scene)).rejects.toThrow();
  talk.stream.reset();
});

test("a slot that is gone takes its connections with it", async () => {
  await using scene = await startSlotScene(libc);
  await assignSlots(scene);
  const { node, web } = scene;
  const talk = await converseFrom(libc, web.namespace.fd, priceService, 80);
  expect(await talk.say("last words")).toBe("last words");
  expect(await node.agent.say({ case: "del", value: { uid: "slot-web" } })).toBe("");
  await waitUntil("it is cut", () => talk.closed);
  await lineWith(scene, "connection closed because the workload is gone");
});
