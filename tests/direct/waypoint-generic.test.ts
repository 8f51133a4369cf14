/** A generic waypoint as the node runtime starts it: booted, specialised, asleep, and the next one on the same listener. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { systemClock } from "#host/clock.ts";
import { closeFd, openLibc } from "#host/linux/libc.ts";
import { openPoller } from "#host/linux/poller.ts";
import { startListen } from "#host/linux/sockets.ts";
import type { StartWaypoint } from "../../functions/waypoints/waypoint-port.ts";
import { waypointStarter } from "../../functions/waypoints/waypoint-process.ts";
import { waitUntil } from "../support/wait-until.ts";
import { Neighbours } from "./waypoint-neighbours.ts";
import { revision } from "./waypoint-objects.ts";

const libc = openLibc();
// Each test starts processes of its own; on a busy machine that takes its time.
setDefaultTimeout(30_000);
let neighbours: Neighbours | undefined;
afterEach(async () => {
  await neighbours?.[Symbol.asyncDispose]();
  neighbours = undefined;
});

async function start(): Promise<{ readonly mesh: Neighbours; readonly boot: StartWaypoint }> {
  const mesh = await Neighbours.start();
  neighbours = mesh;
  const boot = waypointStarter({
    libc,
    poller: await openPoller(libc),
    clock: systemClock,
    entry: join(import.meta.dir, "../../waypoint/main.ts"),
    flags: ["--run-dir", mesh.runDir, "--certificates", join(mesh.runDir, "certificates")],
    env: {},
    bootTimeoutMs: 10_000,
    stopMs: 5000,
  });
  return { mesh, boot };
}

test("it boots, takes its role, sleeps when idle, and the next one serves what waits in the listener", async () => {
  const { mesh, boot } = await start();
  mesh.configure([{ name: "default", backends: [revision("price-v1", 1, { idleMs: 50n })] }], {
    idleMs: 500,
  });
  const instance = mesh.startInstance("i1", () => new Response("ok"));
  mesh.node.answer = () => instance.answer;
  const address = mesh.nextAddress();
  const listenerFd = startListen(libc, libc.homeNamespace, { address, port: 15008 });
  const role = { namespace: "shop", name: "waypoint", address, listenerFd, ownerPid: process.pid };
  const first = await boot();
  await first.specialise(role);
  const caller = await mesh.openCaller(address, "ns/shop/sa/cart");
  expect(await (await fetch(caller.url)).text()).toBe("ok");
  expect(await first.ended).toEqual({ kind: "asleep" });
  await waitUntil("GOAWAY was sent", () => !caller.tunnel.isReady);
  await waitUntil("the instance was released", () => mesh.node.released.includes("i1"));

  // Nobody accepts now: the connection waits in the listener, which is still ours.
  const second = await boot();
  const waiting = mesh.openCaller(address, "ns/shop/sa/cart");
  await second.specialise(role);
  expect(await (await fetch((await waiting).url)).text()).toBe("ok");
  await second.stop();
  closeFd(libc, listenerFd);
});

test("it takes one role only, and refuses what is none", async () => {
  const { mesh, boot } = await start();
  mesh.configure([]);
  const address = mesh.nextAddress();
  const listenerFd = startListen(libc, libc.homeNamespace, { address, port: 15008 });
  const role = { namespace: "shop", name: "waypoint", address, listenerFd, ownerPid: process.pid };
  const waypoint = await boot();
  const refused = await waypoint
    .specialise({ ...role, address: "nonsense" })
    .catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: "bad-input" });
  await waypoint.specialise(role);
  const again = await waypoint.specialise(role).catch((error: unknown) => error);
  expect(again).toMatchObject({ code: "conflict" });
  await waypoint.stop();
  closeFd(libc, listenerFd);
});

test("a spare that is never needed ends when it is told to", async () => {
  const { boot } = await start();
  const spare = await boot();
  await spare.stop();
  expect(await spare.ended).toMatchObject({ kind: "gone" });
});
