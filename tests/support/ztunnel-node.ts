/** One node with a ztunnel under a scripted node agent, a recorded discovery and authority, a host's network and an internet beyond it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type IpAddress, ipBytes, parseCidr } from "#core/address/ip.ts";
import { type ResourceSpan, readOtlpTraces } from "#core/telemetry/span-otlp.ts";
import { openCapture } from "#host/linux/bpf.ts";
import type { Libc } from "#host/linux/libc.ts";
import { findLink, setLinkUp } from "#host/linux/links.ts";
import { makeNetworkNamespace, type NetworkNamespace } from "#host/linux/namespaces.ts";
import { openNetlink } from "#host/linux/netlink.ts";
import { addRoute, localTable } from "#host/linux/routes.ts";
import { sealedSlotProgram } from "#host/linux/sk-lookup.ts";
import { makeNodePair, type NodePair, sealNamespace, spawnIn } from "./node-pair.ts";
import { type RecordedAds, startRecordedAds } from "./recorded-ads.ts";
import { type AuthorityBehaviour, recordedAuthority } from "./recorded-authority.ts";
import { type ScriptedNode, scriptNode } from "./scripted-node.ts";
import { waitUntil } from "./wait-until.ts";
import { collectLines } from "./ztunnel-pair.ts";

/** A slot without a sandbox or a process. */
export interface TestSlot extends Disposable {
  readonly uid: string;
  readonly address: IpAddress;
  readonly namespace: NetworkNamespace;
  readonly mapFd: number;
}

/** The node. */
export interface ZtunnelNode extends AsyncDisposable {
  readonly ads: RecordedAds;
  readonly authority: AuthorityBehaviour;
  readonly agent: ScriptedNode;
  /** Where ztunnel runs. */
  readonly namespace: NetworkNamespace;
  /** `a` is the host's network, `b` the internet. */
  readonly world: NodePair;
  readonly lines: readonly string[];
  readonly log: readonly string[];
  readonly runDir: string;
  /** What ztunnel has sent to the store, each sending of a span. */
  readonly spans: readonly ResourceSpan[];
  makeSlot(uid: string, address: string): TestSlot;
  /** Tells ztunnel of a slot. @returns its error, empty for none. */
  prepare(slot: TestSlot): Promise<string>;
  isReady(): Promise<boolean>;
  metrics(): Promise<string>;
  configDump(): Promise<ZtunnelDump>;
}

/** What a test reads of `/config_dump`. */
export interface ZtunnelDump {
  readonly workloadState: Readonly<Record<string, unknown>>;
  readonly certificates: readonly { readonly identity: string }[];
}

/** The address that slots ask for names. */
export const slotNameserver = "10.96.0.10" as IpAddress;

/** Starts it; ztunnel has greeted the agent, which has said nothing yet. */
export async function startZtunnelNode(libc: Libc, flags: readonly string[] = []): Promise<ZtunnelNode> {
  const runDir = mkdtempSync(join(tmpdir(), "lambient-node-"));
  mkdirSync(join(runDir, "tokens"));
  writeFileSync(join(runDir, "tokens", "ztunnel"), "recorded");
  const authority: AuthorityBehaviour = { signed: [] };
  const ads = await startRecordedAds({ runDir, services: (ca) => [recordedAuthority(ca, authority)] });
  const spans: ResourceSpan[] = [];
  const store = serveSpanStore(join(runDir, "api.sock"), ads, spans);
  const agent = scriptNode(libc, join(runDir, "zds.sock"));
  const world = makeNodePair(libc);
  const namespace = makeMeshNode(libc);
  const argv = [process.execPath, join(import.meta.dir, "../../ztunnel/main.ts"), "--run-dir", runDir];
  argv.push("--host-netns", `/proc/${process.pid}/fd/${world.a.namespace.fd}`);
  argv.push("--drain-ms", "200", "--policy-hold-ms", "300", "--log-level", "debug", ...flags);
  const child = spawnIn(libc, namespace, argv);
  const socket = join(runDir, "admin", "ztunnel.sock");
  const lines: string[] = [];
  const log: string[] = [];
  void collectLines(child.stdout, lines);
  void collectLines(child.stderr, log);
  await agent.accept().catch((error: unknown) => {
    throw new Error(`Cannot start ztunnel: ${log.join("\n")}`, { cause: error });
  });
  return {
    ads,
    authority,
    agent,
    namespace,
    world,
    lines,
    log,
    runDir,
    spans,
    makeSlot: (uid, address) => makeSlot(libc, uid, address as IpAddress),
    async prepare({ uid, address, namespace: { fd }, mapFd }) {
      const value = { uid, address: ipBytes(address), nameserver: ipBytes(slotNameserver) };
      return await agent.say({ case: "prepare", value }, [fd, mapFd]);
    },
    metrics: async () => await (await fetch("http://admin/metrics", { unix: socket })).text(),
    async configDump() {
      // Sound: it is what config-dump.ts writes.
      return (await (await fetch("http://admin/config_dump", { unix: socket })).json()) as ZtunnelDump;
    },
    async isReady() {
      return (await fetch("http://admin/healthz/ready", { unix: socket })).status === 200;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.exited;
      agent[Symbol.dispose]();
      await store.stop(true);
      await ads[Symbol.asyncDispose]();
      namespace.close();
      world[Symbol.dispose]();
      rmSync(runDir, { recursive: true, force: true });
    },
  };
}

/** The part of the API that takes spans. */
function serveSpanStore(unix: string, ads: RecordedAds, spans: ResourceSpan[]): Bun.Server<undefined> {
  const { keyPem: key, chainPem: cert } = ads.ca.issueServer(["lambient.local"]);
  return Bun.serve({
    unix,
    tls: { key, cert },
    async fetch(request) {
      const read = readOtlpTraces(await request.json());
      if (read.ok) spans.push(...read.value);
      return new Response("{}", { status: read.ok ? 200 : 400 });
    },
  });
}

/** Waits until ztunnel holds the certificate of an identity. */
export async function untilCertified(node: ZtunnelNode, account: string): Promise<void> {
  await waitUntil(`ztunnel has the certificate of ${account}`, () =>
    node.authority.signed.some((identity) => identity.endsWith(`/sa/${account}`)),
  );
}

/** A namespace in which slots, waypoints and services are local, as in a mesh. */
export function makeMeshNode(libc: Libc): NetworkNamespace {
  const namespace = makeNetworkNamespace(libc);
  using netlink = openNetlink(libc, namespace.fd);
  const linkIndex = findLink(netlink, "lo");
  if (linkIndex === undefined) throw new Error("Cannot find the loopback of a namespace");
  setLinkUp(netlink, linkIndex);
  for (const text of ["10.244.0.0/25", "10.245.0.0/24", "10.96.0.0/16"]) {
    const range = parseCidr(text);
    if (!range.ok) throw new Error(range.error);
    addRoute(netlink, { kind: "local", destination: range.value, table: localTable, linkIndex });
  }
  return namespace;
}

function makeSlot(libc: Libc, uid: string, address: IpAddress): TestSlot {
  const namespace = makeNetworkNamespace(libc);
  sealNamespace(libc, namespace, address);
  const program = { address, nameserver: slotNameserver };
  const capture = openCapture(libc, namespace.fd, 1, (mapFd) => sealedSlotProgram(mapFd, program));
  return {
    uid,
    address,
    namespace,
    mapFd: capture.mapFd,
    [Symbol.dispose]() {
      capture.close();
      namespace.close();
    },
  };
}
