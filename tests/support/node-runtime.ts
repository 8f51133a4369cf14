/** The node runtime as its own process in a network namespace of a test, with a scripted API and whatever ztunnel the test connects. */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connectChannel } from "#host/channel-socket.ts";
import type { Channel } from "#host/channel.ts";
import { type Cgroup, openCgroup, readCgroupMounts } from "#host/linux/cgroup.ts";
import { closeLibc, type Libc, openLibc } from "#host/linux/libc.ts";
import type { NetworkNamespace } from "#host/linux/namespaces.ts";
import { openPoller, type Poller } from "#host/linux/poller.ts";
import { type Child, type ExitStatus, signals, spawnChild } from "#host/linux/spawn.ts";
import { makeNodeNetwork } from "../../runtime/cli/supervisor/node-namespaces.ts";
import { openScriptedApi, type ScriptedApi } from "./scripted-api.ts";
import { openScriptedZtunnel, type ScriptedZtunnel } from "./scripted-ztunnel.ts";
import { waitUntil } from "./wait-until.ts";

/** A caller on `node.sock`. */
export interface NodeCaller extends Disposable {
  readonly channel: Channel;
  readonly told: { readonly method: string; readonly params: Record<string, unknown> }[];
  /** Asks; `undefined` as the answer never comes back. */
  ask(method: string, params?: object, timeoutMs?: number): Promise<Record<string, unknown>>;
}

/** See the file's opening. */
export interface NodeRuntimeHost extends AsyncDisposable {
  readonly runDir: string;
  readonly dataDir: string;
  readonly libc: Libc;
  readonly poller: Poller;
  readonly network: NetworkNamespace;
  readonly api: ScriptedApi;
  readonly cgroup: Cgroup;
  /** The running process. */
  readonly child: Child;
  /** Starts it again after it ended. */
  start(): void;
  /** Asks it to end, or kills it. */
  stop(signal?: keyof typeof signals): Promise<ExitStatus>;
  connectZtunnel(): Promise<ScriptedZtunnel>;
  /** Waits until it can do its work; needs a ztunnel. */
  whenReady(): Promise<void>;
  call(program: string): Promise<NodeCaller>;
  readMetrics(): Promise<string>;
  readDump(): Promise<Record<string, Record<string, unknown>[]>>;
  /** What it has logged. */
  log(): string;
  /** Processes below its control group, its own not counted. */
  leftovers(): number[];
}

/** How it is started. */
export interface NodeRuntimeOptions {
  readonly flags?: readonly string[];
}

const entry = fileURLToPath(new URL("../../functions/main.ts", import.meta.url));
const ranges = ["10.244.0.0/24", "10.245.0.0/24", "10.96.0.0/16"];

/** Starts the API, the namespace and the node runtime. */
export async function startNodeRuntime(options: NodeRuntimeOptions = {}): Promise<NodeRuntimeHost> {
  const runDir = mkdtempSync(join(tmpdir(), "nr-"));
  const dataDir = join(runDir, "data");
  const libc = openLibc();
  const poller = await openPoller(libc);
  const api = await openScriptedApi(runDir);
  const network = makeNodeNetwork(libc, ranges);
  const group = `lambient-test-nr-${process.pid}-${crypto.randomUUID().slice(0, 8)}`;
  const cgroup = openCgroup(readCgroupMounts(), group);
  const ztunnels: ScriptedZtunnel[] = [];
  const logFile = join(runDir, "log");
  const spawn = (): Child => {
    const logFd = openSync(logFile, "a");
    try {
      return spawnChild(libc, poller, {
        executable: process.execPath,
        args: [
          entry,
          "--run-dir",
          runDir,
          "--data-dir",
          dataDir,
          "--cgroup",
          group,
          ...(options.flags ?? []),
        ],
        env: { PATH: process.env["PATH"] ?? "", HOME: "/", BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0" },
        fds: new Map([
          [1, logFd],
          [2, logFd],
        ]),
        joinNamespaces: [network.fd],
      });
    } finally {
      closeSync(logFd);
    }
  };
  let child = spawn();
  const host: NodeRuntimeHost = {
    runDir,
    dataDir,
    libc,
    poller,
    network,
    api,
    cgroup,
    get child() {
      return child;
    },
    start: () => void (child = spawn()),
    stop(signal = "terminate") {
      child.signal(signals[signal]);
      return child.exited;
    },
    async connectZtunnel() {
      const path = join(runDir, "zds.sock");
      const made = await waitUntil("zds.sock is served", () => openScriptedZtunnel(libc, poller, path));
      ztunnels.push(made);
      return made;
    },
    async whenReady() {
      await waitUntil(`the node runtime is ready; it said ${logFile}`, async () => {
        const response = await fetch("http://admin/healthz/ready", {
          unix: join(runDir, "admin/node-runtime.sock"),
        });
        await response.text();
        return response.ok;
      });
    },
    async call(program) {
      const told: NodeCaller["told"] = [];
      const path = join(runDir, "node.sock");
      const channel = await connectChannel(path, {
        onRequest: () => undefined,
        onNotify: (method, params) => void told.push({ method, params: params as Record<string, unknown> }),
        onClose: () => undefined,
      });
      await channel.request("hello", { token: await api.token(program) }, 5000);
      return {
        channel,
        told,
        ask: async (method, params = {}, timeoutMs = 20_000) =>
          (await channel.request(method, params, timeoutMs)) as Record<string, unknown>,
        [Symbol.dispose]: () => channel.close(),
      };
    },
    async readMetrics() {
      const response = await fetch("http://admin/metrics", { unix: join(runDir, "admin/node-runtime.sock") });
      return response.text();
    },
    async readDump() {
      const response = await fetch("http://admin/config_dump", {
        unix: join(runDir, "admin/node-runtime.sock"),
      });
      // Sound: every part of the dump that tests read is a list of objects.
      return (await response.json()) as Record<string, Record<string, unknown>[]>;
    },
    log: () => readFileSync(logFile, "utf8"),
    leftovers: () => pidsBelow(group),
    async [Symbol.asyncDispose]() {
      child.signal(signals.kill);
      await child.exited;
      for (const ztunnel of ztunnels) ztunnel.close();
      api[Symbol.dispose]();
      cgroup.kill();
      await cgroup.remove(5000);
      network.close();
      poller.close();
      closeLibc(libc);
      rmSync(runDir, { recursive: true, force: true });
    },
  };
  return host;
}

function pidsBelow(path: string): number[] {
  const group = openCgroup(readCgroupMounts(), path);
  return [...group.pids(), ...group.children().flatMap((name) => pidsBelow(`${path}/${name}`))];
}
