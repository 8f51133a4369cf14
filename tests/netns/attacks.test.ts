/** Attacks as a function in a real slot: refused by the errno stated, nothing at the target; each succeeds by the same code outside. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeFd } from "#host/linux/libc.ts";
import { addAddress, setLinkUp } from "#host/linux/links.ts";
import { makeNetworkNamespace, type NetworkNamespace, withNamespace } from "#host/linux/namespaces.ts";
import { openNetlink } from "#host/linux/netlink.ts";
import { openPipe, spawnChild } from "#host/linux/spawn.ts";
import { isConfined } from "#isolate/confinement.ts";
import { ip, range, readAll } from "./support/linux.ts";
import { askSlot } from "./support/slot-client.ts";
import { openTestSlots, type TestSlots } from "./support/slots.ts";
import { startTestInstance, type TestInstance } from "./support/test-instance.ts";
import type { Target } from "./fixtures/attacks/attacks.ts";
import { refusedCalls } from "../support/refused-calls.ts";

const internet = "93.184.216.34";
const hostAddress = "192.0.2.10";
const hostAddressV6 = "2001:db8::10";
const metadata = "169.254.169.254";

let slots: TestSlots;
/** A namespace that plays the host, with services on loopback, on addresses of its own, and on an address of the internet. */
let outside: NetworkNamespace;
let attacker: TestInstance;
let victim: TestInstance;
let folder: string;
/** How often each service was reached. */
const hits: Record<string, number> = {};
const ports: Record<string, number> = {};
const stops: (() => void)[] = [];

beforeAll(async () => {
  slots = await openTestSlots();
  const pool = slots.pool({ size: 2 });
  pool.start();
  const built = await Bun.build({
    entrypoints: [join(import.meta.dir, "fixtures/attacks/attacks.ts")],
    target: "bun",
  });
  const bundle = new Uint8Array((await built.outputs[0]?.arrayBuffer()) ?? new ArrayBuffer(0));
  attacker = await startTestInstance(slots.host, pool, bundle);
  victim = await startTestInstance(
    slots.host,
    pool,
    "export default { fetch: () => new Response('victim') }",
  );
  folder = mkdtempSync(join(tmpdir(), "attacks-"));
  await openOutside();
}, 60_000);

afterAll(async () => {
  for (const stop of stops) stop();
  outside.close();
  await slots[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
}, 60_000);

describe("system calls", () => {
  test.each(refusedCalls)("%s is refused with %s", async (attack, errno) => {
    expect(await inSlot({ attack })).toBe(errno);
    expect(await outOfSlot("attack", attack)).toBe(attack.startsWith("execve") ? Bun.version : "succeeded");
  });

  // These have no harmless way to succeed: outside, the kernel gets far enough to refuse them for another reason.
  test.each([
    ["reboot", "EPERM"],
    ["swapon", "EPERM"],
    ["init_module", "EPERM"],
    ["kexec_load", "EPERM"],
    ["open_by_handle_at", "EPERM"],
    ["pivot_root", "EPERM"],
    ["clone with a new user namespace", "EPERM"],
    ["clone3", "ENOSYS"],
  ])("%s is refused with %s", async (probe, errno) => {
    expect(await inSlot({ probe })).toBe(errno);
    expect(await outOfSlot("probe", probe)).not.toBe(errno);
  });

  test("the x32 numbers do not exist", async () => {
    expect(await inSlot({ probe: "getpid by the x32 numbers" })).toBe("ENOSYS");
  });
});

describe("other processes", () => {
  test.each([
    ["ptrace", "EPERM"],
    ["signal to a process", "ESRCH"],
    ["environment of a process", "ENOENT"],
  ])("%s is refused with %s", async (attack, errno) => {
    const target = { pid: victim.instance.slot.child.pid };
    expect(await inSlot({ attack, target })).toBe(errno);
    expect(await outOfSlot("attack", attack, target)).toBe("succeeded");
    expect((await askSlot(slots.host.libc, victim.instance.slot)).body).toBe("victim");
  });
});

describe("the network", () => {
  test.each([
    ["a service on the host's loopback", "tcp", "loopback", "127.0.0.1", "ECONNREFUSED"],
    ["a service on the host's address", "tcp", "host", hostAddress, "ECONNREFUSED"],
    ["the metadata service", "tcp", "metadata", metadata, "ECONNREFUSED"],
    ["the internet past ztunnel", "tcp", "internet", internet, "ECONNREFUSED"],
    ["a service on the host's IPv6 address", "tcp", "host v6", hostAddressV6, "ENETUNREACH"],
    ["a service on the host's IPv6 loopback", "tcp", "loopback v6", "::1", "ECONNREFUSED"],
    ["datagrams to the host", "udp", "host udp", hostAddress, "ECONNREFUSED"],
    ["datagrams to the internet", "udp", "internet udp", internet, "ECONNREFUSED"],
    ["datagrams to the host by IPv6", "udp", "host udp v6", hostAddressV6, "ENETUNREACH"],
  ])("%s is not reached", async (...[, attack, service, address, errno]) => {
    await expectUnreached(
      service,
      { attack, target: { address, port: ports[service] ?? 0 } },
      errno,
      outside,
    );
  });

  test("another slot's address is not reached", async () => {
    const { namespace, address } = victim.instance.slot.network;
    const attack = { attack: "tcp", target: { address, port: ports["victim"] ?? 0 } };
    await expectUnreached("victim", attack, "ECONNREFUSED", namespace);
  });

  test.each([
    ["unix socket by path", "path", "ENOENT"],
    ["abstract unix socket", "abstract", "ECONNREFUSED"],
  ])("a %s of the host is not reached", async (attack, service, errno) => {
    const path = service === "path" ? join(folder, "socket") : abstractName;
    await expectUnreached(service, { attack, target: { path } }, errno, outside);
  });
});

describe("files", () => {
  test.each([
    ["/etc/hosts", "EACCES"],
    ["/engine.js", "EACCES"],
    ["/bundle/main.js", "EACCES"],
    ["/bundle/new.js", "EACCES"],
    ["/new", "EACCES"],
    ["/dev/new", "EACCES"],
    ["/proc/sys/kernel/core_pattern", "ENOENT"],
    ["/proc/self/uid_map", "EROFS"],
    ["/sys/fs/cgroup/new", "ENOENT"],
  ])("writing %s is refused with %s", async (path, errno) => {
    expect(await inSlot({ attack: "write a file", target: { path } })).toBe(errno);
    expect(await outOfSlot("attack", "write a file", { path: join(folder, "written") })).toBe("succeeded");
  });

  test("the C library cannot be replaced", async () => {
    const path = slots.host.engine.libraries.find(({ target }) => target.includes("libc.so"))?.target ?? "";
    expect(["EACCES", "EROFS"]).toContain(await inSlot({ attack: "write a file", target: { path } }));
  });

  test.each([
    ["/etc/passwd", "ENOENT"],
    ["/proc/1/root/etc/passwd", "ENOENT"],
    ["/proc/self/cwd/etc/passwd", "ENOENT"],
    ["/../etc/passwd", "ENOENT"],
    ["/dev/mem", "ENOENT"],
    ["/dev/kmsg", "ENOENT"],
    ["/proc/kallsyms", "ENOENT"],
    ["/run/lambient/zds.sock", "ENOENT"],
  ])("reading %s is refused with %s", async (path, errno) => {
    expect(await inSlot({ attack: "read a file", target: { path } })).toBe(errno);
    expect(await outOfSlot("attack", "read a file", { path: "/etc/passwd" })).toBe("succeeded");
  });

  test("a device node cannot be made", async () => {
    expect(await inSlot({ attack: "device node", target: { path: "/tmp/loop" } })).toBe("EPERM");
    expect(await outOfSlot("attack", "device node", { path: join(folder, "loop") })).toBe("succeeded");
  });
});

describe("confinement", () => {
  test("every thread is unprivileged, without capabilities, with both filters", () => {
    const { pid } = attacker.instance.slot.child;
    const threads = readdirSync(`/proc/${pid}/task`);
    const statuses = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8"));
    expect(statuses.map(isConfined)).toEqual(threads.map(() => true));
    expect(statuses.every((status) => /^CapBnd:\s+0+$/m.test(status) && /^Seccomp:\s+2$/m.test(status))).toBe(
      true,
    );
    expect(isConfined(readFileSync("/proc/self/status", "utf8"))).toBe(false);
  });

  test("it sees its own root, devices, processes and descriptors only", async () => {
    const seen = JSON.parse((await askSlot(slots.host.libc, attacker.instance.slot)).body) as Record<
      string,
      unknown
    >;
    const { index } = attacker.instance.slot.network;
    expect<object>({ ...seen, descriptors: [], root: [] }).toEqual({
      pid: 1,
      uid: slots.host.uidFirst + index,
      root: [],
      devices: ["null", "random", "urandom", "zero"],
      proc: ["1", "self", "thread-self"],
      descriptors: [],
      resolver: "nameserver 10.96.0.10\noptions ndots:1\n",
    });
    expect(seen["root"]).toEqual(
      expect.arrayContaining(["bundle", "dev", "engine.js", "etc", "proc", "tmp"]),
    );
  });

  test("none of its descriptors but the streams and the socket came from its owner", () => {
    const { pid } = victim.instance.slot.child;
    const open = readdirSync(`/proc/${pid}/fdinfo`).map(Number);
    const kinds = open.map((fd) => [fd, kindOf(pid, fd)] as const).filter(([, kind]) => kind !== "own");
    expect(kinds).toEqual([
      [0, "null"],
      [1, "pipe"],
      [2, "pipe"],
      [3, "socket"],
    ]);
  });
});

async function expectUnreached(
  service: string,
  attack: { readonly attack: string; readonly target: Target },
  ...[errno, namespace]: [string, NetworkNamespace]
): Promise<void> {
  expect(await inSlot(attack)).toBe(errno);
  const before = hits[service] ?? 0;
  expect(await outOfSlot("attack", attack.attack, attack.target, namespace)).toBe("succeeded");
  await until(() => (hits[service] ?? 0) > before);
  // What the slot had sent would have arrived before the control did.
  expect(before).toBe(0);
}

async function inSlot(asked: object): Promise<string> {
  const { status, body } = await askSlot(slots.host.libc, attacker.instance.slot, {
    body: JSON.stringify(asked),
  });
  if (status !== 200)
    throw new Error(`the function answered ${status}: ${attacker.lines.slice(-5).join("\n")}`);
  return (JSON.parse(body) as { outcome: string }).outcome;
}

async function outOfSlot(
  ...[kind, name, target = {}, namespace = outside]: [string, string, Target?, NetworkNamespace?]
): Promise<string> {
  const { libc, poller } = slots.host;
  const pipe = openPipe(libc);
  const child = spawnChild(libc, poller, {
    executable: process.execPath,
    args: [join(import.meta.dir, "fixtures/attacks/control.ts"), kind, name, JSON.stringify(target)],
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

const abstractName = `lambient-attacks-${crypto.randomUUID()}`;

async function openOutside(): Promise<void> {
  const { libc } = slots.host;
  outside = makeNetworkNamespace(libc);
  using netlink = openNetlink(libc, outside.fd);
  setLinkUp(netlink, 1);
  for (const address of [hostAddress, metadata, internet])
    addAddress(netlink, 1, range(`${address}/32`), "universe");
  addAddress(netlink, 1, range(`${hostAddressV6}/128`), "universe");
  serve("loopback", outside, { hostname: "127.0.0.1", port: 0 });
  serve("loopback v6", outside, { hostname: "::1", port: 0 });
  serve("host", outside, { hostname: hostAddress, port: 0 });
  serve("host v6", outside, { hostname: hostAddressV6, port: 0 });
  serve("metadata", outside, { hostname: metadata, port: 80 });
  serve("internet", outside, { hostname: internet, port: 0 });
  serve("path", outside, { unix: join(folder, "socket") });
  serve("abstract", outside, { unix: `\0${abstractName}` });
  const { namespace, address } = victim.instance.slot.network;
  serve("victim", namespace, { hostname: ip(address), port: 0 });
  await receive("host udp", hostAddress);
  await receive("internet udp", internet);
  await receive("host udp v6", hostAddressV6);
}

function serve(
  service: string,
  namespace: NetworkNamespace,
  where: { readonly hostname: string; readonly port: number } | { readonly unix: string },
): void {
  const socket = { data: () => void (hits[service] = (hits[service] ?? 0) + 1) };
  const listener = withNamespace(slots.host.libc, namespace.fd, () =>
    // Sound: either form of the options is one that Bun takes.
    Bun.listen({ ...where, socket } as unknown as Bun.TCPSocketListenOptions),
  );
  ports[service] = listener.port;
  stops.push(() => listener.stop(true));
}

async function receive(service: string, hostname: string): Promise<void> {
  const socket = { data: () => void (hits[service] = (hits[service] ?? 0) + 1) };
  const receiver = await withNamespace(slots.host.libc, outside.fd, () =>
    Bun.udpSocket({ hostname, port: 0, socket }),
  );
  ports[service] = receiver.port;
  stops.push(() => receiver.close());
}

/** What a descriptor is, as its owner can tell by the kernel's words; `own` for what the engine makes for itself. */
function kindOf(pid: number, fd: number): string {
  const link = linkOf(pid, fd);
  if (link === "/dev/null") return "null";
  if (link.startsWith("pipe:")) return "pipe";
  // Its listener and connections are sockets of its own namespace, made after the start: above the given ones.
  if (link.startsWith("socket:")) return fd === 3 ? "socket" : "own";
  return /^(anon_inode:|\/bundle$|\/$|\/tmp$)/.test(link) ? "own" : link;
}

function linkOf(pid: number, fd: number): string {
  return new TextDecoder().decode(Bun.spawnSync(["readlink", `/proc/${pid}/fd/${fd}`]).stdout).trim();
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(1);
}
