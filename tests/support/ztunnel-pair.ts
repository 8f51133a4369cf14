/** A pair of ztunnels from files, one on each of two test nodes: `web` on the first calls `echo` on the second. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Libc } from "#host/linux/libc.ts";
import { makeNodePair, type NodePair, spawnIn, type TestNode } from "./node-pair.ts";
import { makeTestCa, type TestCa } from "./test-ca.ts";
import { waitUntil } from "./wait-until.ts";

/** A running pair. */
export interface ZtunnelPair extends AsyncDisposable {
  readonly nodes: NodePair;
  readonly ca: TestCa;
  readonly a: RunningZtunnel;
  readonly b: RunningZtunnel;
  /** Changes what the second node's ztunnel reads: policies in the file's schema. */
  setPolicies(policies: readonly unknown[]): Promise<void>;
  /** Changes what both read. */
  setMesh(mesh: LocalMesh): Promise<void>;
  /** Writes a file with a field that is not known. */
  breakMesh(): Promise<void>;
}

/** One ztunnel. */
export interface RunningZtunnel {
  readonly pid: number;
  readonly runDir: string;
  /** Lines of its access log so far. */
  readonly lines: readonly string[];
  readonly log: readonly string[];
  /** Null while it runs. */
  exitCode(): number | null;
  metrics(): Promise<string>;
  stop(): Promise<number>;
}

/** The service that `web` calls. */
export const echoService = { hostname: "echo.shop.svc.cluster.local", address: "10.96.0.3", port: 80 };
/** Where `echo` listens. */
export const echoPort = 8080;

const entry = join(import.meta.dir, "../../ztunnel/main.ts");

/** What a pair may differ in. */
export interface ZtunnelPairOptions {
  /** Cores that each may use, as `taskset -c` takes them. */
  readonly cores?: readonly [a: string, b: string];
  readonly policies?: readonly unknown[];
  /** Identity in the certificate of the second, where it differs from `echo`'s. */
  readonly echoIdentity?: string;
}

/** Starts a pair and waits until both serve. */
export async function startZtunnelPair(libc: Libc, options: ZtunnelPairOptions = {}): Promise<ZtunnelPair> {
  const folder = mkdtempSync(join(tmpdir(), "lambient-pair-"));
  const nodes = makeNodePair(libc);
  const ca = makeTestCa();
  ca.writeFiles(join(folder, "certificates"), {
    web: "ns/shop/sa/web",
    echo: options.echoIdentity ?? "ns/shop/sa/echo",
  });
  const meshPath = join(folder, "mesh.yaml");
  let base = meshOf(nodes);
  let policies = options.policies ?? [];
  const write = (): void => {
    writeFileSync(`${meshPath}.new`, JSON.stringify({ ...base, policies }));
    renameSync(`${meshPath}.new`, meshPath);
  };
  write();
  const start = (node: TestNode, cores: string | undefined): RunningZtunnel =>
    startZtunnel(libc, node, { folder, name: node.address, cores });
  const a = start(nodes.a, options.cores?.[0]);
  const b = start(nodes.b, options.cores?.[1]);
  await Promise.all([a, b].map(untilReady));
  const reread = async (): Promise<void> => {
    const before = [a, b].map(({ log }) => log.length);
    write();
    await waitUntil("both have read the file", () =>
      [a, b].every(({ log }, i) => log.slice(before[i]).some((line) => line.includes("read again"))),
    );
  };
  return {
    nodes,
    ca,
    a,
    b,
    async setPolicies(wanted) {
      policies = wanted;
      await reread();
    },
    breakMesh() {
      const [first, ...others] = base.workloads;
      const broken = { ...base, workloads: [{ ...first, colour: "red" }, ...others], policies };
      writeFileSync(`${meshPath}.new`, JSON.stringify(broken));
      renameSync(`${meshPath}.new`, meshPath);
      return Promise.resolve();
    },
    async setMesh(mesh) {
      base = mesh;
      await reread();
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([a.stop(), b.stop()]);
      nodes[Symbol.dispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A mesh in the file's schema. */
export interface LocalMesh {
  readonly workloads: readonly Readonly<Record<string, unknown>>[];
  readonly services: readonly Readonly<Record<string, unknown>>[];
}

/** The mesh of the pair, in the file's schema. */
export function meshOf({ a, b }: NodePair): LocalMesh {
  const common = {
    namespace: "shop",
    trustDomain: "cluster.local",
    protocol: "HBONE",
    clusterId: "Kubernetes",
  };
  return {
    workloads: [
      {
        ...common,
        uid: "web-1",
        name: "web-1",
        workloadName: "web",
        serviceAccount: "web",
        workloadIps: [a.address],
        services: {},
      },
      {
        ...common,
        uid: "echo-1",
        name: "echo-1",
        workloadName: "echo",
        serviceAccount: "echo",
        workloadIps: [b.address],
        services: { [`shop/${echoService.hostname}`]: { [echoService.port]: echoPort } },
      },
    ],
    services: [
      {
        name: "echo",
        namespace: "shop",
        hostname: echoService.hostname,
        vips: [`/${echoService.address}`],
        ports: { [echoService.port]: echoPort },
      },
    ],
  };
}

function startZtunnel(
  libc: Libc,
  node: TestNode,
  {
    folder,
    name,
    cores,
  }: { readonly folder: string; readonly name: string; readonly cores: string | undefined },
): RunningZtunnel {
  const runDir = join(folder, name);
  mkdirSync(runDir, { recursive: true });
  const pin = cores === undefined ? [] : ["taskset", "-c", cores];
  const argv = [
    ...pin,
    process.execPath,
    entry,
    "--run-dir",
    runDir,
    "--local-config",
    join(folder, "mesh.yaml"),
  ];
  argv.push("--certificates", join(folder, "certificates"), "--capture", `${node.address}=${node.slotPath}`);
  argv.push("--drain-ms", "200", "--policy-hold-ms", "300");
  const child = spawnIn(libc, node.namespace, argv);
  const lines: string[] = [];
  const log: string[] = [];
  void collectLines(child.stdout, lines);
  void collectLines(child.stderr, log);
  const socket = join(runDir, "admin", "ztunnel.sock");
  return {
    pid: child.pid,
    runDir,
    lines,
    log,
    exitCode: () => child.exitCode,
    metrics: async () => await (await fetch("http://admin/metrics", { unix: socket })).text(),
    async stop() {
      child.kill("SIGTERM");
      return await child.exited;
    },
  };
}

async function untilReady(ztunnel: RunningZtunnel): Promise<void> {
  const has = (text: string): boolean => ztunnel.log.some((line) => line.includes(text));
  await waitUntil("ztunnel serves", () => has("ztunnel serves") || ztunnel.exitCode() !== null);
  if (!has("ztunnel serves")) throw new Error(`Cannot start ztunnel:\n${ztunnel.log.join("\n")}`);
}

/** Collects the lines of a stream as they come. */
export async function collectLines(stream: ReadableStream<Uint8Array>, lines: string[]): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of stream) {
    const parts = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    lines.push(...parts);
  }
}
