/** What waits in ztunnel's name server and its upstream is bounded, and each bound is reached here. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { parseIp } from "#core/address/ip.ts";
import { parseQuery } from "#core/dns/message.ts";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { closeLibc, type Libc, openLibc } from "#host/linux/libc.ts";
import { warmUp } from "#host/linux/namespaces.ts";
import { meshErrorCode } from "#host/mesh-error.ts";
import { makeDnsUpstream } from "#host/dns/dns-upstream.ts";
import { askByUdp, askByUdpAndLeave } from "../support/ask-name.ts";
import { converseFrom } from "../support/conversation.ts";
import { assignSlots, priceService, startSlotScene } from "../support/slot-scene.ts";
import { waitUntil } from "../support/wait-until.ts";
import { slotNameserver, startZtunnelNode } from "../support/ztunnel-node.ts";

let libc: Libc;

beforeAll(async () => {
  libc = openLibc();
  await warmUp();
});

afterAll(() => closeLibc(libc));

test("an upstream takes 256 queries at once and gives each 5 seconds", async () => {
  let received = 0;
  const silent = await Bun.udpSocket({ hostname: "127.0.0.1", socket: { data: () => void received++ } });
  const ip = parseIp("127.0.0.1");
  const message = Uint8Array.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 97, 0, 0, 1, 0, 1]);
  const query = parseQuery(message);
  if (!ip.ok || !query.ok) throw new Error("Cannot write the test's own question");
  const clock = new FakeClock();
  const upstream = makeDnsUpstream({
    libc,
    clock,
    hostNamespaceFd: libc.homeNamespace,
    resolvers: [{ ip: ip.value, port: silent.port }],
    random: Math.random,
  });
  const ask = (): Promise<unknown> => upstream.ask(query.value, message, "udp").catch(meshErrorCode);
  const waiting = Array.from({ length: 256 }, ask);
  expect(await ask()).toBe("limit-reached");
  await waitUntil("every query was sent", () => received === 256);
  clock.advance(5000);
  expect(new Set(await Promise.all(waiting))).toEqual(new Set(["timeout"]));
  const again = ask();
  await waitUntil("there is room again", () => received === 257);
  clock.advance(5000);
  expect(await again).toBe("timeout");
  silent.close();
});

test("a ztunnel serves so many workloads, and another one once there is room", async () => {
  await using node = await startZtunnelNode(libc, ["--workloads-max", "2"]);
  using first = node.makeSlot("slot-1", "10.244.0.2");
  using second = node.makeSlot("slot-2", "10.244.0.3");
  using third = node.makeSlot("slot-3", "10.244.0.4");
  expect([await node.prepare(first), await node.prepare(second)]).toEqual(["", ""]);
  expect(await node.prepare(third)).toBe("Cannot serve workload slot-3: 2 are served already");
  // One that is served already is no further one.
  expect(await node.prepare(second)).toBe("");
  expect(await node.agent.say({ case: "del", value: { uid: first.uid } })).toBe("");
  expect(await node.prepare(third)).toBe("");
});

test("askers by UDP who are gone before their answers harm nobody", async () => {
  await using scene = await startSlotScene(libc, {});
  await assignSlots(scene);
  const asked = { libc, namespace: scene.web.namespace, nameserver: slotNameserver };
  for (let round = 0; round < 20; round++) {
    await askByUdpAndLeave(asked, "nobody.example");
    await askByUdpAndLeave(asked, "10.in-addr.arpa");
    const answers = Array.from({ length: 4 }, () => askByUdp(asked, "price"));
    expect(await Promise.all(answers)).toEqual(answers.map(() => priceService));
  }
}, 20_000);

test("a workload's name server takes 16 TCP connections, and a workload so many connections in all", async () => {
  await using scene = await startSlotScene(libc, { flags: ["--connections-per-workload-max", "3"] });
  await assignSlots(scene);
  const { fd } = scene.web.namespace;
  const asking = await Promise.all(
    Array.from({ length: 16 }, () => converseFrom(libc, fd, slotNameserver, 53)),
  );
  const further = await converseFrom(libc, fd, slotNameserver, 53).catch(() => undefined);
  await waitUntil("a further one is reset", () => further === undefined || further.closed);
  expect(asking.filter(({ closed }) => closed !== undefined)).toEqual([]);

  const talks = await Promise.all(Array.from({ length: 3 }, () => converseFrom(libc, fd, "10.96.0.5", 80)));
  for (const talk of talks) expect(await talk.say("one of three")).toBe("one of three");
  const fourth = await converseFrom(libc, fd, "10.96.0.5", 80).catch(() => undefined);
  await waitUntil("a fourth is reset", () => fourth === undefined || fourth.closed);
  talks[0]?.stream.reset();
  await waitUntil("there is room again", async () => {
    const talk = await converseFrom(libc, fd, "10.96.0.5", 80).catch(() => undefined);
    return (await talk?.say("again")) === "again";
  });
});
