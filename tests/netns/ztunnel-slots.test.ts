/** A ztunnel under a scripted node, a recorded discovery and authority: slots, waypoints, egress and names. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { type IpAddress, ipBytes } from "#core/address/ip.ts";
import { formatAddresses } from "#core/dns/format-answer.ts";
import { parseAnswer, parseQuery } from "#core/dns/message.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import {
  Action,
  AuthorizationSchema,
  type Authorization,
  Scope,
} from "#core/proto/istio/authorization_pb.js";
import { type Address, AddressSchema, TunnelProtocol } from "#core/proto/istio/workload_pb.js";
import {
  Egress_Mode,
  type RevisionTemplate,
  RevisionTemplateSchema,
} from "#core/proto/lambient/discovery_pb.js";
import { closeLibc, type Libc, openLibc } from "#host/linux/libc.ts";
import { warmUp, withNamespace } from "#host/linux/namespaces.ts";
import { startConnect, startListen } from "#host/linux/sockets.ts";
import { openTunnel } from "#host/tunnel/open-tunnel.ts";
import { listenTunnels, type TunnelListener } from "#host/tunnel/tunnel-listener.ts";
import type { Tunnel, TunnelRequest } from "#host/tunnel/tunnel.ts";
import { Conversation, converseFrom } from "../support/conversation.ts";
import { waitUntil } from "../support/wait-until.ts";
import {
  slotNameserver,
  startZtunnelNode,
  type TestSlot,
  untilCertified,
  type ZtunnelNode,
} from "../support/ztunnel-node.ts";

/** A node with a waypoint, and two slots that ztunnel was told nothing of yet. */
interface Scene extends AsyncDisposable {
  readonly node: ZtunnelNode;
  readonly web: TestSlot;
  readonly price: TestSlot;
  /** CONNECTs that the waypoint was asked. */
  readonly asked: TunnelRequest[];
  /** Peers that the application in the slot of `price` has seen. */
  readonly seen: string[];
}

let libc: Libc;
let shared: Scene;

const ip = (text: string): IpAddress => text as IpAddress;
const id = (account: string): SpiffeId => `spiffe://cluster.local/ns/shop/sa/${account}` as SpiffeId;
const waypointAddress = "10.245.0.2";
const internet = "192.0.2.2";

function templates(policies: readonly string[] = ["shop/only-web"]): Record<string, RevisionTemplate> {
  const common = { namespace: "shop", trustDomain: "cluster.local", port: 8080 };
  return {
    "shop/web-v1": create(RevisionTemplateSchema, {
      ...common,
      revision: "web-v1",
      function: "web",
      serviceAccount: "web",
      egress: { mode: Egress_Mode.LIST, hosts: ["allowed.example:80"] },
    }),
    "shop/price-v1": create(RevisionTemplateSchema, {
      ...common,
      revision: "price-v1",
      function: "price",
      serviceAccount: "price",
      waypointIdentity: id("waypoint"),
      authorizationPolicies: [...policies],
    }),
  };
}

function policy(name: string, account: string, action = Action.ALLOW): Authorization {
  const principals = [
    { matchType: { case: "exact" as const, value: `cluster.local/ns/shop/sa/${account}` } },
  ];
  return create(AuthorizationSchema, {
    name,
    namespace: "shop",
    scope: Scope.WORKLOAD_SELECTOR,
    action,
    groups: [{ rules: [{ matches: [{ principals }] }] }],
  });
}

const addresses: Record<string, Address> = {
  "shop/price.shop.svc.cluster.local": create(AddressSchema, {
    type: {
      case: "service",
      value: {
        name: "price",
        namespace: "shop",
        hostname: "price.shop.svc.cluster.local",
        addresses: [{ address: ipBytes(ip("10.96.0.5")) }],
        ports: [{ servicePort: 80, targetPort: 8080 }],
        waypoint: {
          destination: { case: "address", value: { address: ipBytes(ip(waypointAddress)) } },
          hboneMtlsPort: 15008,
        },
      },
    },
  }),
  waypoint: create(AddressSchema, {
    type: {
      case: "workload",
      value: {
        uid: "waypoint",
        name: "waypoint",
        namespace: "shop",
        serviceAccount: "waypoint",
        addresses: [ipBytes(ip(waypointAddress))],
        tunnelProtocol: TunnelProtocol.HBONE,
      },
    },
  }),
};

beforeAll(async () => {
  libc = openLibc();
  await warmUp();
  shared = await startScene();
  await assignSlots(shared);
});

afterAll(async () => {
  await shared[Symbol.asyncDispose]();
  closeLibc(libc);
});

async function startScene(): Promise<Scene> {
  // The resolver is in the host's network, on the host's own address.
  const node = await startZtunnelNode(libc, ["--resolvers", "192.0.2.1"]);
  node.ads.set(AddressSchema, addresses);
  node.ads.set(AuthorizationSchema, { "shop/only-web": policy("only-web", "web") });
  node.ads.set(RevisionTemplateSchema, templates());
  const asked: TunnelRequest[] = [];
  const seen: string[] = [];
  const web = node.makeSlot("slot-web", "10.244.0.2");
  const price = node.makeSlot("slot-price", "10.244.0.3");
  const waypoint = serveWaypoint(node, asked);
  const resolver = await serveResolver(node);
  const application = withNamespace(libc, price.namespace.fd, () =>
    Bun.listen({
      hostname: "0.0.0.0",
      port: 8080,
      socket: {
        open: (socket) => void seen.push(socket.remoteAddress),
        data: (socket, bytes) => void socket.write(bytes),
      },
    }),
  );
  // A template alone makes the identity's certificate, before any slot has it.
  await untilCertified(node, "web");
  await untilCertified(node, "price");
  return {
    node,
    web,
    price,
    asked,
    seen,
    async [Symbol.asyncDispose]() {
      waypoint.close();
      resolver.close();
      application.stop(true);
      await node[Symbol.asyncDispose]();
      for (const slot of [web, price]) slot[Symbol.dispose]();
    },
  };
}

/** Tells ztunnel of both slots and whose they are. */
async function assignSlots({ node, web, price }: Scene): Promise<void> {
  for (const slot of [web, price]) expect(await node.prepare(slot)).toBe("");
  for (const assign of [assignWeb, assignPrice]) expect(await node.agent.say(assign)).toBe("");
  expect(await node.agent.say({ case: "snapshotSent", value: {} })).toBe("");
}

/** A waypoint that answers every CONNECT with an echo. */
function serveWaypoint(node: ZtunnelNode, asked: TunnelRequest[]): TunnelListener {
  const at = { address: ip(waypointAddress), port: 15008 };
  const fd = startListen(libc, node.namespace.fd, at, { freeBind: true });
  const certificate = node.ads.ca.issue("ns/shop/sa/waypoint");
  return listenTunnels({
    target: { kind: "fd", fd },
    choose: () => ({
      certificate,
      onConnect(request, responder) {
        asked.push(request);
        const stream = responder.accept();
        stream.handle({
          onData: (bytes) => void stream.write(bytes),
          onDrain() {},
          onEnd: () => stream.end(),
          onClose() {},
        });
      },
    }),
  });
}

/** A name server of the host that knows two names, both in the internet. */
function serveResolver(node: ZtunnelNode): Promise<{ close(): void }> {
  return withNamespace(libc, node.world.a.namespace.fd, () =>
    Bun.udpSocket({
      hostname: "192.0.2.1",
      port: 53,
      socket: {
        data(socket, bytes, port, address) {
          const query = parseQuery(Uint8Array.from(bytes));
          if (query.ok) socket.send(formatAddresses(query.value, [ip(internet)], 512), port, address);
        },
      },
    }),
  );
}

/** A tunnel to the slot of `price`, as whoever and from wherever. */
async function tunnelToPrice({ node, price }: Scene, account: string, from = "10.245.0.2"): Promise<Tunnel> {
  const ends = { to: { address: price.address, port: 15008 }, from: { address: ip(from), port: 0 } };
  const fd = startConnect(libc, node.namespace.fd, ends, { freeBind: true });
  return await openTunnel({
    dial: { kind: "fd", fd },
    certificate: node.ads.ca.issue(`ns/shop/sa/${account}`),
    expectedPeers: new Set([id("price")]),
  });
}

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

/** Connects, and waits until that is reset: so soon at times that it never looks connected. */
async function untilReset(slot: TestSlot, address: string, port: number): Promise<void> {
  const talk = await converseFrom(libc, slot.namespace.fd, address, port).catch(() => undefined);
  if (talk !== undefined) await waitUntil("the connection is reset", () => talk.closed);
}

function lineWith({ node }: Scene, text: string, from = 0): Promise<string> {
  return waitUntil(`a line holds ${text}`, () => node.lines.slice(from).find((line) => line.includes(text)));
}

const assignWeb = {
  case: "assign" as const,
  value: { uid: "slot-web", revision: "shop/web-v1", namespace: "shop", serviceAccount: "web" },
};
const assignPrice = {
  case: "assign" as const,
  value: { uid: "slot-price", revision: "shop/price-v1", namespace: "shop", serviceAccount: "price" },
};
const asWeb = `${id("web")};10.244.0.2`;

test("a slot has no identity until it is assigned, and ztunnel is ready after the snapshot", async () => {
  await using scene = await startScene();
  const { node, web, price } = scene;
  expect(await node.isReady()).toBe(false);
  for (const slot of [web, price]) expect(await node.prepare(slot)).toBe("");
  expect(await node.agent.say({ case: "snapshotSent", value: {} })).toBe("");
  await waitUntil("ztunnel is ready", () => node.isReady());
  const wrong = { ...assignWeb.value, uid: "nobody" };
  expect(await node.agent.say({ case: "assign", value: wrong })).toContain("not prepared");
  expect(await node.agent.say({ case: "prepare", value: { uid: "x" } })).toContain("wanted the descriptors");
  expect(await node.agent.say({ case: "keep", value: { uid: "x" } })).toContain("after the snapshot");

  await untilReset(web, "10.96.0.5", 80);
  expect(tunnelToPrice(scene, "waypoint")).rejects.toThrow();
  expect(await node.agent.say(assignWeb)).toBe("");
  const talk = await converseFrom(libc, web.namespace.fd, "10.96.0.5", 80);
  expect(await talk.say("now it has")).toBe("now it has");
});

test("a call goes through the waypoint, as the slot's identity and from its address", async () => {
  const scene = shared;
  const { web, asked } = scene;
  const talk = await converseFrom(libc, web.namespace.fd, "10.96.0.5", 80);
  expect(await talk.say("to the waypoint")).toBe("to the waypoint");
  const request = asked.at(-1);
  expect(request?.authority).toBe("10.96.0.5:80");
  expect(request?.peer).toBe(id("web"));
  expect(request?.peerAddress.ip).toBe(ip("10.244.0.2"));
  const fields = Object.fromEntries(request?.headers ?? []);
  expect(fields["forwarded"]).toMatch(/^for="10\.244\.0\.2:\d+";host=price\.shop\.svc\.cluster\.local$/);
  expect(fields["baggage"]).toBe(
    "k8s.cluster.name=Kubernetes,k8s.namespace.name=shop,k8s.pod.name=web-v1,service.name=web,service.version=web-v1",
  );
  expect(fields["traceparent"]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
  talk.stream.end();
  await talk.over();
});

test("a slot behind a waypoint serves its waypoint alone, on the word of which the caller is known", async () => {
  const scene = shared;
  const { node, seen } = scene;
  const byWaypoint = await tunnelToPrice(scene, "waypoint");
  const talk = await connectThrough(byWaypoint, "10.244.0.3:8080", asWeb);
  if (typeof talk === "number") throw new Error(`refused with ${talk}`);
  expect(await talk.say("as web")).toBe("as web");
  expect(seen.at(-1)).toBe("10.244.0.2");
  talk.stream.reset();
  const rows: [caller: string | undefined, status: number][] = [
    [`${id("snoop")};10.244.0.9`, 401],
    [undefined, 401],
    ["nonsense", 400],
    [`${id("web")};10.244.0.2, ${id("web")};10.244.0.2`, 400],
  ];
  for (const [caller, status] of rows) {
    expect(await connectThrough(byWaypoint, "10.244.0.3:8080", caller)).toBe(status);
  }
  const from = node.lines.length;
  const direct = await tunnelToPrice(scene, "web", "10.244.0.2");
  expect(await connectThrough(direct, "10.244.0.3:8080", asWeb)).toBe(401);
  await lineWith(scene, "the workload is reached through its waypoint only", from);
  for (const tunnel of [byWaypoint, direct]) tunnel.close();
});

test("inbound waits for policies that are withheld, is refused in time, and opens when they come", async () => {
  const scene = shared;
  const { node } = scene;
  const tunnel = await tunnelToPrice(scene, "waypoint");
  node.ads.set(RevisionTemplateSchema, templates(["shop/only-web", "shop/later"]));
  await waitUntil(
    "the slot waits for it",
    async () => (await connectThrough(tunnel, "10.244.0.3:8080", asWeb)) === 503,
  );
  const waiting = connectThrough(tunnel, "10.244.0.3:8080", asWeb);
  node.ads.set(AuthorizationSchema, {
    "shop/only-web": policy("only-web", "web"),
    "shop/later": policy("later", "nobody", Action.DENY),
  });
  const talk = await waiting;
  if (typeof talk === "number") throw new Error(`refused with ${talk}`);
  expect(await talk.say("held, then served")).toBe("held, then served");

  // The same connection is cut once a policy no longer lets the original caller in.
  const from = node.lines.length;
  node.ads.set(AuthorizationSchema, {
    "shop/only-web": policy("only-web", "web"),
    "shop/later": policy("later", "web", Action.DENY),
  });
  await waitUntil("it is cut", () => talk.closed);
  await lineWith(scene, "connection closed due to policy change", from);
  await lineWith(scene, "explicitly denied by: shop/later", from);
  node.ads.set(RevisionTemplateSchema, templates());
  node.ads.set(AuthorizationSchema, { "shop/only-web": policy("only-web", "web") });
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

async function lookUp({ web }: Scene, name: string): Promise<string> {
  const labels = name.split(".").flatMap((label) => [label.length, ...Buffer.from(label)]);
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = await withNamespace(libc, web.namespace.fd, () =>
    Bun.udpSocket({
      socket: {
        data(_socket, bytes) {
          const answer = parseAnswer(Uint8Array.from(bytes));
          resolve(answer?.addresses[0]?.ip ?? `code ${answer?.code}`);
        },
      },
    }),
  );
  socket.send(
    Uint8Array.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1]),
    53,
    slotNameserver,
  );
  const answer = await promise;
  socket.close();
  return answer;
}

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
    await untilReset(web, address, port);
    expect(await lineWith(scene, reason, from)).toContain("\twarn\taccess\tconnection failed\t");
  }
  expect(reached).toEqual([`${internet}:80`]);
  for (const target of targets) target.stop(true);
});

test("a node that starts anew keeps what it names and drops the rest", async () => {
  await using scene = await startScene();
  await assignSlots(scene);
  const { node, web } = scene;
  const talk = await converseFrom(libc, web.namespace.fd, "10.96.0.5", 80);
  expect(await talk.say("before")).toBe("before");
  const tunnel = await tunnelToPrice(scene, "waypoint");
  node.agent.hangUp();
  await node.agent.accept();
  expect(await node.prepare(web)).toBe("");
  expect(await node.agent.say(assignWeb)).toBe("");
  expect(await node.agent.say({ case: "snapshotSent", value: {} })).toBe("");
  expect(await talk.say("after")).toBe("after");
  await waitUntil("the peers of a slot that is gone are told", () => !tunnel.isReady);
  expect(tunnelToPrice(scene, "waypoint")).rejects.toThrow();
  talk.stream.reset();
});

test("a slot that is gone takes its connections with it", async () => {
  await using scene = await startScene();
  await assignSlots(scene);
  const { node, web } = scene;
  const talk = await converseFrom(libc, web.namespace.fd, "10.96.0.5", 80);
  expect(await talk.say("last words")).toBe("last words");
  expect(await node.agent.say({ case: "del", value: { uid: "slot-web" } })).toBe("");
  await waitUntil("it is cut", () => talk.closed);
  await lineWith(scene, "connection closed because the workload is gone");
});
