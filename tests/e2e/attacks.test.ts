/** Attacks by a function that was deployed and is called as every other: refused by the errno stated, nothing at the target; outside, the same code succeeds. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { closeFd } from "#host/linux/libc.ts";
import { addAddress, findLink } from "#host/linux/links.ts";
import { type NetworkNamespace, openNetworkNamespace, withNamespace } from "#host/linux/namespaces.ts";
import { openNetlink } from "#host/linux/netlink.ts";
import { openPipe, spawnChild } from "#host/linux/spawn.ts";
import { isConfined } from "#isolate/confinement.ts";
import type { Target } from "../netns/fixtures/attacks/attacks.ts";
import { range, readAll } from "../netns/support/linux.ts";
import { type Mesh, startMesh } from "../support/mesh.ts";
import { openNodeNetwork } from "../support/mesh-node.ts";
import { refusedCalls } from "../support/refused-calls.ts";
import { hostAddress, internetAddress } from "../support/test-host.ts";
import { waitUntil } from "../support/wait-until.ts";

const fixtures = join(import.meta.dir, "../netns/fixtures/attacks");
const metadata = "169.254.169.254";
const hostAddressV6 = "2001:db8::10";
const abstractName = `lambient-attacks-${crypto.randomUUID()}`;

interface Asked {
  readonly attack?: string;
  readonly probe?: string;
  readonly target?: Target;
}

let mesh: Mesh;
let node: NetworkNamespace;
/** The processes of two instances, as our own /proc numbers them. */
let attackerPid: number;
let victimPid: number;
let victimAddress: string;
let victimNetwork: NetworkNamespace;
/** How often each service was reached. */
const hits: Record<string, number> = {};
const ports: Record<string, number> = {};
const stops: (() => void)[] = [];

beforeAll(async () => {
  // On 8080 a function is itself.
  mesh = await startMesh({ flags: ["--edge-port", "0"] });
  node = openNodeNetwork(mesh);
  await openServices();
  await deploy();
  const uidOf = async (name: string): Promise<number> => {
    const { body } = await mesh.call(name);
    return (JSON.parse(body) as { readonly uid: number }).uid;
  };
  attackerPid = processOf(await uidOf("attacker.red"));
  victimPid = processOf(await uidOf("victim.red"));
  victimAddress = await waitUntil(
    "the victim's address is known",
    async () => (await mesh.instances()).find((instance) => instance.function === "victim")?.address,
  );
  victimNetwork = openNetworkNamespace(`/proc/${victimPid}/ns/net`);
  serve("victim", victimNetwork, { hostname: victimAddress, port: 0 });
}, 90_000);

afterAll(async () => {
  for (const stop of stops) stop();
  victimNetwork.close();
  node.close();
  await mesh.down();
  await mesh.host.close();
}, 60_000);

describe("system calls", () => {
  test.each(refusedCalls)("%s is refused with %s", async (attack, errno) => {
    expect(await inside({ attack })).toBe(errno);
    expect(await outside({ attack })).toBe(attack.startsWith("execve") ? Bun.version : "succeeded");
  });

  test.each([
    ["ptrace", "EPERM"],
    ["signal to a process", "ESRCH"],
    ["environment of a process", "ENOENT"],
  ])("%s of another function is refused with %s", async (attack, errno) => {
    expect(await inside({ attack, target: { pid: victimPid } })).toBe(errno);
    expect(await outside({ attack, target: { pid: victimPid } })).toBe("succeeded");
    expect((await mesh.call("victim.red")).status).toBe(200);
  });
});

describe("confinement", () => {
  test("every thread is unprivileged, without capabilities, with both filters", () => {
    const threads = readdirSync(`/proc/${attackerPid}/task`);
    const statuses = threads.map((thread) =>
      readFileSync(`/proc/${attackerPid}/task/${thread}/status`, "utf8"),
    );
    expect(statuses.map(isConfined)).toEqual(threads.map(() => true));
    expect(statuses.every((status) => /^CapBnd:\s+0+$/m.test(status) && /^Seccomp:\s+2$/m.test(status))).toBe(
      true,
    );
    // The control: the node runtime that made it is not.
    const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${attackerPid}/status`, "utf8"))?.[1];
    expect(isConfined(readFileSync(`/proc/${parent ?? "self"}/status`, "utf8"))).toBe(false);
  });

  test("each function has a user and a network of its own", () => {
    const uids = [attackerPid, victimPid].map(uidOfProcess);
    expect(new Set([0, ...uids]).size).toBe(3);
    expect(new Set([attackerPid, victimPid, process.pid].map(networkOf)).size).toBe(3);
  });
});

describe("the network", () => {
  // Captured like every connection: ztunnel takes it, finds that it may not go there, and resets it.
  test.each([
    ["a service on the host's loopback", "loopback", "127.0.0.1", "ECONNREFUSED"],
    ["a service on the host's address", "host", hostAddress, "ECONNRESET"],
    ["the metadata service", "metadata", metadata, "ECONNRESET"],
    ["a service on the node's own address", "node", "10.244.0.1", "ECONNRESET"],
    ["a service on the host's IPv6 address", "host v6", hostAddressV6, "ENETUNREACH"],
    ["a service on the host's IPv6 loopback", "loopback v6", "::1", "ECONNREFUSED"],
  ])("%s is not reached by TCP", async (...[, service, address, errno]) => {
    const asked = { attack: "conversation", target: { address, port: ports[service] ?? 0 } };
    await expectUnreached(service, asked, errno, service === "node" ? node : mesh.host.network);
  });

  test.each([
    ["the host", "host udp", hostAddress, "ECONNREFUSED"],
    ["the internet", "internet udp", internetAddress, "ECONNREFUSED"],
    ["the metadata service", "metadata udp", metadata, "ECONNREFUSED"],
    ["the host by IPv6", "host udp v6", hostAddressV6, "ENETUNREACH"],
  ])("%s is not reached by datagrams", async (...[, service, address, errno]) => {
    const asked = { attack: "udp", target: { address, port: ports[service] ?? 0 } };
    await expectUnreached(service, asked, errno);
  });

  test("another slot's address is not reached past the mesh", async () => {
    const asked = { attack: "conversation", target: { address: victimAddress, port: ports["victim"] ?? 0 } };
    await expectUnreached("victim", asked, "ECONNRESET", victimNetwork);
    const before = await served();
    const direct = { attack: "conversation", target: { address: victimAddress, port: 8080 } };
    expect(await inside(direct)).toBe("ECONNRESET");
    expect(await served()).toBe(before);
    // The control: it does serve there, for whoever comes by its service.
    expect((await mesh.call("victim.red")).status).toBe(200);
    expect(await served()).toBe(before + 1);
  });

  test("the API is reached neither by its port nor, past the door, by ours", async () => {
    // The API speaks TLS and hangs up on anything else; the edge answers.
    const rows = [
      [mesh.api, "closed"],
      [mesh.edge, "succeeded"],
    ] as const;
    for (const [url, control] of rows) {
      const target = { address: "127.0.0.1", port: Number(new URL(url).port) };
      expect(await inside({ attack: "conversation", target })).toBe("ECONNREFUSED");
      expect(await outside({ attack: "conversation", target })).toBe(control);
    }
    for (const port of [15001, 15006, 15008]) {
      const target = { address: "10.244.0.1", port };
      expect([port, await inside({ attack: "conversation", target })]).toEqual([port, "ECONNRESET"]);
    }
  });

  test("the internet is reached as the function's egress says: any by default, else what is listed", async () => {
    const open = { address: internetAddress, port: ports["internet"] ?? 0 };
    const closed = { address: internetAddress, port: ports["internet too"] ?? 0 };
    const rows: readonly [string, Target, string][] = [
      ["listed.red", open, "succeeded"],
      ["listed.red", closed, "ECONNRESET"],
      ["silent.red", open, "ECONNRESET"],
      ["attacker.red", open, "succeeded"],
      ["attacker.red", closed, "succeeded"],
    ];
    for (const [name, target, outcome] of rows) {
      const before = hits[target === open ? "internet" : "internet too"] ?? 0;
      expect([name, await inside({ attack: "conversation", target }, name)]).toEqual([name, outcome]);
      const came = (hits[target === open ? "internet" : "internet too"] ?? 0) - before;
      expect([name, came]).toEqual([name, outcome === "succeeded" ? 1 : 0]);
    }
  });
});

describe("unix sockets", () => {
  test("none of ours is there by its path", async () => {
    const paths = socketsBelow(mesh.runDir);
    for (const name of ["supervisor", "api", "control", "zds", "node", "admin/ztunnel", "admin/edge"])
      expect(paths).toContain(join(mesh.runDir, `${name}.sock`));
    for (const path of paths) {
      const asked = { attack: "unix socket by path", target: { path } };
      expect([path, await inside(asked)]).toEqual([path, "ENOENT"]);
      // Outside the path leads to it; a socket of packets refuses our stream by its kind, and by that alone.
      expect([path, await outside(asked)]).toEqual([
        path,
        /\/(zds|pods)\.sock$/.test(path) ? "EPROTOTYPE" : "succeeded",
      ]);
    }
  }, 30_000);

  test("one of the test's beside them is not reached", async () => {
    const asked = { attack: "unix socket by path", target: { path: join(mesh.runDir, "test.sock") } };
    await expectUnreached("path", asked, "ENOENT");
  });

  test("no abstract one is ours, and the test's are not reached from a slot", async () => {
    const asked = { attack: "abstract unix socket", target: { path: abstractName } };
    await expectUnreached("abstract", asked, "ECONNREFUSED");
    await expectUnreached("abstract in node", asked, "ECONNREFUSED", node);
    for (const namespace of [mesh.host.network, node])
      expect(abstractSockets(namespace)).toEqual([abstractName]);
  });
});

async function expectUnreached(
  service: string,
  asked: Asked,
  ...[errno, namespace = mesh.host.network]: [string, NetworkNamespace?]
): Promise<void> {
  expect(await inside(asked)).toBe(errno);
  const before = hits[service] ?? 0;
  expect(await outside(asked, namespace)).toBe("succeeded");
  await waitUntil("the control came", () => (hits[service] ?? 0) > before);
  // What the slot had sent would have arrived before the control did.
  expect(before).toBe(0);
}

async function inside(asked: Asked, name = "attacker.red"): Promise<string> {
  const { status, body } = await mesh.call(name, { method: "POST", body: JSON.stringify(asked) });
  if (status !== 200) throw new Error(`The function answered ${status}: ${body}`);
  return (JSON.parse(body) as { readonly outcome: string }).outcome;
}

async function outside(asked: Asked, namespace = mesh.host.network): Promise<string> {
  const { libc, poller } = mesh.host;
  const pipe = openPipe(libc);
  const what = asked.attack === undefined ? ["probe", asked.probe ?? ""] : ["attack", asked.attack];
  const child = spawnChild(libc, poller, {
    executable: process.execPath,
    args: [join(fixtures, "control.ts"), ...what, JSON.stringify(asked.target ?? {})],
    env: { HOME: "/root", PATH: "/usr/bin:/bin" },
    fds: new Map([
      [1, pipe.write],
      [2, pipe.write],
    ]),
    newNamespaces: ["mount", "uts"],
    joinNamespaces: [namespace.fd],
    before: [{ what: "Cannot make mounts private", name: "mount", args: ["none", "/", "none", 0x44000, 0] }],
  });
  closeFd(libc, pipe.write);
  const text = await readAll(libc, poller, pipe.read);
  await child.exited;
  return text.trim();
}

/** The attacks' own bundle, and functions beside it that tell who they are. */
async function deploy(): Promise<void> {
  const folder = join(mesh.host.dir, "red");
  cpSync(fixtures, folder, { recursive: true });
  writeFileSync(
    join(folder, "victim.ts"),
    `let served = 0;
    export default { fetch: (request) =>
      Response.json({ uid: process.getuid(), served: new URL(request.url).pathname === "/served" ? served : ++served }) };`,
  );
  const attacker = { main: "attacks.ts", scale: { idleMs: 600_000, max: 1 } };
  const manifest = {
    namespace: "red",
    functions: {
      attacker,
      listed: { ...attacker, egress: [`${internetAddress}:${ports["internet"]}`] },
      silent: { ...attacker, egress: [] },
      victim: { main: "victim.ts", scale: { idleMs: 600_000, max: 1 } },
    },
  };
  writeFileSync(join(folder, "lambient.jsonc"), JSON.stringify(manifest));
  await mesh.deploy(folder);
}

async function served(): Promise<number> {
  const { body } = await mesh.call("victim.red", { path: "/served" });
  return (JSON.parse(body) as { readonly served: number }).served;
}

async function openServices(): Promise<void> {
  const { libc, network, internet } = mesh.host;
  using netlink = openNetlink(libc, network.fd);
  const loopback = findLink(netlink, "lo") ?? 0;
  addAddress(netlink, loopback, range(`${metadata}/32`), "universe");
  addAddress(netlink, loopback, range(`${hostAddressV6}/128`), "universe");
  serve("loopback", network, { hostname: "127.0.0.1", port: 0 });
  serve("loopback v6", network, { hostname: "::1", port: 0 });
  serve("host", network, { hostname: hostAddress, port: 0 });
  serve("host v6", network, { hostname: hostAddressV6, port: 0 });
  serve("metadata", network, { hostname: metadata, port: 80 });
  serve("node", node, { hostname: "10.244.0.1", port: 0 });
  serve("internet", internet, { hostname: internetAddress, port: 0 });
  serve("internet too", internet, { hostname: internetAddress, port: 0 });
  serve("path", network, { unix: join(mesh.runDir, "test.sock") });
  serve("abstract", network, { unix: `\0${abstractName}` });
  serve("abstract in node", node, { unix: `\0${abstractName}` });
  await receive("host udp", network, hostAddress);
  await receive("metadata udp", network, metadata);
  await receive("host udp v6", network, hostAddressV6);
  await receive("internet udp", internet, internetAddress);
}

function serve(
  service: string,
  namespace: NetworkNamespace,
  where: { readonly hostname: string; readonly port: number } | { readonly unix: string },
): void {
  const socket = {
    data(far: { write(text: string): unknown }) {
      hits[service] = (hits[service] ?? 0) + 1;
      far.write("reached");
    },
  };
  const listener = withNamespace(mesh.host.libc, namespace.fd, () =>
    // Sound: either form of the options is one that Bun takes.
    Bun.listen({ ...where, socket } as unknown as Bun.TCPSocketListenOptions),
  );
  ports[service] = listener.port;
  stops.push(() => listener.stop(true));
}

async function receive(service: string, namespace: NetworkNamespace, hostname: string): Promise<void> {
  const socket = { data: () => void (hits[service] = (hits[service] ?? 0) + 1) };
  const receiver = await withNamespace(mesh.host.libc, namespace.fd, () =>
    Bun.udpSocket({ hostname, port: 0, socket }),
  );
  ports[service] = receiver.port;
  stops.push(() => receiver.close());
}

/** The process of an instance: the only one of its user. */
function processOf(uid: number): number {
  const found = readdirSync("/proc").filter(
    (name) => /^\d+$/.test(name) && uidOfProcess(Number(name)) === uid,
  );
  const [pid] = found;
  if (pid === undefined) throw new Error(`Cannot find the process of user ${uid}`);
  return Number(pid);
}

function uidOfProcess(pid: number): number | undefined {
  try {
    return Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  } catch {
    return undefined; // it has ended meanwhile
  }
}

function networkOf(pid: number): string {
  return readlinkSync(`/proc/${pid}/ns/net`);
}

function socketsBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isSocket() && entry.name !== "test.sock")
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Names of the abstract sockets that can be reached in a network. */
function abstractSockets(namespace: NetworkNamespace): readonly string[] {
  const text = withNamespace(mesh.host.libc, namespace.fd, () =>
    readFileSync("/proc/thread-self/net/unix", "utf8"),
  );
  return [...text.matchAll(/ @(\S+)$/gm)].map(([, name = ""]) => name);
}
