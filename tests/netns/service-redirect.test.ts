/** Services' addresses by eBPF: real sockets of a control group's processes, to endpoints on this machine's loopback. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { type IpAddress, parseIp } from "#core/address/ip.ts";
import { type Cgroup, openCgroup, readCgroupMounts } from "#host/linux/cgroup.ts";
import { closeLibc, type Libc, openLibc } from "#host/linux/libc.ts";
import { openServiceRedirect, type ServiceRedirect } from "../../k8s/node/network/service-redirect.ts";
import type { ServiceEntry } from "../../k8s/node/network/service-table.ts";

let libc: Libc;
let redirect: ServiceRedirect;
let cgroup: Cgroup;
let web: Bun.Server<undefined>;
let echo: Bun.udp.Socket<"buffer">;
const mounts = readCgroupMounts();

beforeAll(async () => {
  libc = openLibc();
  redirect = openServiceRedirect(libc, mounts);
  cgroup = openCgroup(mounts, `redirect-${process.pid}`);
  web = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("page") });
  echo = await Bun.udpSocket({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (socket, bytes, port, address) => void socket.send(bytes, port, address) },
  });
});

afterAll(async () => {
  await web.stop(true);
  echo.close();
  await cgroup.remove(2000);
  redirect.close();
  closeLibc(libc);
});

function ip(text: string): IpAddress {
  const address = parseIp(text);
  if (!address.ok) throw new Error(address.error);
  return address.value;
}

function table(...entries: readonly Omit<ServiceEntry, "address">[]): ReadonlyMap<string, ServiceEntry> {
  // On loopback, so that what is not redirected is refused at once.
  const address = ip("127.96.77.7");
  return new Map(entries.map((entry) => [`${entry.port}/${entry.protocol}`, { address, ...entry }]));
}

const here = ip("127.0.0.1");

/** What a Python program in the group prints, a line a statement. */
async function inGroup(...statements: readonly string[]): Promise<string[]> {
  const program = [
    "import socket",
    "def tell(what):",
    "  try: print(what())",
    "  except OSError as error: print(error.errno)",
    ...statements,
  ].join("\n");
  const members = join(mounts.unified, cgroup.path, "cgroup.procs");
  const child = Bun.spawn(["sh", "-c", `echo $$ > ${members}; exec timeout 20 python3 -c "$0"`, program], {
    stdout: "pipe",
  });
  return (await new Response(child.stdout).text()).trim().split("\n");
}

const connect = (family: string, host: string, port: number): string =>
  `s = socket.socket(socket.${family}, socket.SOCK_STREAM); tell(lambda: (s.connect(("${host}", ${port})), s.getpeername()[:2])[1])`;

test("connections go to an endpoint, and see the Service", async () => {
  redirect.attach(cgroup.path);
  redirect.update(
    table(
      { port: 80, protocol: "TCP", endpoints: [{ address: here, port: web.port ?? 0 }] },
      { port: 81, protocol: "TCP", endpoints: [] },
    ),
  );
  expect(
    await inGroup(
      connect("AF_INET", "127.96.77.7", 80),
      connect("AF_INET6", "::ffff:127.96.77.7", 80),
      connect("AF_INET", "127.96.77.7", 81),
      connect("AF_INET6", "::ffff:127.96.77.7", 81),
      connect("AF_INET", "127.0.0.1", web.port ?? 0),
    ),
  ).toEqual([
    "('127.96.77.7', 80)",
    "('::ffff:127.96.77.7', 80)",
    "111",
    "111",
    `('127.0.0.1', ${web.port})`,
  ]);
});

const send = (family: string, host: string, port: number): string =>
  `u = socket.socket(socket.${family}, socket.SOCK_DGRAM); u.settimeout(5); tell(lambda: (u.sendto(b"x", ("${host}", ${port})), u.recvfrom(9)[1][:2])[1])`;

test("datagrams go to an endpoint and come back from the Service, from both kinds of sockets", async () => {
  redirect.attach(cgroup.path);
  redirect.update(
    table(
      { port: 53, protocol: "UDP", endpoints: [{ address: here, port: echo.port }] },
      { port: 54, protocol: "UDP", endpoints: [] },
    ),
  );
  expect(
    await inGroup(
      send("AF_INET", "127.96.77.7", 53),
      send("AF_INET6", "::ffff:127.96.77.7", 53),
      send("AF_INET", "127.96.77.7", 54),
      'u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.connect(("127.96.77.7", 53)); u.send(b"y"); tell(lambda: (u.recv(9), u.getpeername()))',
    ),
  ).toEqual(["('127.96.77.7', 53)", "('::ffff:127.96.77.7', 53)", "111", "(b'y', ('127.96.77.7', 53))"]);
});

test("a change of endpoints counts at once, and what is gone is refused or let through", async () => {
  redirect.attach(cgroup.path);
  const entry = { port: 80, protocol: "TCP" } as const;
  const ask = connect("AF_INET", "127.96.77.7", 80);
  redirect.update(table({ ...entry, endpoints: [] }));
  expect(await inGroup(ask)).toEqual(["111"]);
  redirect.update(table({ ...entry, endpoints: [{ address: here, port: web.port ?? 0 }] }));
  expect(await inGroup(ask)).toEqual(["('127.96.77.7', 80)"]);
  redirect.update(table({ ...entry, endpoints: [] }));
  expect(await inGroup(ask)).toEqual(["111"]);
});

test("a group that is detached asks where it means to, and is not attached again unasked", async () => {
  redirect.attach(cgroup.path);
  redirect.update(table({ port: 80, protocol: "TCP", endpoints: [{ address: here, port: web.port ?? 0 }] }));
  const ask = 's = socket.socket(); tell(lambda: s.connect_ex(("127.96.77.7", 80)) == 0)';
  expect(await inGroup(ask)).toEqual(["True"]);
  redirect.detach(cgroup.path);
  redirect.detach(cgroup.path);
  redirect.renew(cgroup.path);
  expect(await inGroup(ask)).toEqual(["False"]);
});

test("another program takes over what was attached", async () => {
  redirect.attach(cgroup.path);
  using next = openServiceRedirect(libc, mounts);
  next.renew(cgroup.path);
  next.update(table({ port: 99, protocol: "TCP", endpoints: [{ address: here, port: web.port ?? 0 }] }));
  expect(await inGroup(connect("AF_INET", "127.96.77.7", 99))).toEqual(["('127.96.77.7', 99)"]);
});
