/** The peers of the cold start: `deno serve` and `workerd`, each a process started for one request. Fetched by npm into the bench's cache. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { timeRequest } from "./cold-request.ts";

/** A peer, ready to be started. */
export interface ColdPeer {
  readonly name: string;
  readonly version: string;
  /** The command for a port. */
  readonly argv: (port: number) => string[];
}

const peers = { deno: "2.9.6", workerd: "1.20261117.1" } as const;
const startDeadlineMs = 10_000;

/** Installs them where they are absent. @throws Error when npm does not */
export async function fetchColdPeers(cacheDir: string): Promise<readonly ColdPeer[]> {
  const folder = join(cacheDir, "coldstart");
  mkdirSync(folder, { recursive: true });
  const wanted = JSON.stringify({ private: true, dependencies: peers });
  const manifest = join(folder, "package.json");
  const isThere =
    existsSync(join(folder, "node_modules/.bin/workerd")) && existsSync(join(folder, "node_modules/deno"));
  if (!isThere || readFileSync(manifest, "utf8") !== wanted) {
    writeFileSync(manifest, wanted);
    const npm = Bun.spawn(["npm", "install", "--no-audit", "--no-fund"], {
      cwd: folder,
      stdout: "ignore",
      stderr: "inherit",
    });
    if ((await npm.exited) !== 0)
      throw new Error("Cannot fetch deno and workerd: npm install failed; see above");
  }
  writeFileSync(join(folder, "deno.js"), `export default { fetch: () => new Response("hello") };\n`);
  writeFileSync(
    join(folder, "worker.js"),
    `export default { async fetch() { return new Response("hello"); } };\n`,
  );
  const deno = await findBinary(folder, "node_modules/@deno/*/deno");
  const workerd = await findBinary(folder, "node_modules/@cloudflare/workerd-*/bin/workerd");
  return [
    {
      name: "deno serve",
      version: peers.deno,
      argv: (port) => [
        deno,
        "serve",
        "--no-config",
        "--host",
        "127.0.0.1",
        "--port",
        String(port),
        join(folder, "deno.js"),
      ],
    },
    {
      name: "workerd",
      version: peers.workerd,
      argv: (port) => [workerd, "serve", writeWorkerdConfig(folder, port)],
    },
  ];
}

/** Starts a peer's process, asks until it answers, and ends it: milliseconds from before the start to the whole response. */
export async function timePeer(peer: ColdPeer): Promise<number> {
  const port = freePort();
  const argv = peer.argv(port);
  const startedMs = performance.now();
  const child = Bun.spawn(argv, { stdout: "ignore", stderr: "ignore" });
  try {
    for (;;) {
      try {
        const { status } = await timeRequest(port, "hello");
        if (status === 200) return performance.now() - startedMs;
      } catch (error) {
        if (performance.now() - startedMs > startDeadlineMs || child.exitCode !== null) {
          throw new Error(`Cannot measure ${peer.name}: it does not answer`, { cause: error });
        }
      }
      // A pause, so that asking does not take the core that the peer starts on.
      await Bun.sleep(0.5);
    }
  } finally {
    child.kill("SIGKILL");
    await child.exited;
  }
}

/** The program itself, not the script in front of it, which would start a Node process first. */
async function findBinary(folder: string, pattern: string): Promise<string> {
  for await (const path of new Bun.Glob(pattern).scan({ cwd: folder, absolute: true })) return path;
  throw new Error(`Cannot find ${pattern} below ${folder}; delete that folder and run again`);
}

function writeWorkerdConfig(folder: string, port: number): string {
  const path = join(folder, "workerd.capnp");
  writeFileSync(
    path,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (modules = [(name = "worker", esModule = embed "worker.js")], compatibilityDate = "2026-01-01"))],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")]
);
`,
  );
  return path;
}

function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop(true);
  return port;
}
