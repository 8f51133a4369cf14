/** The node runtime from start to end: waypoints that it wakes, what it leaves, what it finds of an earlier life. */
import { afterEach, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseIp } from "#core/address/ip.ts";
import { startConnect } from "#host/linux/sockets.ts";
import { type NodeRuntimeHost, startNodeRuntime } from "../support/node-runtime.ts";
import { waitUntil } from "../support/wait-until.ts";

const scriptedWaypoint = fileURLToPath(new URL("../support/scripted-waypoint.ts", import.meta.url));
const open: NodeRuntimeHost[] = [];

afterEach(async () => {
  for (const host of open.splice(0)) await host[Symbol.asyncDispose]();
}, 30_000);

async function start(flags: readonly string[] = []): Promise<NodeRuntimeHost> {
  const host = await startNodeRuntime({
    flags: ["--pool-size", "1", "--waypoint-entry", scriptedWaypoint, ...flags],
  });
  open.push(host);
  return host;
}

function gateway(name: string, address: string): never {
  return {
    metadata: { namespace: "shop", name },
    spec: { gatewayClassName: "lambient-waypoint", listeners: [] },
    status: { addresses: [{ value: address }] },
  } as never;
}

/** Says something to a waypoint's tunnel port from within the node's namespace; what it answers before it closes. */
async function say(host: NodeRuntimeHost, address: string, text: string): Promise<string> {
  const ip = parseIp(address);
  if (!ip.ok) throw new Error(ip.error);
  const fd = startConnect(host.libc, host.network.fd, { to: { address: ip.value, port: 15008 } });
  const done = Promise.withResolvers<string>();
  let got = "";
  let isSent = false;
  const options = {
    fd,
    socket: {
      drain(socket: Bun.Socket) {
        if (!isSent) socket.write(`${text}\n`);
        isSent = true;
      },
      data: (_: Bun.Socket, bytes: Buffer) => void (got += bytes.toString()),
      close: () => done.resolve(got),
      error: (_: Bun.Socket, error: Error) => done.reject(error),
    },
  };
  // Sound: Bun takes `fd` here though its types do not say so.
  await Bun.connect(options as unknown as Bun.UnixSocketOptions);
  return done.promise;
}

async function stateOf(host: NodeRuntimeHost, name: string): Promise<unknown> {
  const { waypoints = [] } = await host.readDump();
  return waypoints.find((each) => each["name"] === name)?.["state"];
}

test("connections wake a waypoint, wait while it sleeps or crashes, and are served by the next one", async () => {
  const host = await start();
  host.api.put("gateways", gateway("group", "10.245.0.7"));
  await waitUntil("it is asleep", async () => (await stateOf(host, "group")) === "asleep");
  const first = await say(host, "10.245.0.7", "hello");
  expect(first).toMatch(/^group \d+\n$/);
  expect(await say(host, "10.245.0.7", "hello")).toBe(first);
  expect(await say(host, "10.245.0.7", "sleep")).toBe(first);
  const second = await say(host, "10.245.0.7", "hello");
  expect(second).not.toBe(first);
  expect(await say(host, "10.245.0.7", "die")).toBe("");
  const [third, fourth] = await Promise.all([say(host, "10.245.0.7", "a"), say(host, "10.245.0.7", "b")]);
  expect(third).toBe(fourth);
  expect(third).not.toBe(second);
  host.api.remove("gateways", "shop", "group");
  await waitUntil("it is gone", async () => (await stateOf(host, "group")) === undefined);
  expect(await say(host, "10.245.0.7", "a").catch(String)).not.toContain("group");
}, 30_000);

test("two gateways are woken each by its own connection, at once", async () => {
  const host = await start();
  host.api.put("gateways", gateway("one", "10.245.0.8"));
  host.api.put("gateways", gateway("two", "10.245.0.9"));
  await waitUntil("both sleep", async () => (await stateOf(host, "two")) === "asleep");
  const said = await Promise.all([say(host, "10.245.0.8", "a"), say(host, "10.245.0.9", "b")]);
  expect(said.map((each) => each.split(" ")[0])).toEqual(["one", "two"]);
}, 30_000);

const talk = `export default { fetch: () => new Response("hello") };`;

async function activate(host: NodeRuntimeHost): Promise<void> {
  host.api.addRevision("cart-v1", talk);
  await waitUntil("the revision is known", async () => (await host.readDump())["revisions"]?.length === 1);
  const waypoint = await host.call("waypoint");
  await waypoint.ask("activate", { revision: "shop/cart-v1" });
}

test("SIGTERM ends it with nothing left: no process, no group, no socket", async () => {
  const host = await start();
  await host.connectZtunnel();
  await host.whenReady();
  host.api.put("gateways", gateway("group", "10.245.0.7"));
  await waitUntil("it is asleep", async () => (await stateOf(host, "group")) === "asleep");
  await say(host, "10.245.0.7", "hello");
  await activate(host);
  expect(host.leftovers().length).toBeGreaterThan(0);
  expect(await host.stop("terminate")).toEqual({ kind: "exited", code: 0 });
  expect(host.leftovers()).toEqual([]);
  expect(host.cgroup.children()).toEqual([]);
  const sockets = readdirSync(host.runDir, { recursive: true }).filter((name) =>
    String(name).endsWith(".sock"),
  );
  expect(sockets).toEqual(["api.sock"]);
}, 30_000);

test("what a killed one left is ended by the next, which serves the same revisions", async () => {
  const host = await start();
  await host.connectZtunnel();
  await host.whenReady();
  await activate(host);
  const before = host.leftovers();
  expect(await host.stop("kill")).toEqual({ kind: "signaled", signal: 9 });
  host.start();
  const ztunnel = await host.connectZtunnel();
  await host.whenReady();
  expect(host.leftovers().filter((pid) => before.includes(pid))).toEqual([]);
  using waypoint = await host.call("waypoint");
  const given = await waypoint.ask("activate", { revision: "shop/cart-v1" });
  expect(await ztunnel.ask(String(given["address"]))).toEndWith("hello");
}, 30_000);

test.each([
  [["--pool-size", "none"], 'Cannot read --pool-size as a whole number from 1 to 64: "none"'],
  [["--colour", "red"], "Cannot read the arguments"],
])(
  "wrong flags %j end it at once, with code 2 and what was wanted",
  async (flags, message) => {
    const host = await start(flags);
    expect(await host.child.exited).toEqual({ kind: "exited", code: 2 });
    expect(host.log()).toContain(message);
  },
  30_000,
);
