/** The demo's mesh: `lambient up` as a process of its own, further commands beside it, and calls through its edge. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Where the demo's mesh lives. */
export interface Place {
  readonly runDir: string;
  readonly dataDir: string;
  /** As flags; 0 takes a free one. */
  readonly apiPort: string;
  readonly edgePort: string;
}

/** A mesh that the demo brought up. */
export interface MeshProcess {
  readonly place: Place;
  readonly api: string;
  readonly edge: string;
  /** Runs a command. @throws Error with what it said when it fails */
  command(...args: string[]): Promise<string>;
  /** Runs a command with `-o json`. */
  json<Answer>(...args: string[]): Promise<Answer>;
  /** Calls a function from outside. */
  call(
    target: string,
    init?: { readonly path?: string; readonly headers?: Readonly<Record<string, string>> },
  ): Promise<Call>;
  /** Ends it. @returns its exit code */
  stop(): Promise<number>;
  /** Settles when it ends by itself. */
  readonly ended: Promise<number>;
}

/** One call and how long it took. */
export interface Call {
  readonly status: number;
  readonly body: string;
  readonly headers: Headers;
  readonly ms: number;
}

const root = join(import.meta.dir, "../..");
const lambient = [process.execPath, join(root, "runtime/cli/main.ts")];
const readyMs = 60_000;
const askEveryMs = 20;
const callTimeoutMs = 30_000;

/** Brings a mesh up and waits until it runs. @throws Error with its words when it does not come up */
export async function startMeshProcess(
  place: Place,
  env: Readonly<Record<string, string>> = {},
): Promise<MeshProcess> {
  const folders = ["--run-dir", place.runDir, "--data-dir", place.dataDir];
  const flags = [...folders, "--api-port", place.apiPort, "--edge-port", place.edgePort];
  const child = Bun.spawn([...lambient, "up", ...flags], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, ...env },
  });
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  const deadline = performance.now() + readyMs;
  while (!stdout.text.includes("The mesh runs.")) {
    if (child.exitCode !== null || performance.now() > deadline) {
      child.kill("SIGTERM");
      await child.exited;
      throw new Error(`Cannot bring the mesh up: ${stderr.text.trim() || "it said nothing"}`);
    }
    await Bun.sleep(askEveryMs);
  }
  const { api, edge } = JSON.parse(readFileSync(join(place.runDir, "endpoints.json"), "utf8")) as {
    api: string;
    edge: string;
  };
  const command = (...args: string[]): Promise<string> => runCommand(place, args);
  return {
    place,
    api,
    edge,
    command,
    json: async <Answer>(...args: string[]): Promise<Answer> =>
      JSON.parse(await command(...args, "-o", "json")) as Answer,
    call: (target, init = {}) => call(edge, target, init),
    async stop() {
      child.kill("SIGTERM");
      return child.exited;
    },
    ended: child.exited,
  };
}

async function runCommand(place: Place, args: readonly string[]): Promise<string> {
  const child = Bun.spawn(
    [...lambient, ...args, ...(args[0] === "completion" ? [] : ["--run-dir", place.runDir])],
    {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      env: { ...process.env, NO_COLOR: "1" },
    },
  );
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if ((await child.exited) !== 0)
    throw new Error(`lambient ${args.join(" ")}: ${stderr.trim() || stdout.trim()}`);
  return stdout;
}

async function call(
  ...[edge, target, init]: [string, string, Parameters<MeshProcess["call"]>[1]]
): Promise<Call> {
  const started = performance.now();
  const response = await fetch(edge + (init?.path ?? "/"), {
    headers: { ...init?.headers, host: target },
    signal: AbortSignal.timeout(callTimeoutMs),
  });
  const body = await response.text();
  return { status: response.status, body, headers: response.headers, ms: performance.now() - started };
}

function collect(stream: ReadableStream<Uint8Array>): { text: string } {
  const collected = { text: "" };
  const decoder = new TextDecoder();
  const read = async (): Promise<void> => {
    for await (const bytes of stream)
      collected.text = (collected.text + decoder.decode(bytes, { stream: true })).slice(-65_536);
  };
  void read();
  return collected;
}
