/**
 * A whole mesh in a test: brought up by the real command in a test host with folders of its own, deployed to and called as users do,
 * ended in order, and looked over for what it left. Once a test file; see tests/e2e for its use.
 */
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connectChannel } from "#host/channel-socket.ts";
import { cgroupPath } from "../../runtime/cli/supervisor/cgroup-path.ts";
import type { ToldSpan } from "../../runtime/cli/trace/chain.ts";
import { bunEnvironment } from "./bun-in-pods.ts";
import { findLeaks, type HostSnapshot, listCgroups } from "./host-snapshot.ts";
import {
  type FetchInit,
  type FetchResult,
  type HostProcess,
  openTestHost,
  type RunOptions,
  type RunResult,
  type TestHost,
} from "./test-host.ts";
import { waitUntil } from "./wait-until.ts";

/** How the mesh is brought up. */
export interface MeshOptions {
  /** Host to run on; one is made, and ended with the mesh, when absent. */
  readonly host?: TestHost;
  /** Further flags of `lambient up`, such as `--pool-size`, `8`. */
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Folders; fresh ones when absent. */
  readonly runDir?: string;
  readonly dataDir?: string;
}

/** A function for {@link Mesh.deployFunctions}: its source and the rest of its entry in the manifest. */
export interface FunctionSource {
  readonly source: string;
  readonly [field: string]: unknown;
}

/** A mesh that runs. */
export interface Mesh extends AsyncDisposable {
  readonly host: TestHost;
  readonly runDir: string;
  readonly dataDir: string;
  /** The control group of its processes, below the mounts. */
  readonly cgroup: string;
  /** The `lambient up` process. */
  readonly up: HostProcess;
  readonly api: string;
  readonly edge: string;
  /** Runs `lambient <args>` on the host. */
  command(args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Runs it with `-o json` and reads the result. @throws Error with what it said when it failed */
  json<Answer>(...args: string[]): Promise<Answer>;
  /** Deploys a folder or manifest; @throws Error with what the command said when it failed. */
  deploy(place: string): Promise<void>;
  /** Deploys functions from their sources, with further manifest fields and YAML objects. */
  deployFunctions(
    namespace: string,
    functions: Readonly<Record<string, FunctionSource>>,
    more?: DeployMore,
  ): Promise<void>;
  /** Calls a function through the edge: `call("web.shop", { path: "/x" })`. */
  call(target: string, init?: FetchInit & { readonly path?: string }): Promise<FetchResult>;
  /** Asks the API with the administrator's token. */
  apiFetch(path: string, init?: FetchInit): Promise<FetchResult>;
  /** Puts YAML objects into the API as `lambient deploy` does. */
  applyObjects(namespace: string, yaml: string): Promise<void>;
  /** The pid, on the host, of a program, as `lambient status` tells. */
  pidOf(program: string): Promise<number>;
  /** Running instances, by the node runtime's own word: the API's list is a moment old. */
  instances(): Promise<readonly MeshInstance[]>;
  /** The spans of a trace, once there are as many as asked for. */
  trace(traceId: string, spansMin: number): Promise<readonly ToldSpan[]>;
  /** A program's log on disk. */
  log(program: string): string;
  /** Ends the mesh in order. */
  down(): Promise<void>;
  /** What is there that was not before the mesh; asked again for a moment, since the kernel takes its time. */
  leaks(): Promise<readonly string[]>;
}

/** See {@link Mesh.deployFunctions}. */
export interface DeployMore {
  readonly group?: string;
  /** Text of a YAML file. */
  readonly objects?: string;
  readonly timeoutS?: number;
}

/** An instance as the API tells of it. */
export interface MeshInstance {
  readonly instance: string;
  readonly revision: string;
  readonly function: string;
  readonly namespace: string;
  readonly address: string;
  readonly state: string;
  readonly rung: string;
}

const root = join(import.meta.dir, "../..");
/** The command as the host runs it. */
export const lambient: readonly string[] = [process.execPath, join(root, "runtime/cli/main.ts")];
const readyMs = 60_000;
const answerMs = 5000;

/** Brings a mesh up. @throws Error with its words when it does not come up */
export async function startMesh(options: MeshOptions = {}): Promise<Mesh> {
  const host = options.host ?? (await openTestHost());
  const folder = mkdtempSync(join(host.dir, "mesh-"));
  const runDir = options.runDir ?? join(folder, "run");
  const dataDir = options.dataDir ?? join(folder, "data");
  const before = await host.snapshot();
  const flags = ["--run-dir", runDir, "--data-dir", dataDir, ...(options.flags ?? [])];
  const up = await host.spawn([...lambient, "up", ...flags], {
    env: { NO_COLOR: "1", ...bunEnvironment, ...options.env },
  });
  try {
    await awaitRunning(up);
  } catch (error) {
    if (options.host === undefined) await host.close();
    throw error;
  }
  const endpoints = JSON.parse(readFileSync(join(runDir, "endpoints.json"), "utf8")) as {
    api: string;
    edge: string;
  };
  return meshOf({
    host,
    ownsHost: options.host === undefined,
    folder,
    runDir,
    dataDir,
    cgroup: cgroupPath(runDir),
    up,
    before,
    ...endpoints,
  });
}

interface Parts {
  readonly host: TestHost;
  readonly ownsHost: boolean;
  readonly folder: string;
  readonly runDir: string;
  readonly dataDir: string;
  readonly cgroup: string;
  readonly up: HostProcess;
  readonly before: HostSnapshot;
  readonly api: string;
  readonly edge: string;
}

function meshOf(parts: Parts): Mesh {
  const { host, runDir, dataDir, cgroup, up, api, edge } = parts;
  const command: Mesh["command"] = (args, options = {}) =>
    host.run([...lambient, ...args], {
      ...options,
      env: { LAMBIENT_RUN_DIR: runDir, NO_COLOR: "1", ...options.env },
    });
  const json = async <Answer>(...args: string[]): Promise<Answer> =>
    JSON.parse((await succeed(command, [...args, "-o", "json"])).stdout) as Answer;
  const apiFetch: Mesh["apiFetch"] = (path, init = {}) => {
    const token = readFileSync(join(runDir, "tokens/admin"), "utf8");
    const ca = readFileSync(join(runDir, "ca.pem"), "utf8");
    return host.fetch(api + path, {
      ...init,
      headers: { authorization: `Bearer ${token}`, ...init.headers },
      tls: { ca },
    });
  };
  const deploy: Mesh["deploy"] = async (place) => {
    await succeed(command, ["deploy", place]);
  };
  return {
    host,
    runDir,
    dataDir,
    cgroup,
    up,
    api,
    edge,
    command,
    json,
    deploy,
    apiFetch,
    async deployFunctions(namespace, functions, more = {}) {
      const place = writeManifest(parts.folder, namespace, functions, more);
      await succeed(command, ["deploy", place, "--timeout", String(more.timeoutS ?? 60)], {
        timeoutMs: 120_000,
      });
    },
    applyObjects: (namespace, objects) => deploy(writeManifest(parts.folder, namespace, {}, { objects })),
    call: (target, { path = "/", ...init } = {}) =>
      host.fetch(edge + path, { ...init, headers: { host: target, ...init.headers } }),
    async pidOf(program) {
      const { programs } = await json<{
        readonly programs: { readonly name: string; readonly pid?: number }[];
      }>("status");
      const pid = programs.find(({ name }) => name === program)?.pid;
      if (pid === undefined) throw new Error(`Cannot find a running program "${program}"`);
      return pid;
    },
    instances: () => askNode(runDir),
    trace: (traceId, spansMin) =>
      waitUntil(`trace ${traceId} has ${spansMin} spans`, async () => {
        const answer = await apiFetch(`/traces/${traceId}`);
        if (answer.status !== 200) return undefined;
        const { spans } = JSON.parse(answer.body) as { readonly spans: ToldSpan[] };
        return spans.length >= spansMin ? spans : undefined;
      }),
    log: (program) => readFileSync(join(dataDir, "logs/system", `${program}.log`), "utf8"),
    async down() {
      await succeed(command, ["down"]);
      await up.wait();
    },
    leaks: () => findMeshLeaks(parts),
    async [Symbol.asyncDispose]() {
      await command(["down"]);
      await up.wait();
      if (parts.ownsHost) await host.close();
    },
  };
}

async function askNode(runDir: string): Promise<readonly MeshInstance[]> {
  const handlers = { onRequest: () => null, onNotify() {}, onClose() {} };
  const channel = await connectChannel(join(runDir, "node.sock"), handlers);
  try {
    await channel.request("hello", { token: readFileSync(join(runDir, "tokens/admin"), "utf8") }, answerMs);
    const { instances } = (await channel.request("instances", {}, answerMs)) as {
      readonly instances: MeshInstance[];
    };
    return instances;
  } finally {
    channel.close();
  }
}

async function findMeshLeaks({ host, before, cgroup }: Parts): Promise<readonly string[]> {
  const look = async (): Promise<string[]> => [
    ...findLeaks(before, await host.snapshot()),
    ...listCgroups(new Set([cgroup])).map((path) => `cgroup: ${path}`),
  ];
  await waitUntil("nothing is left", async () => (await look()).length === 0, 3000).catch(() => {});
  return look();
}

async function awaitRunning(up: HostProcess): Promise<void> {
  const held: { result: RunResult | undefined } = { result: undefined };
  up.wait(readyMs * 1000).then(
    (result) => (held.result = result),
    () => {}, // the host is closed; nobody asks any more
  );
  await waitUntil(
    "the mesh runs",
    async () => held.result !== undefined || (await up.output()).stdout.includes("The mesh runs."),
    readyMs,
  );
  if (held.result === undefined) return;
  const { code, stderr, stdout } = held.result;
  throw new Error(`Cannot bring a mesh up: it ended with ${code}: ${stdout}${stderr}`);
}

async function succeed(
  ...[command, args, options]: [Mesh["command"], readonly string[], RunOptions?]
): Promise<RunResult> {
  const result = await command(args, options);
  if (result.code === 0) return result;
  throw new Error(`lambient ${args.join(" ")} ended with ${result.code}: ${result.stdout}${result.stderr}`);
}

let manifests = 0;

function writeManifest(
  ...[folder, namespace, functions, more]: [
    string,
    string,
    Readonly<Record<string, FunctionSource>>,
    DeployMore,
  ]
): string {
  const place = join(folder, `manifest-${manifests++}`);
  mkdirSync(place);
  const entries = Object.entries(functions).map(([name, { source, ...fields }]) => {
    writeFileSync(join(place, `${name}.ts`), source);
    return [name, { main: `${name}.ts`, ...fields }];
  });
  if (more.objects !== undefined) writeFileSync(join(place, "objects.yaml"), more.objects);
  const manifest = {
    namespace,
    ...(more.group === undefined ? {} : { group: more.group }),
    functions: Object.fromEntries(entries) as unknown,
    ...(more.objects === undefined ? {} : { manifests: ["objects.yaml"] }),
  };
  writeFileSync(join(place, "lambient.jsonc"), JSON.stringify(manifest));
  return place;
}
