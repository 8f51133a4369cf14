/**
 * Real kubectl against a real server: every kubectl that is on this machine, with the mesh and with Kubernetes' own API.
 * A behaviour that both servers have is tested on both, so that the expectation itself is held to the real thing.
 */
import { afterAll, beforeAll, describe } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startKubeApiserver } from "../support/kube-apiserver.ts";
import { findKubernetesProgram, findOldKubectl, howToGetPeers } from "../support/kube-peers.ts";
import { startMesh } from "../support/mesh.ts";
import type { RunOptions, RunResult } from "../support/test-host.ts";

/** One kubectl that speaks to one server. */
export interface KubectlScene {
  /** `1.20` or `1.37`. */
  readonly client: string;
  readonly server: ServerName;
  /** Runs it. @returns what it printed. @throws Error with its words when it fails */
  readonly run: (...args: readonly string[]) => Promise<string>;
  /** Runs it, whatever comes of it. */
  readonly attempt: (args: readonly string[], options?: RunOptions) => Promise<RunResult>;
  /** Runs it with text on its standard input, as with `-f -`. */
  readonly feed: (input: string, ...args: readonly string[]) => Promise<string>;
  /** A namespace of this test's own. */
  makeNamespace(): Promise<string>;
  /** A file that it can read. */
  writeFile(name: string, text: string): string;
}

/** A server with the way to run a command where it can be reached. */
interface Server {
  readonly kubeconfig: string;
  run(argv: readonly string[], options: RunOptions): Promise<RunResult>;
  close(): Promise<void>;
}

const clients = [
  ["1.20", findOldKubectl()],
  ["1.37", findKubernetesProgram("kubectl")],
] as const;

/** What can be spoken to. */
type ServerName = "mesh" | "kubernetes";

const servers: Readonly<Record<ServerName, () => Promise<Server>>> = {
  mesh: startMeshServer,
  kubernetes: startKubernetes,
};

/** Describes the same behaviours for each kubectl and each of the servers. */
export function describeKubectl(
  name: string,
  wanted: readonly ServerName[],
  body: (scene: KubectlScene) => void,
): void {
  for (const serverName of wanted) {
    if (serverName === "kubernetes" && findKubernetesProgram("kube-apiserver") === undefined) {
      describe.skip(`${name}: no kube-apiserver on this machine; ${howToGetPeers}`, () => {});
      continue;
    }
    describe(`${name} (${serverName})`, () => {
      let server: Server | undefined;
      beforeAll(async () => {
        server = await servers[serverName]();
      }, 120_000);
      afterAll(async () => {
        await server?.close();
      }, 60_000);
      for (const [client, path] of clients) {
        if (path === undefined) {
          describe.skip(`kubectl ${client}: not on this machine; ${howToGetPeers}`, () => {});
          continue;
        }
        describe(`kubectl ${client}`, () => {
          const folder = mkdtempSync(join(tmpdir(), "lambient-kubectl-"));
          afterAll(() => rmSync(folder, { recursive: true, force: true }));
          body(makeScene({ client, path, serverName, folder, serverOf: () => server }));
        });
      }
    });
  }
}

function makeScene(given: {
  readonly client: string;
  readonly path: string;
  readonly serverName: ServerName;
  readonly folder: string;
  readonly serverOf: () => Server | undefined;
}): KubectlScene {
  const attempt: KubectlScene["attempt"] = (args, options = {}) => {
    const server = given.serverOf();
    if (server === undefined) throw new Error("Cannot run kubectl: its server did not start");
    return server.run([given.path, ...args], {
      ...options,
      // A home of its own: what another server said is remembered below it.
      env: { KUBECONFIG: server.kubeconfig, HOME: given.folder, ...options.env },
    });
  };
  const succeed = async (args: readonly string[], options: RunOptions = {}): Promise<string> => {
    const { code, stdout, stderr } = await attempt(args, options);
    if (code !== 0)
      throw new Error(`kubectl ${args.join(" ")} exited ${code}: ${stderr.trim()} ${stdout.trim()}`);
    return stdout;
  };
  return {
    client: given.client,
    server: given.serverName,
    attempt,
    run: (...args) => succeed(args),
    feed: (input, ...args) => succeed(args, { input }),
    async makeNamespace() {
      const name = `t-${crypto.randomUUID().slice(0, 8)}`;
      await succeed(["create", "namespace", name]);
      return name;
    },
    writeFile(name, text) {
      const path = join(given.folder, name);
      writeFileSync(path, text);
      return path;
    },
  };
}

async function startMeshServer(): Promise<Server> {
  const mesh = await startMesh({ flags: ["--pool-size", "1"] });
  return {
    kubeconfig: join(mesh.runDir, "kubeconfig"),
    run: (argv, options) => mesh.host.run(argv, options),
    async close() {
      await mesh.down();
      await mesh.host.close();
    },
  };
}

async function startKubernetes(): Promise<Server> {
  const server = await startKubeApiserver();
  return {
    kubeconfig: server.kubeconfig,
    run: runHere,
    close: async () => await server[Symbol.asyncDispose](),
  };
}

async function runHere(argv: readonly string[], options: RunOptions): Promise<RunResult> {
  const child = Bun.spawn([...argv], {
    env: { ...process.env, ...options.env },
    stdin: options.input === undefined ? "ignore" : new TextEncoder().encode(options.input),
    stdout: "pipe",
    stderr: "pipe",
    timeout: options.timeoutMs ?? 60_000,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, signal: child.signalCode === null ? null : String(child.signalCode), stdout, stderr };
}
