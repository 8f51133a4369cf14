import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, openSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openCapture, putSocket, removeSocket } from "#host/linux/bpf.ts";
import { openCgroup, readCgroupMounts } from "#host/linux/cgroup.ts";
import { LinuxError } from "#host/linux/errno.ts";
import { findKernelProblems, readKernelFacts } from "#host/linux/kernel.ts";
import { closeFd, closeLibc, type Libc, openLibc } from "#host/linux/libc.ts";
import {
  addAddress,
  addBridge,
  addVethPair,
  deleteAddress,
  deleteLink,
  findLink,
  listAddresses,
  listLinks,
  moveLink,
  renameLink,
  setLinkMaster,
  setLinkUp,
} from "#host/linux/links.ts";
import {
  makeNetworkNamespace,
  openNetworkNamespace,
  socketIn,
  warmUp,
  withNamespace,
} from "#host/linux/namespaces.ts";
import { openNetlink } from "#host/linux/netlink.ts";
import { openPoller, type Poller } from "#host/linux/poller.ts";
import { addRoute, addRule, deleteRoute, deleteRule, localTable, mainTable } from "#host/linux/routes.ts";
import {
  acceptPackets,
  connectPackets,
  listenPackets,
  receivePacket,
  type Received,
  sendPacket,
} from "#host/linux/seqpacket.ts";
import { sealedSlotProgram } from "#host/linux/sk-lookup.ts";
import {
  bindSocket,
  duplicate,
  encodeEndpoint,
  localEndpoint,
  openPidfd,
  peerEndpoint,
  socketError,
  startConnect,
  startListen,
  takeFd,
  tcpState,
} from "#host/linux/sockets.ts";
import { openPipe, openSocketPair, signals, spawnChild } from "#host/linux/spawn.ts";
import { ip, range, readable, readAll } from "./support/linux.ts";

const limits = { bytesMax: 1024, fdsMax: 3 };

let libc: Libc;
let poller: Poller;

beforeAll(async () => {
  libc = openLibc();
  await warmUp();
  poller = await openPoller(libc);
});

afterAll(() => {
  poller.close();
  closeLibc(libc);
});

test("findKernelProblems() finds none on this machine", () => {
  expect(findKernelProblems(readKernelFacts())).toEqual([]);
});

test("call() throws the kernel's refusal by name", () => {
  const thrown = catchError(() => libc.call("Cannot close a descriptor", "close", 999_999));
  expect([thrown instanceof LinuxError && thrown.errno, String(thrown)]).toEqual([
    "EBADF",
    "MeshError: Cannot close a descriptor: EBADF",
  ]);
});

describe("network namespaces", () => {
  test("makeNetworkNamespace() gives another one and leaves the thread at home", () => {
    const home = readlinkSync("/proc/thread-self/ns/net");
    using made = makeNetworkNamespace(libc);
    expect([made.id === home, readlinkSync("/proc/thread-self/ns/net")]).toEqual([false, home]);
  });

  test("withNamespace() runs inside and comes back, also from an exception", () => {
    const home = readlinkSync("/proc/thread-self/ns/net");
    using made = makeNetworkNamespace(libc);
    expect(withNamespace(libc, made.fd, () => readlinkSync("/proc/thread-self/ns/net"))).toBe(made.id);
    const thrown = catchError(() =>
      withNamespace(libc, made.fd, () => {
        throw new Error("inside");
      }),
    );
    expect([String(thrown), readlinkSync("/proc/thread-self/ns/net")]).toEqual(["Error: inside", home]);
  });

  test("openNetworkNamespace() opens the one behind a path", () => {
    using opened = openNetworkNamespace("/proc/self/ns/net");
    expect(opened.id).toBe(readlinkSync("/proc/self/ns/net"));
  });
});

describe("netlink", () => {
  test("a new namespace has a loopback that is down, and can be given addresses of both families", () => {
    using namespace = makeNetworkNamespace(libc);
    using netlink = openNetlink(libc, namespace.fd);
    expect(listLinks(netlink).filter(({ name }) => name === "lo")).toEqual([
      { index: 1, name: "lo", isUp: false },
    ]);
    setLinkUp(netlink, 1);
    addAddress(netlink, 1, range("10.1.2.3/32"), "host");
    addAddress(netlink, 1, range("fd00::7/128"), "universe");
    addAddress(netlink, 1, range("10.1.2.4/32"), "host");
    deleteAddress(netlink, 1, range("10.1.2.4/32"));
    expect(
      listAddresses(netlink)
        .map(({ address, prefixBits }) => `${address}/${prefixBits}`)
        .toSorted(),
    ).toEqual(["10.1.2.3/32", "127.0.0.1/8", "::1/128", "fd00::7/128"]);
  });

  test("a veth pair joins two namespaces, with routes through it in both families", async () => {
    using left = makeNetworkNamespace(libc);
    using right = makeNetworkNamespace(libc);
    using leftLinks = openNetlink(libc, left.fd);
    using rightLinks = openNetlink(libc, right.fd);
    addVethPair(leftLinks, { name: "out", peerName: "eth0", peerNamespaceFd: right.fd });
    for (const [netlink, name, v4, v6] of [
      [leftLinks, "out", "10.9.0.1/24", "fd09::1/64"],
      [rightLinks, "eth0", "10.9.0.2/24", "fd09::2/64"],
    ] as const) {
      const index = findLink(netlink, name) ?? 0;
      addAddress(netlink, index, range(v4), "universe");
      addAddress(netlink, index, range(v6), "universe");
      setLinkUp(netlink, index);
    }
    setLinkUp(rightLinks, 1);
    addAddress(rightLinks, 1, range("192.0.2.5/32"), "universe");
    addRoute(leftLinks, {
      kind: "unicast",
      destination: range("192.0.2.0/24"),
      table: mainTable,
      linkIndex: findLink(leftLinks, "out") ?? 0,
      gateway: ip("10.9.0.2"),
    });
    for (const address of ["10.9.0.2", "fd09::2", "192.0.2.5"]) {
      const listener = startListen(libc, right.fd, { address: ip(address), port: 7000 });
      const fd = startConnect(libc, left.fd, { to: { address: ip(address), port: 7000 } });
      await readable(poller, listener);
      expect([tcpState(libc, fd), peerEndpoint(libc, fd)]).toEqual([
        "established",
        { address: ip(address), port: 7000 },
      ]);
      closeFd(libc, fd);
      closeFd(libc, listener);
    }
  });

  test("links are renamed, moved, put on a bridge and removed", () => {
    using left = makeNetworkNamespace(libc);
    using right = makeNetworkNamespace(libc);
    using leftLinks = openNetlink(libc, left.fd);
    using rightLinks = openNetlink(libc, right.fd);
    addVethPair(leftLinks, { name: "a", peerName: "b" });
    addBridge(leftLinks, "bridge");
    setLinkMaster(leftLinks, findLink(leftLinks, "a") ?? 0, findLink(leftLinks, "bridge") ?? 0);
    renameLink(leftLinks, findLink(leftLinks, "b") ?? 0, "c");
    moveLink(leftLinks, findLink(leftLinks, "c") ?? 0, right.fd);
    expect([findLink(leftLinks, "c"), findLink(rightLinks, "c") !== undefined]).toEqual([undefined, true]);
    deleteLink(leftLinks, findLink(leftLinks, "a") ?? 0);
    expect([findLink(leftLinks, "a"), findLink(rightLinks, "c")]).toEqual([undefined, undefined]);
  });

  test("a rule sends marked packets to a table of their own", () => {
    using namespace = makeNetworkNamespace(libc);
    using netlink = openNetlink(libc, namespace.fd);
    setLinkUp(netlink, 1);
    addAddress(netlink, 1, range("10.1.2.3/32"), "universe");
    const destination = range("198.51.100.0/24");
    const route = { kind: "local", destination, table: 100, linkIndex: 1, source: ip("10.1.2.3") } as const;
    const rule = { family: 4, priority: 50, table: 100, mark: { value: 0x111, mask: 0xfff } } as const;
    const connect = (mark: number): string => {
      const to = { address: ip("198.51.100.9"), port: 9 };
      const fd = attempt(() => startConnect(libc, namespace.fd, { to }, { mark }));
      if (typeof fd === "string") return fd;
      closeFd(libc, fd);
      return "routed";
    };
    addRoute(netlink, route);
    addRule(netlink, rule);
    expect([connect(0), connect(0x111)]).toEqual(["ENETUNREACH", "routed"]);
    deleteRule(netlink, rule);
    expect(connect(0x111)).toBe("ENETUNREACH");
    deleteRoute(netlink, route);
    expect(attempt(() => deleteRoute(netlink, route))).toBe("ESRCH");
  });

  test("a refusal names what was asked for", () => {
    using namespace = makeNetworkNamespace(libc);
    using netlink = openNetlink(libc, namespace.fd);
    expect(String(catchError(() => setLinkUp(netlink, 77)))).toBe(
      "MeshError: Cannot take link 77 up: ENODEV",
    );
  });
});

describe("capture", () => {
  const slot = { address: ip("10.244.0.7"), nameserver: ip("10.96.0.10") };

  function open(): { namespaceFd: number; mapFd: number } & Disposable {
    const namespace = makeNetworkNamespace(libc);
    using netlink = openNetlink(libc, namespace.fd);
    setLinkUp(netlink, 1);
    for (const address of [slot.address, slot.nameserver]) {
      addAddress(netlink, 1, { address, prefixBits: 32 }, "host");
    }
    const destination = range("0.0.0.0/0");
    addRoute(netlink, { kind: "local", destination, table: localTable, linkIndex: 1, source: slot.address });
    const capture = openCapture(libc, namespace.fd, 1, (mapFd) => sealedSlotProgram(mapFd, slot));
    return {
      namespaceFd: namespace.fd,
      mapFd: capture.mapFd,
      [Symbol.dispose]() {
        capture.close();
        namespace.close();
      },
    };
  }

  test.each(["93.184.216.34", "10.96.0.1", "169.254.169.254", "10.244.0.8", "10.96.0.10"])(
    "a connection to %s reaches the listener in the map, which sees where it was going",
    async (address) => {
      using capture = open();
      const listener = startListen(libc, capture.namespaceFd, { address: ip("127.0.0.1"), port: 0 });
      putSocket(libc, capture.mapFd, 0, listener);
      const client = startConnect(libc, capture.namespaceFd, { to: { address: ip(address), port: 443 } });
      await readable(poller, listener);
      const accepted = libc.call("Cannot accept", "accept4", listener, null, null, 0o2004000);
      expect(localEndpoint(libc, accepted)).toEqual({ address: ip(address), port: 443 });
      for (const fd of [accepted, client, listener]) closeFd(libc, fd);
    },
  );

  test("a captured connection comes from the slot's address", async () => {
    using capture = open();
    const listener = startListen(libc, capture.namespaceFd, { address: ip("127.0.0.1"), port: 0 });
    putSocket(libc, capture.mapFd, 0, listener);
    const client = startConnect(libc, capture.namespaceFd, { to: { address: ip("10.96.0.1"), port: 80 } });
    await readable(poller, listener);
    const accepted = libc.call("Cannot accept", "accept4", listener, null, null, 0o2004000);
    expect(peerEndpoint(libc, accepted).address).toBe(slot.address);
    for (const fd of [accepted, client, listener]) closeFd(libc, fd);
  });

  test("an empty map refuses, and so does one that was emptied, whoever else listens", () => {
    using capture = open();
    const to = { address: ip("93.184.216.34"), port: 443 };
    const connect = (): string | undefined => {
      const fd = startConnect(libc, capture.namespaceFd, { to });
      const error = socketError(libc, fd);
      closeFd(libc, fd);
      return error;
    };
    const first = connect();
    const listener = startListen(libc, capture.namespaceFd, { address: ip("0.0.0.0"), port: 443 });
    const second = connect();
    putSocket(libc, capture.mapFd, 0, listener);
    const third = connect();
    removeSocket(libc, capture.mapFd, 0);
    removeSocket(libc, capture.mapFd, 0);
    expect([first, second, third, connect()]).toEqual([
      "ECONNREFUSED",
      "ECONNREFUSED",
      undefined,
      "ECONNREFUSED",
    ]);
    closeFd(libc, listener);
  });

  test.each([
    ["its own address", "10.244.0.7", 8080],
    ["loopback", "127.0.0.1", 8080],
    ["loopback of IPv6", "::1", 8080],
    ["the nameserver's port 53", "10.96.0.10", 53],
  ])("a connection to %s goes where it says", async (_, address, port) => {
    using capture = open();
    const own = startListen(libc, capture.namespaceFd, { address: ip(address), port });
    const taker = startListen(libc, capture.namespaceFd, { address: ip("127.0.0.1"), port: 15001 });
    putSocket(libc, capture.mapFd, 0, taker);
    const client = startConnect(libc, capture.namespaceFd, { to: { address: ip(address), port } });
    await readable(poller, own);
    expect(tcpState(libc, client)).toBe("established");
    for (const fd of [client, taker, own]) closeFd(libc, fd);
  });

  test.each([
    ["a name query to the nameserver", "10.96.0.10", 53, "10.96.0.10", 1],
    ["a datagram to another port of the nameserver", "10.96.0.10", 54, "0.0.0.0", 0],
    ["a name query to another resolver", "8.8.8.8", 53, "0.0.0.0", 0],
    ["a datagram to the internet", "93.184.216.34", 443, "0.0.0.0", 0],
    ["a datagram to its own address", "10.244.0.7", 9, "0.0.0.0", 1],
    ["a datagram to loopback", "127.0.0.1", 9, "0.0.0.0", 1],
  ])("%s", async (...[, address, port, bound, arrivals]) => {
    using capture = open();
    const datagram = { family: 2, type: 2, protocol: 0 };
    const server = socketIn(libc, capture.namespaceFd, datagram);
    bindSocket(libc, server, { address: ip(bound), port });
    const client = socketIn(libc, capture.namespaceFd, datagram);
    const to = encodeEndpoint({ address: ip(address), port });
    libc.call("Cannot send", "sendto", client, Buffer.from("asked"), 5, 0, to, to.length);
    // Loopback delivers within the call: what has not come now will not come.
    const buffer = Buffer.alloc(16);
    expect(libc.attempt("recvfrom", server, buffer, buffer.length, 0, null, null)).toBe(
      arrivals === 1 ? 5 : -11,
    );
    for (const fd of [server, client]) closeFd(libc, fd);
  });

  test("IPv6 beyond loopback has no route", () => {
    using capture = open();
    const to = { address: ip("2001:db8::1"), port: 80 };
    expect(attempt(() => startConnect(libc, capture.namespaceFd, { to }))).toBe("ENETUNREACH");
  });

  test("a program that the verifier refuses throws with its log", () => {
    using namespace = makeNetworkNamespace(libc);
    const thrown = catchError(() => openCapture(libc, namespace.fd, 1, () => new Uint8Array(8).fill(0xff)));
    expect([thrown instanceof LinuxError, /verifier wants it \(.+\): EINVAL/s.test(String(thrown))]).toEqual([
      true,
      true,
    ]);
  });
});

describe("sockets", () => {
  test("startConnect() comes from the source asked for, without the address being there", async () => {
    using namespace = makeNetworkNamespace(libc);
    using netlink = openNetlink(libc, namespace.fd);
    setLinkUp(netlink, 1);
    addRoute(netlink, { kind: "local", destination: range("10.66.0.0/16"), table: localTable, linkIndex: 1 });
    const listener = startListen(libc, namespace.fd, { address: ip("127.0.0.1"), port: 0 });
    const to = localEndpoint(libc, listener);
    const from = { address: ip("10.66.1.9"), port: 0 };
    const client = startConnect(libc, namespace.fd, { to, from }, { transparent: true });
    await readable(poller, listener);
    const accepted = libc.call("Cannot accept", "accept4", listener, null, null, 0o2004000);
    expect(peerEndpoint(libc, accepted).address).toBe(from.address);
    for (const fd of [client, accepted, listener]) closeFd(libc, fd);
  });

  test("startConnect() shows a refusal in the state", () => {
    using namespace = makeNetworkNamespace(libc);
    using netlink = openNetlink(libc, namespace.fd);
    setLinkUp(netlink, 1);
    const fd = startConnect(libc, namespace.fd, { to: { address: ip("127.0.0.1"), port: 1 } });
    expect(tcpState(libc, fd)).toBe("closed");
    closeFd(libc, fd);
  });

  test("a listener made here is served by Bun", async () => {
    using namespace = openNetworkNamespace("/proc/self/ns/net");
    const fd = startListen(libc, namespace.fd, { address: ip("127.0.0.1"), port: 0 });
    const { port } = localEndpoint(libc, fd);
    const options = { fd, socket: { open: (s: Bun.Socket) => void s.end("served"), data: () => undefined } };
    const listener = Bun.listen(options as unknown as Bun.TCPSocketListenOptions);
    const got = Promise.withResolvers<string>();
    await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: { data: (_, data) => got.resolve(data.toString()) },
    });
    expect(await got.promise).toBe("served");
    listener.stop(true);
  });

  test("takeFd() copies another process's descriptor, duplicate() one of ours", async () => {
    const pipe = openPipe(libc);
    const child = spawnChild(libc, poller, {
      executable: "/bin/sleep",
      args: ["60"],
      env: {},
      fds: new Map([[5, pipe.write]]),
    });
    const pidfd = openPidfd(libc, child.pid);
    const taken = takeFd(libc, pidfd, 5);
    const copy = duplicate(libc, taken);
    expect([taken, copy].map((fd) => readlinkSync(`/proc/self/fd/${fd}`))).toEqual([
      readlinkSync(`/proc/self/fd/${pipe.write}`),
      readlinkSync(`/proc/self/fd/${pipe.write}`),
    ]);
    child.signal(signals.kill);
    await child.exited;
    for (const fd of [pidfd, taken, copy, pipe.read, pipe.write]) closeFd(libc, fd);
  });
});

describe("packets", () => {
  test("a message arrives whole, with several descriptors that mean the same", async () => {
    using ends = await packetPair();
    const nulls = [openSync("/dev/null", "r"), openSync("/dev/zero", "r")];
    expect(sendPacket(libc, ends.client, Buffer.from("prepare"), nulls)).toBe(true);
    sendPacket(libc, ends.client, Buffer.from("next"));
    await readable(poller, ends.server);
    const first = receivePacket(libc, ends.server, limits);
    expect(describeReceived(first)).toEqual({
      kind: "message",
      data: "prepare",
      files: ["/dev/null", "/dev/zero"],
    });
    expect(describeReceived(receivePacket(libc, ends.server, limits))).toEqual({
      kind: "message",
      data: "next",
      files: [],
    });
    expect(receivePacket(libc, ends.server, limits)).toEqual({ kind: "empty" });
    for (const fd of [...nulls, ...(first.kind === "message" ? first.message.fds : [])]) closeFd(libc, fd);
  });

  test("received descriptors are close-on-exec", async () => {
    using ends = await packetPair();
    sendPacket(libc, ends.client, Buffer.from("x"), [ends.client]);
    await readable(poller, ends.server);
    const got = receivePacket(libc, ends.server, limits);
    const [fd = -1] = got.kind === "message" ? got.message.fds : [];
    expect(libc.call("Cannot ask", "fcntl", fd, 1)).toBe(1);
    closeFd(libc, fd);
  });

  test("a message that is too long or carries too many descriptors is cut, and its descriptors are closed", async () => {
    using ends = await packetPair();
    const before = openFds();
    sendPacket(libc, ends.client, Buffer.alloc(1025), [ends.client]);
    await readable(poller, ends.server);
    expect(receivePacket(libc, ends.server, limits)).toEqual({ kind: "cut" });
    sendPacket(
      libc,
      ends.client,
      Buffer.from("many"),
      [0, 0, 0, 0].map(() => ends.client),
    );
    await readable(poller, ends.server);
    expect(receivePacket(libc, ends.server, limits)).toEqual({ kind: "cut" });
    expect(openFds()).toBeLessThanOrEqual(before);
  });

  test("the end is told, and sending to a peer that is gone throws", async () => {
    using ends = await packetPair();
    closeFd(libc, ends.client);
    await readable(poller, ends.server);
    expect(receivePacket(libc, ends.server, limits)).toEqual({ kind: "ended" });
    expect(attempt(() => sendPacket(libc, ends.server, Buffer.from("x")))).toBe("EPIPE");
  });

  test("sendPacket() says when the socket is full", async () => {
    using ends = await packetPair();
    let sent = 0;
    while (sent < 10_000 && sendPacket(libc, ends.client, Buffer.alloc(1024))) sent++;
    expect([sent > 0, sent < 10_000]).toEqual([true, true]);
  });

  test("connectPackets() throws where nobody serves", () => {
    expect(attempt(() => connectPackets(libc, join(tmpdir(), "nobody-serves-this")))).toBe("ENOENT");
  });
});

describe("poller", () => {
  test("a readable descriptor is told once an arming", async () => {
    const { ours, theirs } = openSocketPair(libc);
    let told = 0;
    const watch = poller.watch(ours, "readable", () => void told++);
    libc.call("Cannot write", "write", theirs, Buffer.from("x"), 1);
    await readable(poller, duplicate(libc, ours));
    await flushed();
    expect(told).toBe(1);
    watch.rearm();
    await flushed();
    expect(told).toBe(2);
    watch.close();
    for (const fd of [ours, theirs]) closeFd(libc, fd);
  });

  test("a closed watch tells nothing", async () => {
    const { ours, theirs } = openSocketPair(libc);
    let told = 0;
    const watch = poller.watch(ours, "readable", () => void told++);
    watch.close();
    libc.call("Cannot write", "write", theirs, Buffer.from("x"), 1);
    await flushed();
    expect(told).toBe(0);
    for (const fd of [ours, theirs]) closeFd(libc, fd);
  });

  test("many descriptors at once are all told", async () => {
    const pairs = Array.from({ length: 500 }, () => openSocketPair(libc));
    const all = pairs.map(({ ours }) => readable(poller, ours));
    for (const { theirs } of pairs) libc.call("Cannot write", "write", theirs, Buffer.from("x"), 1);
    await Promise.all(all);
    for (const { ours, theirs } of pairs) for (const fd of [ours, theirs]) closeFd(libc, fd);
  });

  test("a closed poller ends its thread and gives its descriptors back", async () => {
    const before = openFds();
    const threads = taskCount();
    const other = await openPoller(libc);
    expect(taskCount()).toBe(threads + 1);
    other.close();
    await until(() => taskCount() === threads && openFds() <= before);
  });
});

describe("spawn", () => {
  test("gives exactly the arguments, environment and descriptors asked for", async () => {
    const env = { PATH: "/usr/bin:/bin", WORD: "x y" };
    const { text, status } = await run(["-c", 'echo "$1|$2"; env | sort', "sh", "a b", ""], { env });
    expect([text.split("\n").filter((line) => !/^(PWD|SHLVL|_)=/.test(line)), status]).toEqual([
      ["a b|", "PATH=/usr/bin:/bin", "WORD=x y", ""],
      { kind: "exited", code: 0 },
    ]);
    // 3 is the folder that ls reads.
    expect((await run(["/proc/self/fd"], { executable: "/bin/ls" })).text).toBe("0\n1\n2\n3\n");
  });

  test.each([
    ["an exit code", ["-c", "exit 7"], { kind: "exited", code: 7 }],
    ["a signal", ["-c", "kill -TERM $$"], { kind: "signaled", signal: 15 }],
  ])("tells %s", async (_, args, want) => {
    expect((await run(args)).status).toEqual(want);
  });

  test("the child is born into new namespaces, and into existing ones", async () => {
    using namespace = makeNetworkNamespace(libc);
    const { text } = await run(
      ["-c", "for n in net pid mnt uts ipc cgroup; do readlink /proc/self/ns/$n; done; echo $$"],
      {
        newNamespaces: ["pid", "mount", "uts", "ipc", "cgroup"],
        joinNamespaces: [namespace.fd],
      },
    );
    const [net, ...rest] = text.trim().split("\n");
    const ours = ["pid", "mnt", "uts", "ipc", "cgroup"].map((kind) => readlinkSync(`/proc/self/ns/${kind}`));
    expect([net, rest.at(-1), ours.filter((id) => rest.includes(id))]).toEqual([namespace.id, "1", []]);
  });

  test("later programs can be put into the mount and uts namespaces of the first", async () => {
    const first = spawnChild(libc, poller, {
      executable: "/bin/sleep",
      args: ["60"],
      env: {},
      fds: new Map(),
      newNamespaces: ["mount", "uts", "network"],
    });
    const kinds = ["mnt", "uts", "net"] as const;
    const joinNamespaces = kinds.map((kind) => openSync(`/proc/${first.pid}/ns/${kind}`, "r"));
    const { text } = await run(["-c", "for n in mnt uts net; do readlink /proc/self/ns/$n; done"], {
      joinNamespaces,
    });
    expect(text.trim().split("\n")).toEqual(
      kinds.map((kind) => readlinkSync(`/proc/${first.pid}/ns/${kind}`)),
    );
    first.signal(signals.kill);
    await first.exited;
    for (const fd of joinNamespaces) closeFd(libc, fd);
  });

  test("a target descriptor may be another's source", async () => {
    const a = openSocketPair(libc);
    const fds = new Map([
      [1, a.theirs],
      [3, a.theirs],
      [a.theirs < 60 ? a.theirs : 60, a.theirs],
      [63, a.theirs],
    ]);
    const child = spawnChild(libc, poller, {
      executable: "/bin/bash",
      args: ["-c", "echo 1; echo 3 >&3"],
      env: {},
      fds,
    });
    closeFd(libc, a.theirs);
    expect(await readAll(libc, poller, a.ours)).toBe("1\n3\n");
    await child.exited;
  });

  test("a refusal names the step and leaves nothing behind", () => {
    const before = openFds();
    expect([String(startTrue({ cwd: "/nowhere" })), String(startTrue({ joinNamespaces: [1] }))]).toEqual([
      "MeshError: Cannot start /bin/true in /nowhere: ENOENT",
      "MeshError: Cannot join a namespace: EINVAL",
    ]);
    expect(openFds()).toBeLessThanOrEqual(before);
  });

  test("signal() tells when the process has ended", async () => {
    const child = spawnChild(libc, poller, {
      executable: "/bin/sleep",
      args: ["60"],
      env: {},
      fds: new Map(),
    });
    expect(child.signal(signals.terminate)).toBe(true);
    expect(await child.exited).toEqual({ kind: "signaled", signal: 15 });
    expect(child.signal(signals.terminate)).toBe(false);
  });
});

describe("control groups", () => {
  test("join, limit, kill and remove, on every hierarchy of this machine", async () => {
    const mounts = readCgroupMounts();
    const path = `lambient-test-linux-${process.pid}`;
    const parent = openCgroup(mounts, path);
    const group = openCgroup(mounts, `${path}/one`, { memoryBytesMax: 64 << 20, processesMax: 8 });
    const child = spawnChild(libc, poller, {
      executable: "/bin/sleep",
      args: ["60"],
      env: {},
      fds: new Map(),
    });
    await group.join(child.pid);
    expect([group.pids(), parent.children(), group.outOfMemoryKills()]).toEqual([[child.pid], ["one"], 0]);
    if (mounts.memoryV1 !== undefined) {
      expect(readFileSync(`${mounts.memoryV1}/${path}/one/memory.limit_in_bytes`, "utf8").trim()).toBe(
        String(64 << 20),
      );
    }
    expect(await parent.remove(0).catch((error: unknown) => String(error))).toContain(
      `processes ${child.pid} remain`,
    );
    parent.kill();
    expect(await child.exited).toEqual({ kind: "signaled", signal: 9 });
    await parent.remove(2000);
    expect(existsSync(`${mounts.unified}/${path}`)).toBe(false);
  });
});

function describeReceived(received: Received): object {
  if (received.kind !== "message") return received;
  const { data, fds } = received.message;
  return {
    kind: "message",
    data: data.toString(),
    files: fds.map((fd) => readlinkSync(`/proc/self/fd/${fd}`)),
  };
}

function catchError(action: () => unknown): unknown {
  try {
    action();
    return undefined;
  } catch (error) {
    return error;
  }
}

function attempt<T>(action: () => T): T | string {
  try {
    return action();
  } catch (error) {
    if (error instanceof LinuxError) return error.errno;
    throw error;
  }
}

function openFds(): number {
  return Array.from(new Bun.Glob("*").scanSync({ cwd: "/proc/self/fd", onlyFiles: false })).length;
}

function taskCount(): number {
  return Array.from(new Bun.Glob("*").scanSync({ cwd: "/proc/self/task", onlyFiles: false })).length;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(1);
}

async function packetPair(): Promise<{ server: number; client: number } & Disposable> {
  const folder = mkdtempSync(join(tmpdir(), "packets-"));
  const path = join(folder, "s");
  const listener = listenPackets(libc, path);
  const client = connectPackets(libc, path);
  await readable(poller, listener);
  const server = acceptPackets(libc, listener);
  if (server === undefined) throw new Error("nobody came");
  return {
    server,
    client,
    [Symbol.dispose]() {
      for (const fd of [server, client, listener]) closeFd(libc, fd);
      rmSync(folder, { recursive: true });
    },
  };
}

/** A write and its readiness after everything that was written before. */
async function flushed(): Promise<void> {
  const { ours, theirs } = openSocketPair(libc);
  libc.call("Cannot write", "write", theirs, Buffer.from("x"), 1);
  await readable(poller, ours);
  for (const fd of [ours, theirs]) closeFd(libc, fd);
}

async function run(
  args: readonly string[],
  more: Partial<Parameters<typeof spawnChild>[2]> = {},
): Promise<{ text: string; status: unknown }> {
  const pipe = openPipe(libc);
  const child = spawnChild(libc, poller, {
    executable: "/bin/bash",
    args,
    env: { PATH: "/usr/bin:/bin" },
    fds: new Map([
      [1, pipe.write],
      [2, pipe.write],
    ]),
    ...more,
  });
  closeFd(libc, pipe.write);
  const text = await readAll(libc, poller, pipe.read);
  return { text, status: await child.exited };
}

function startTrue(more: object): unknown {
  return catchError(() =>
    spawnChild(libc, poller, { executable: "/bin/true", args: [], env: {}, fds: new Map(), ...more }),
  );
}
