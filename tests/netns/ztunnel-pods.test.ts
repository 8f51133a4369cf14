/** A ztunnel with Pods made by hand: tunnels and plain connections in every direction, policies, probes, names, and Pods that leave. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { closeLibc, type Libc, openLibc } from "#host/linux/libc.ts";
import { RevisionTemplateSchema } from "#core/proto/lambient/discovery_pb.js";
import { warmUp, withNamespace } from "#host/linux/namespaces.ts";
import { podMarks } from "#host/linux/pod-marks.ts";
import { applyOptions } from "#host/linux/sockets.ts";
import type { TunnelRequest } from "#host/tunnel/tunnel.ts";
import type { SocketStream } from "#host/tunnel/tcp-stream.ts";
import { askByTcp, askByUdp } from "../support/ask-name.ts";
import { converseFrom, untilRefused } from "../support/conversation.ts";
import { echoBytes } from "../support/echo-bytes.ts";
import {
  behindWaypoint,
  beyondService,
  cartService,
  echoPort,
  type PodScene,
  serveEcho,
  startPodScene,
  strictKey,
  strictPolicy,
} from "../support/pod-scene.ts";
import {
  assignPrice,
  assignWeb,
  internet,
  serveWaypoint,
  shopId,
  shopPolicy,
  shopTemplates,
} from "../support/slot-scene.ts";
import { waitUntil } from "../support/wait-until.ts";
import { scriptNode } from "../support/scripted-node.ts";
import { slotNameserver, startZtunnelNode } from "../support/ztunnel-node.ts";

let libc: Libc;
let shared: PodScene;

beforeAll(async () => {
  libc = openLibc();
  await warmUp();
  shared = await startPodScene(libc);
});

afterAll(async () => {
  await shared[Symbol.asyncDispose]();
  closeLibc(libc);
});

function lineLike({ node }: PodScene, pattern: RegExp, from = 0): Promise<string> {
  return waitUntil(`a line matches ${pattern}`, () =>
    node.lines.slice(from).find((line) => pattern.test(line)),
  );
}

function closing(what: { close(): void } | { stop(): void }): Disposable {
  return { [Symbol.dispose]: () => ("close" in what ? what.close() : what.stop()) };
}

test("a Pod calls a service of another through a tunnel, and is seen at its own address", async () => {
  const { web, seen, node } = shared;
  const from = node.lines.length;
  const talk = await converseFrom(libc, web.namespace.fd, cartService, 80);
  expect(await talk.say("over there")).toBe("over there");
  expect(seen.at(-1)).toBe("cart 10.244.0.130");
  talk.stream.end();
  await talk.over();
  const inbound = await lineLike(shared, /src.workload="web".*direction="inbound"/, from);
  expect(inbound).toContain('src.identity="spiffe://cluster.local/ns/shop/sa/web"');
});

test("what comes in plain is let in without policies, from its own address, and leaves a line without identity", async () => {
  const { plain, cart, seen, node } = shared;
  const from = node.lines.length;
  const talk = await converseFrom(libc, plain.namespace.fd, cart.address, echoPort);
  expect(await talk.say("in plain")).toBe("in plain");
  expect(seen.at(-1)).toBe("cart 10.244.0.132");
  talk.stream.end();
  await talk.over();
  const line = await lineLike(shared, /src.workload="plain"/, from);
  expect(line).toContain('src.workload="plain" src.namespace="shop" dst.addr=10.244.0.131:8080');
  expect(line).not.toContain("src.identity");
  const series = (await node.metrics())
    .split("\n")
    .filter((text) => text.includes('source_workload="plain"'));
  expect(series.find((text) => text.startsWith("istio_tcp_connections_opened_total"))).toMatch(
    /reporter="destination".*source_principal="unknown".*connection_security_policy="unknown"/,
  );
});

test("a Pod of the mesh reaches one outside it in plain, by its address", async () => {
  const { web, plain, seen } = shared;
  const talk = await converseFrom(libc, web.namespace.fd, plain.address, echoPort);
  expect(await talk.say("to the plain one")).toBe("to the plain one");
  expect(seen.at(-1)).toBe("plain 10.244.0.130");
  talk.stream.end();
  await talk.over();
});

test("a Pod reaches itself at its own address and on its loopback past ztunnel", async () => {
  const { web, seen, node } = shared;
  const from = node.lines.length;
  for (const address of [web.address, "127.0.0.1"]) {
    const talk = await converseFrom(libc, web.namespace.fd, address, echoPort);
    expect(await talk.say("to myself")).toBe("to myself");
    expect(seen.at(-1)).toBe(`web ${address}`);
    talk.stream.end();
    await talk.over();
  }
  expect(node.lines.slice(from).filter((line) => /dst.addr=(10.244.0.130|127)/.test(line))).toEqual([]);
});

test("a Pod reaches itself by its service through a tunnel", async () => {
  const { cart, seen } = shared;
  const talk = await converseFrom(libc, cart.namespace.fd, cartService, 80);
  expect(await talk.say("round")).toBe("round");
  expect(seen.at(-1)).toBe("cart 10.244.0.131");
  talk.stream.end();
  await talk.over();
});

test("STRICT refuses plain connections and cuts those that are open; tunnels and probes pass", async () => {
  const { web, plain, cart, node, seen } = shared;
  const open = await converseFrom(libc, plain.namespace.fd, cart.address, echoPort);
  expect(await open.say("before")).toBe("before");
  shared.setPolicies({ [strictKey]: strictPolicy() }, [strictKey]);
  await open.over();
  const from = node.lines.length;
  await untilRefused(libc, plain.namespace.fd, cart.address, echoPort);
  expect(await lineLike(shared, /connection failed/, from)).toContain(
    `error="connection closed due to policy rejection: explicitly denied by: ${strictKey}"`,
  );
  const tunnel = await converseFrom(libc, web.namespace.fd, cart.address, echoPort);
  expect(await tunnel.say("with an identity")).toBe("with an identity");
  const probe = await converseFrom(libc, node.namespace.fd, cart.address, echoPort);
  expect(await probe.say("are you well")).toBe("are you well");
  expect(seen.at(-1)).toBe("cart 169.254.7.127");
  shared.setPolicies({});
  await waitUntil("plain connections are let in again", async () => {
    const again = await converseFrom(libc, plain.namespace.fd, cart.address, echoPort);
    return (await again.say("again")) === "again";
  });
  for (const talk of [tunnel, probe]) {
    talk.stream.end();
    await talk.over();
  }
});

test("ports of ztunnel's own are no way in", async () => {
  const { plain, web } = shared;
  for (const port of [15001, 15006]) {
    await untilRefused(libc, plain.namespace.fd, web.address, port);
    await untilRefused(libc, web.namespace.fd, shared.cart.address, port);
  }
  // Plain bytes at the port of tunnels are no handshake.
  const talk = await converseFrom(libc, plain.namespace.fd, web.address, 15008);
  expect(await talk.say("GET / HTTP/1.1\r\n\r\n")).toBe("");
});

test("names are answered on the resolver's own address, by UDP and TCP", async () => {
  const { web } = shared;
  const asker = { libc, namespace: web.namespace, nameserver: slotNameserver };
  expect(await askByUdp(asker, "cart.shop.svc.cluster.local")).toBe(cartService);
  expect(await askByUdp(asker, "nobody.shop.svc.cluster.local")).toBe("code 3");
  expect(await askByTcp(asker, ["cart", "cart.shop", "nobody.shop.svc.cluster.local"])).toEqual([
    cartService,
    cartService,
    "code 3",
  ]);
});

test.each(["tunnel", "plain"])("a direction may end while the other goes on, by %s", async (kind) => {
  const { web, plain, cart } = shared;
  const caller = kind === "tunnel" ? web : plain;
  const talk = await converseFrom(libc, caller.namespace.fd, cart.address, echoPort);
  talk.stream.write(Buffer.from("the last word"));
  talk.stream.end();
  await talk.over();
  expect(talk.received).toBe("the last word");
});

test.each(["tunnel", "plain"])(
  "64 MiB go there and come back, by %s",
  async (kind) => {
    const { web, plain, cart } = shared;
    const caller = kind === "tunnel" ? web : plain;
    expect(await echoBytes(libc, caller.namespace.fd, { address: cart.address, port: echoPort }, 64)).toBe(
      64 << 20,
    );
  },
  60_000,
);

test("a Pod calls a service behind a waypoint as itself", async () => {
  const { web, node } = shared;
  const asked: TunnelRequest[] = [];
  using _waypoint = closing(serveWaypoint(libc, node, asked));
  const talk = await converseFrom(libc, web.namespace.fd, behindWaypoint, 80);
  expect(await talk.say("by the waypoint")).toBe("by the waypoint");
  expect(asked.map(({ peer, peerAddress, authority }) => `${peer} ${peerAddress.ip} ${authority}`)).toEqual([
    `${shopId("web")} ${web.address} ${behindWaypoint}:80`,
  ]);
  talk.stream.end();
  await talk.over();
});

test("a function calls Pods of the mesh through a tunnel and others in plain, each as itself", async () => {
  const { node, cart, plain, seen } = shared;
  using slot = node.makeSlot("slot-web", "10.244.0.9");
  node.ads.set(RevisionTemplateSchema, shopTemplates());
  expect(await node.prepare(slot)).toBe("");
  expect(await node.agent.say(assignWeb)).toBe("");
  const from = node.lines.length;
  for (const [address, port, pod] of [
    [cartService, 80, "cart"],
    [cart.address, echoPort, "cart"],
    [plain.address, echoPort, "plain"],
  ] as const) {
    const talk = await converseFrom(libc, slot.namespace.fd, address, port);
    expect(await talk.say("from a function")).toBe("from a function");
    expect(seen.at(-1)).toBe(`${pod} 10.244.0.9`);
    talk.stream.end();
    await talk.over();
  }
  const atPod = await lineLike(shared, /dst.workload="cart".*direction="inbound".*bytes_recv=15 /, from);
  expect(atPod).toContain(`src.identity="${shopId("web")}"`);
  expect(await node.agent.say({ case: "del", value: { uid: slot.uid } })).toBe("");
});

test("a Pod calls a function's instance through a tunnel, as itself", async () => {
  const { node, web, seen } = shared;
  using slot = node.makeSlot("slot-price", "10.244.0.8");
  node.ads.set(RevisionTemplateSchema, shopTemplates([], ""));
  expect(await node.prepare(slot)).toBe("");
  expect(await node.agent.say(assignPrice)).toBe("");
  using _echo = closing(serveEcho(libc, { name: "price", namespace: slot.namespace }, seen));
  const price = await converseFrom(libc, web.namespace.fd, slot.address, echoPort);
  expect(await price.say("to a function")).toBe("to a function");
  expect(seen.at(-1)).toBe("price 10.244.0.130");
  price.stream.end();
  await price.over();
  expect(await node.agent.say({ case: "del", value: { uid: slot.uid } })).toBe("");
});

test("what a Pod asks of the world goes there from the host, by its address or by a service", async () => {
  const { web, node } = shared;
  const world = withNamespace(libc, node.world.b.namespace.fd, () =>
    Bun.listen({
      hostname: "0.0.0.0",
      port: 80,
      socket: { open: (socket) => void socket.write(`you are ${socket.remoteAddress}`), data() {} },
    }),
  );
  for (const address of [internet, beyondService]) {
    const talk = await converseFrom(libc, web.namespace.fd, address, 80);
    await waitUntil("the world answers", () => talk.received === "you are 192.0.2.1");
    talk.stream.reset();
  }
  world.stop(true);
});

test("a Pod may take plain connections whatever policies say, and ask others for names", async () => {
  await using scene = await startPodScene(libc, { isCartEnrolled: false });
  const { cart, web, plain, seen } = scene;
  scene.setPolicies({ [strictKey]: strictPolicy() }, [strictKey]);
  await scene.enrol(cart, { capturesInbound: false, capturesDns: false, policies: [strictKey] });
  const talk = await converseFrom(libc, plain.namespace.fd, cart.address, echoPort);
  expect(await talk.say("straight in")).toBe("straight in");
  expect(seen.at(-1)).toBe("cart 10.244.0.132");
  const asker = { libc, namespace: cart.namespace, nameserver: slotNameserver };
  expect(await askByTcp(asker, ["cart"])).toEqual([]);
  await scene.enrol(cart, { policies: [strictKey] });
  expect(await askByTcp(asker, ["cart"])).toEqual([cartService]);
  expect(await askByUdp(asker, "cart")).toBe(cartService);
  await untilRefused(libc, plain.namespace.fd, cart.address, echoPort);
  expect(await talk.say("still in")).toBe("still in");
  const outward = await converseFrom(libc, cart.namespace.fd, web.address, echoPort);
  expect(await outward.say("out")).toBe("out");
  for (const each of [talk, outward]) each.stream.reset();
});

test("a node that comes again finds its Pods served, and what it no longer names leaves", async () => {
  await using scene = await startPodScene(libc);
  const { web, cart, plain, pods, node } = scene;
  const talk = await converseFrom(libc, web.namespace.fd, cart.address, echoPort);
  expect(await talk.say("before")).toBe("before");
  pods.hangUp();
  expect(await talk.say("while it is away")).toBe("while it is away");
  await pods.accept();
  await scene.enrol(web);
  expect(await pods.say({ case: "keep", value: { uid: "somebody" } })).toBe("");
  expect(await pods.say({ case: "snapshotSent", value: {} })).toBe("");
  expect(await talk.say("after")).toBe("after");
  const again = await converseFrom(libc, web.namespace.fd, plain.address, echoPort);
  expect(await again.say("captured anew")).toBe("captured anew");
  for (const each of [talk, again]) {
    each.stream.end();
    await each.over();
  }
  await waitUntil("the other is served no more", async () => {
    const { workloadState } = await node.configDump();
    return Object.keys(workloadState).join() === web.uid;
  });
});

test("inbound opens once every policy that the node names is held", async () => {
  await using scene = await startPodScene(libc, { isCartEnrolled: false });
  const { cart, plain, web, node } = scene;
  await scene.enrol(cart, { policies: ["shop/later"] });
  const from = node.lines.length;
  await untilRefused(libc, plain.namespace.fd, cart.address, echoPort);
  expect(await lineLike(scene, /failed to fetch information/, from)).toContain("shop/later");
  scene.setPolicies({ "shop/later": shopPolicy("later", "web") });
  await untilRefused(libc, plain.namespace.fd, cart.address, echoPort);
  // Discovery does not say yet that the Pod takes tunnels: web comes in plain, and is nobody.
  await untilRefused(libc, web.namespace.fd, cart.address, echoPort);
});

test("a Pod that leaves keeps its connections, and gets its capture back when it returns", async () => {
  await using scene = await startPodScene(libc);
  const { web, plain, cart, pods, seen, node } = scene;
  const capture = await scene.enrol(cart);
  const tunnel = await converseFrom(libc, web.namespace.fd, cart.address, echoPort);
  const inPlain = await converseFrom(libc, plain.namespace.fd, cart.address, echoPort);
  const outward = await converseFrom(libc, cart.namespace.fd, plain.address, echoPort);
  const open = [tunnel, inPlain, outward];
  for (const talk of open) expect(await talk.say("before")).toBe("before");
  // What it has open itself goes on by its sockets' marks, which the node sets.
  // Sound: it was connected by TCP.
  applyOptions(libc, (outward.stream as SocketStream).fd, false, { mark: podMarks.looped });
  capture.dropRules();
  expect(await pods.say({ case: "del", value: { uid: cart.uid, drain: true } })).toBe("");
  for (const talk of open) expect(await talk.say("meanwhile")).toBe("meanwhile");
  // Whoever has not heard yet that it left still comes by a tunnel.
  const late = await converseFrom(libc, web.namespace.fd, cart.address, echoPort);
  expect(await late.say("late")).toBe("late");
  expect(seen.at(-1)).toBe("cart 10.244.0.131");
  await scene.enrol(cart);
  for (const talk of [...open, late]) expect(await talk.say("back again")).toBe("back again");
  const again = await converseFrom(libc, plain.namespace.fd, cart.address, echoPort);
  expect(await again.say("captured again")).toBe("captured again");
  expect(node.lines.filter((line) => line.includes("error="))).toEqual([]);
  expect(await pods.say({ case: "del", value: { uid: cart.uid, drain: true } })).toBe("");
  for (const talk of [...open, late, again]) {
    talk.stream.end();
    await talk.over();
  }
  await waitUntil("it is served no more", async () =>
    (await node.metrics()).includes("workload_manager_proxies_stopped_total 1"),
  );
});

test("a Pod that is gone ends its connections, and its certificate is forgotten", async () => {
  await using scene = await startPodScene(libc);
  const { web, cart, pods, node } = scene;
  const talk = await converseFrom(libc, web.namespace.fd, cart.address, echoPort);
  expect(await talk.say("before")).toBe("before");
  expect(await pods.say({ case: "del", value: { uid: cart.uid } })).toBe("");
  await talk.over();
  const dump = await node.configDump();
  const info = { name: "web", namespace: "shop", serviceAccount: "web" };
  expect(dump.workloadState).toMatchObject({ [web.uid]: { state: "Up", info } });
  expect(Object.keys(dump.workloadState)).toEqual([web.uid]);
  expect(dump.certificates.map(({ identity }) => identity)).toEqual([shopId("web")]);
});

test("what the node says and ztunnel cannot do is answered with the reason", async () => {
  const { pods, web } = shared;
  const info = { name: "x", namespace: "shop", serviceAccount: "x" };
  const say = (value: object): Promise<string> => pods.say({ case: "add", value: { uid: "x", ...value } });
  expect(await say({ workloadInfo: info })).toContain("did not say its name, address and policies");
  const address = Uint8Array.from([10, 244, 0, 140]);
  const lambientPod = { address, nameserver: address };
  expect(await say({ workloadInfo: info, lambientPod })).toContain("wanted the descriptors");
  expect(
    await say({ workloadInfo: info, lambientPod: { address: new Uint8Array(16), nameserver: address } }),
  ).toContain("wanted the descriptors");
  expect(await pods.say({ case: "assign", value: { uid: web.uid } })).toContain("assign with 0 descriptors");
  expect(await pods.say({ case: "del", value: { uid: "nobody", drain: true } })).toBe("");
});

test("ztunnel is ready without a node, but not before a node that is there has told of its Pods", async () => {
  await using node = await startZtunnelNode(libc);
  expect(await node.agent.say({ case: "snapshotSent", value: {} })).toBe("");
  await waitUntil("it is ready", () => node.isReady());
  using pods = scriptNode(libc, join(node.runDir, "pods.sock"));
  await pods.accept();
  expect(await node.isReady()).toBe(false);
  expect(await pods.say({ case: "snapshotSent", value: {} })).toBe("");
  expect(await node.isReady()).toBe(true);
});

test("what ztunnel opens in a caller's name has no port that the caller could have itself", async () => {
  const { plain, web, cart } = shared;
  for (const { namespace } of [plain, web]) {
    const talk = await converseFrom(libc, namespace.fd, cart.address, echoPort);
    expect(await talk.say("from where")).toBe("from where");
    talk.stream.reset();
  }
  const ports = shared.seenPorts.slice(-2);
  expect(ports.filter((port) => port >= 16_384 && port < 32_768)).toHaveLength(2);
});
