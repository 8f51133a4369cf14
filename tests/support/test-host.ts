/**
 * A machine for tests: network, mount, pid and uts namespaces of its own that act as a host, joined by a veth pair to an "internet"
 * with a public-range address. What runs in it ends with the test; nothing of the real host's network is touched.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseCidr, type Cidr, parseIp } from "#core/address/ip.ts";
import { adoptChannel } from "#host/channel-socket.ts";
import type { Channel } from "#host/channel.ts";
import { closeLibc, type Libc, openLibc } from "#host/linux/libc.ts";
import { addAddress, addVethPair, findLink, setLinkUp } from "#host/linux/links.ts";
import {
  makeNetworkNamespace,
  type NetworkNamespace,
  warmUp,
  withNamespace,
} from "#host/linux/namespaces.ts";
import { openNetlink } from "#host/linux/netlink.ts";
import { openPoller, type Poller } from "#host/linux/poller.ts";
import { addRoute, mainTable } from "#host/linux/routes.ts";
import { openSocketPair, spawnChild } from "#host/linux/spawn.ts";
import type { HostSnapshot } from "./host-snapshot.ts";

/** The internet's end of the wire. */
export const internetAddress = "198.51.100.1";
/** The host's end of the wire. */
export const hostAddress = "198.51.100.2";

/** What a command left. */
export interface RunResult {
  readonly code: number;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to run a command. */
export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string;
  /** Then it is killed. Default 60000. */
  readonly timeoutMs?: number;
}

/** A command that goes on. */
export interface HostProcess {
  /** Its number on the host. */
  readonly pid: number;
  wait(timeoutMs?: number): Promise<RunResult>;
  output(): Promise<{ readonly stdout: string; readonly stderr: string }>;
  signal(signal: NodeJS.Signals): Promise<void>;
}

/** What a fetch from the host brought. */
export interface FetchResult {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** A test host. */
export interface TestHost extends AsyncDisposable {
  /** A folder of its own, at the same path inside and outside. */
  readonly dir: string;
  readonly libc: Libc;
  readonly poller: Poller;
  /** The host's network namespace. */
  readonly network: NetworkNamespace;
  /** The internet's. */
  readonly internet: NetworkNamespace;
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
  spawn(argv: readonly string[], options?: RunOptions): Promise<HostProcess>;
  /** Asks from the host's network; text bodies only. */
  fetch(url: string, init?: FetchInit): Promise<FetchResult>;
  snapshot(): Promise<HostSnapshot>;
  /** A process of the host, by its number there, as a path outside: `procPath(pid, "ns/net")`. */
  procPath(pid: number, entry: string): string;
  /** Runs a synchronous call, such as `Bun.serve`, with the internet's network. */
  onInternet<T>(action: () => T): T;
  close(): Promise<void>;
}

/** What can be said of a request in text. */
export interface FetchInit {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Unix socket to ask. */
  readonly unix?: string;
  readonly tls?: { readonly ca?: string; readonly rejectUnauthorized?: boolean };
  /** Default 30000. */
  readonly timeoutMs?: number;
}

const recursivePrivate = 0x4000 | 0x40000; // MS_REC | MS_PRIVATE
const bindMount = 0x1000; // MS_BIND
const defaultTimeoutMs = 60_000;
/** The channel's own limit lies beyond the command's, so that the command's end is what is reported. */
const graceMs = 5000;

/** Makes a host; needs root. */
export async function openTestHost(): Promise<TestHost> {
  const libc = openLibc();
  await warmUp();
  const poller = await openPoller(libc);
  const dir = mkdtempSync(join(tmpdir(), "lambient-host-"));
  const network = makeNetworkNamespace(libc);
  const internet = makeNetworkNamespace(libc);
  wire(libc, network, internet);
  const agent = await startAgent({ libc, poller, dir, network });
  const close = async (): Promise<void> => {
    agent.channel.close();
    await agent.exited;
    network.close();
    internet.close();
    poller.close();
    closeLibc(libc);
    rmSync(dir, { recursive: true, force: true });
  };
  return {
    dir,
    libc,
    poller,
    network,
    internet,
    ...actionsOf(agent.channel),
    procPath: (pid, entry) => `/proc/${agent.pid}/root/proc/${pid}/${entry}`,
    onInternet: (action) => withNamespace(libc, internet.fd, action),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function actionsOf(channel: Channel): Pick<TestHost, "run" | "spawn" | "fetch" | "snapshot"> {
  return {
    async run(argv, options = {}) {
      const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
      const result = await channel.request("run", { argv, ...options, timeoutMs }, timeoutMs + graceMs);
      return result as RunResult; // sound: host-agent.ts answers so
    },
    async spawn(argv, options = {}) {
      const { pid } = (await channel.request("spawn", { argv, ...options }, graceMs)) as {
        readonly pid: number;
      };
      return processOf(channel, pid);
    },
    async fetch(url, init = {}) {
      const { timeoutMs = 30_000, ...rest } = init;
      const params = { url, init: rest, timeoutMs };
      const answer = (await channel.request("fetch", params, timeoutMs + graceMs)) as {
        readonly status: number;
        readonly headers: [string, string][];
        readonly body: string;
      };
      return { status: answer.status, headers: new Headers(answer.headers), body: answer.body };
    },
    async snapshot() {
      return (await channel.request("snapshot", {}, graceMs)) as HostSnapshot;
    },
  };
}

function processOf(channel: Channel, pid: number): HostProcess {
  return {
    pid,
    async wait(timeoutMs = defaultTimeoutMs) {
      return (await channel.request("wait", { pid }, timeoutMs)) as RunResult;
    },
    async output() {
      return (await channel.request("output", { pid }, graceMs)) as { stdout: string; stderr: string };
    },
    async signal(signal) {
      await channel.request("signal", { pid, signal }, graceMs);
    },
  };
}

function wire(libc: Libc, network: NetworkNamespace, internet: NetworkNamespace): void {
  using here = openNetlink(libc, network.fd);
  using there = openNetlink(libc, internet.fd);
  addVethPair(here, { name: "wire0", peerName: "wire1", peerNamespaceFd: internet.fd });
  for (const [netlink, name, range] of [
    [here, "wire0", `${hostAddress}/24`],
    [there, "wire1", `${internetAddress}/24`],
  ] as const) {
    setLinkUp(netlink, findLink(netlink, "lo") ?? 0);
    const index = findLink(netlink, name) ?? 0;
    addAddress(netlink, index, cidr(range), "universe");
    setLinkUp(netlink, index);
  }
  const gateway = parseIp(internetAddress);
  if (!gateway.ok) throw new Error(gateway.error);
  const linkIndex = findLink(here, "wire0") ?? 0;
  addRoute(here, {
    kind: "unicast",
    destination: cidr("0.0.0.0/0"),
    table: mainTable,
    gateway: gateway.value,
    linkIndex,
  });
}

async function startAgent(
  parts: Pick<TestHost, "libc" | "poller" | "dir" | "network">,
): Promise<{ readonly channel: Channel; readonly pid: number; readonly exited: Promise<unknown> }> {
  const { libc, poller, dir, network } = parts;
  const pair = openSocketPair(libc);
  const resolver = join(dir, "resolv.conf");
  writeFileSync(resolver, `nameserver ${internetAddress}\n`);
  const child = spawnChild(libc, poller, {
    executable: process.execPath,
    args: [join(import.meta.dir, "host-agent.ts")],
    env: { PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin", HOME: dir, LANG: "C" },
    cwd: dir,
    fds: new Map([
      [1, 2],
      [2, 2],
      [3, pair.theirs],
    ]),
    newNamespaces: ["mount", "pid", "uts"],
    joinNamespaces: [network.fd],
    before: [
      { what: "Cannot make mounts private", name: "mount", args: ["none", "/", "none", recursivePrivate, 0] },
      { what: "Cannot mount /proc", name: "mount", args: ["proc", "/proc", "proc", 0, 0] },
      {
        what: "Cannot set the resolver",
        name: "mount",
        args: [resolver, "/etc/resolv.conf", "none", bindMount, 0],
        mayFail: true,
      },
    ],
  });
  libc.call("Cannot close a descriptor", "close", pair.theirs);
  const channel = await adoptChannel(pair.ours, { onRequest: () => null, onNotify() {}, onClose() {} });
  return { channel, pid: child.pid, exited: child.exited };
}

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}
