/** The control plane as its own process with folders of a test, and the ways to reach it as each program does. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type ControlChannelOptions, controlChannelIn } from "#host/discovery/control-channel.ts";
import type { KubeClient } from "#host/kube/kube-client.ts";
import { openKubeClient } from "#host/kube/open-kube-client.ts";
import { writeTestTokens } from "./tokens.ts";
import { waitUntil } from "./wait-until.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** A control plane that runs, or ran. */
export interface ControlPlane extends AsyncDisposable {
  readonly runDir: string;
  readonly dataDir: string;
  readonly pid: number;
  /** The API as its administrator. */
  readonly kube: KubeClient;
  /** How a program reaches discovery and the authority. */
  channel(program: string): ControlChannelOptions;
  /** A request to `api.sock` as a program; none: without a token. */
  fetch(program: string | undefined, path: string, init?: RequestInit): Promise<Response>;
  /** `GET` of the admin socket. */
  admin(path: string): Promise<string>;
  /** What it has logged. */
  log(): string;
  start(): Promise<void>;
  stop(signal?: "SIGTERM" | "SIGKILL"): Promise<number>;
}

/** How it is started. */
export interface ControlPlaneOptions {
  readonly flags?: readonly string[];
}

/** Starts it and waits until it is ready. */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const folder = mkdtempSync(join(tmpdir(), "lambient-control-"));
  const [runDir, dataDir] = [join(folder, "run"), join(folder, "data")];
  const tokens = await writeTestTokens(runDir);
  let child: Bun.Subprocess<"ignore", "ignore", "pipe"> | undefined;
  let text = "";

  const plane: ControlPlane = {
    runDir,
    dataDir,
    get pid() {
      return child?.pid ?? 0;
    },
    kube: openKubeClient({
      socketPath: join(runDir, "api.sock"),
      caFile: join(runDir, "ca.pem"),
      tokenFile: join(runDir, "tokens", "admin"),
    }),
    channel: (program) => controlChannelIn(runDir, program),
    async fetch(program, path, init = {}) {
      const headers = new Headers(init.headers);
      if (program !== undefined) headers.set("authorization", `Bearer ${tokens[program] ?? program}`);
      return fetchFrom(`https://lambient.local${path}`, {
        ...init,
        headers,
        unix: join(runDir, "api.sock"),
        tls: { ca: await Bun.file(join(runDir, "ca.pem")).text() },
      });
    },
    async admin(path) {
      const unix = join(runDir, "admin", "control-plane.sock");
      return (await fetchFrom(`http://admin${path}`, { unix })).text();
    },
    log: () => text,
    async start() {
      const flags = ["--run-dir", runDir, "--data-dir", dataDir, "--api-port", "0", "--log-level", "debug"];
      child = Bun.spawn(
        [process.execPath, join(root, "k8s/control-plane/main.ts"), ...flags, ...(options.flags ?? [])],
        {
          stdin: "ignore",
          stdout: "ignore",
          stderr: "pipe",
        },
      );
      void readAll(child.stderr, (chunk) => (text += chunk));
      const { exited } = child;
      const ended = exited.then((code) => {
        throw new Error(`Cannot start the control plane: it ended with ${code}: ${text}`);
      });
      await Promise.race([
        ended,
        waitUntil(
          "the control plane is ready",
          async () => (await plane.admin("/healthz/ready")) === "ready\n",
        ),
      ]);
      ended.catch(() => {}); // its later end is what `stop` is for
    },
    async stop(signal = "SIGTERM") {
      child?.kill(signal);
      return (await child?.exited) ?? 0;
    },
    async [Symbol.asyncDispose]() {
      await plane.stop("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await plane.start();
  return plane;
}

/** No connection is kept: the server behind it may be another by the next request. */
function fetchFrom(path: string, init: BunFetchRequestInit): Promise<Response> {
  return fetch(path, { ...init, keepalive: false });
}

async function readAll(stream: ReadableStream<Uint8Array>, onText: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) onText(decoder.decode(chunk, { stream: true }));
}
