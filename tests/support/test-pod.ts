/** Pods made by hand for tests of the network: a namespace behind a veth in a node's namespace, a control group, processes in both. No kubelet. */
import { join } from "node:path";
import type { PodSandbox } from "../../k8s/node/enrolment/pod-sandbox.ts";
import { type Cidr, type IpAddress, parseCidr } from "#core/address/ip.ts";
import { openCgroup, readCgroupMounts } from "#host/linux/cgroup.ts";
import { closeFd, type Libc } from "#host/linux/libc.ts";
import { addAddress, addVethPair, findLink, setLinkUp } from "#host/linux/links.ts";
import { makeNetworkNamespace, type NetworkNamespace } from "#host/linux/namespaces.ts";
import { openNetlink } from "#host/linux/netlink.ts";
import { readPipe } from "#host/linux/pipe-reader.ts";
import type { Poller } from "#host/linux/poller.ts";
import { addRoute, mainTable } from "#host/linux/routes.ts";
import { openPipe, signals, spawnChild } from "#host/linux/spawn.ts";
import { writeSettings } from "#host/linux/sysctls.ts";

/** A program of tests/netns/fixtures that runs. */
export interface BusyProgram {
  readonly pid: number;
  /** Says a line and gives what is answered. */
  say<Answer>(line: string): Promise<Answer>;
  close(): Promise<void>;
}

/** A Pod. */
export interface TestPod extends PodSandbox {
  /** Starts the busy program in it, serving a port. */
  start(port: number, options?: { readonly address?: string }): Promise<BusyProgram>;
  /** Name of its link's end in the node. */
  readonly hostLink: string;
  close(): Promise<void>;
}

/** What its counts read. */
export interface BusyReport {
  readonly client: { readonly open: number; readonly broken: number; readonly exchanged: number };
  readonly server: { readonly open: number; readonly broken: number; readonly exchanged: number };
  readonly pid: number;
}

/** The source of the node's own connections to its Pods. */
export const hostSource = "169.254.7.127" as IpAddress;

/** Makes a node's namespace: its own addresses local, Pods reached behind their links. */
export function makeTestNode(libc: Libc, addresses: readonly string[]): NetworkNamespace {
  const namespace = makeNetworkNamespace(libc);
  using netlink = openNetlink(libc, namespace.fd);
  setLinkUp(netlink, 1);
  for (const text of [...addresses, `${hostSource}/32`]) addAddress(netlink, 1, cidr(text), "host");
  writeSettings(libc, namespace.fd, new Map([["ipv4/ip_forward", "1"]]));
  return namespace;
}

/** Makes a Pod whose link ends in the node's namespace. */
export function makeTestPod(
  parts: { readonly libc: Libc; readonly poller: Poller; readonly node: NetworkNamespace },
  address: IpAddress,
  name = "client",
): TestPod {
  const { libc, poller, node } = parts;
  const network = makeNetworkNamespace(libc);
  const hostLink = connectPod(libc, { node, network, address });
  const uid = crypto.randomUUID();
  const mounts = readCgroupMounts();
  const cgroup = openCgroup(mounts, `lambient-pod-test-${uid}`);
  const programs: BusyProgram[] = [];
  return {
    uid,
    namespace: "shop",
    name,
    serviceAccount: name,
    address,
    nameserver: "10.96.0.10" as IpAddress,
    network,
    cgroup,
    interfaceName: "eth0",
    hostLink,
    async start(port, options = {}) {
      const program = await startBusy(libc, poller, { namespace: network, port, ...options });
      await cgroup.join(program.pid);
      programs.push(program);
      return program;
    },
    async close() {
      for (const program of programs) await program.close();
      cgroup.kill();
      await cgroup.remove(5000);
      network.close();
    },
  };
}

/** Starts the busy program in a namespace. */
export async function startBusy(
  libc: Libc,
  poller: Poller,
  options: {
    readonly namespace: NetworkNamespace;
    readonly port: number;
    readonly address?: string;
    readonly env?: Readonly<Record<string, string>>;
  },
): Promise<BusyProgram> {
  const { namespace, port, address = "0.0.0.0", env = {} } = options;
  const [input, output] = [openPipe(libc), openPipe(libc)];
  const child = spawnChild(libc, poller, {
    executable: process.execPath,
    args: [join(import.meta.dir, "../netns/fixtures/busy.ts"), String(port), address],
    env: { PATH: "/usr/bin:/bin", ...env },
    cwd: join(import.meta.dir, "../.."),
    fds: new Map([
      [1, output.write],
      [2, 2],
      [10, input.read],
    ]),
    joinNamespaces: [namespace.fd],
    last: [{ what: "Cannot set the input", name: "dup3", args: [10, 0, 0] }],
  });
  closeFd(libc, output.write);
  closeFd(libc, input.read);
  const waiting: ((line: string) => void)[] = [];
  let text = "";
  readPipe(libc, poller, output.read, {
    onData(bytes) {
      text += Buffer.from(bytes).toString();
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) waiting.shift()?.(line);
    },
    onEnd: () => waiting.splice(0).forEach((take) => take("null")),
  });
  const answer = (): Promise<string> => new Promise((resolve) => waiting.push(resolve));
  await answer();
  return {
    pid: child.pid,
    async say<Answer>(line: string): Promise<Answer> {
      const answered = answer();
      const bytes = Buffer.from(`${line}\n`);
      libc.call("Cannot tell the program", "write", input.write, bytes, bytes.length);
      return JSON.parse(await answered) as Answer;
    },
    async close() {
      child.signal(signals.kill);
      await child.exited;
      closeFd(libc, input.write);
    },
  };
}

function connectPod(
  libc: Libc,
  {
    node,
    network,
    address,
  }: { readonly node: NetworkNamespace; readonly network: NetworkNamespace; readonly address: IpAddress },
): string {
  using outside = openNetlink(libc, node.fd);
  using inside = openNetlink(libc, network.fd);
  const name = `veth${address.replaceAll(".", "").slice(-10)}`;
  addVethPair(outside, { name, peerName: "eth0", peerNamespaceFd: network.fd });
  const outer = findLink(outside, name) ?? 0;
  const inner = findLink(inside, "eth0") ?? 0;
  setLinkUp(inside, 1);
  addAddress(inside, inner, { address, prefixBits: 32 }, "universe");
  setLinkUp(inside, inner);
  setLinkUp(outside, outer);
  const destination = { address, prefixBits: 32 };
  addRoute(outside, { kind: "unicast", destination, table: mainTable, linkIndex: outer, source: hostSource });
  addRoute(inside, {
    kind: "unicast",
    destination: cidr(`${hostSource}/32`),
    table: mainTable,
    linkIndex: inner,
  });
  addRoute(inside, {
    kind: "unicast",
    destination: cidr("0.0.0.0/0"),
    table: mainTable,
    linkIndex: inner,
    gateway: hostSource,
  });
  return name;
}

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}
