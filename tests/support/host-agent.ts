/**
 * Init of a test host: runs inside the host's namespaces as their pid 1 and does there what a test asks over descriptor 3.
 * When the test goes away its channel closes, this ends, and the kernel ends every process of the host with it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { adoptChannel } from "#host/channel-socket.ts";
import { openLibc } from "#host/linux/libc.ts";
import { MeshError } from "#host/mesh-error.ts";
import { takeSnapshot } from "./host-snapshot.ts";

interface RunParams {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string;
  readonly timeoutMs: number;
}

interface Started {
  readonly process: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly stdout: Collected;
  readonly stderr: Collected;
}

interface Collected {
  text: string;
}

/** How often orphans that ended are looked for. */
const reapEveryMs = 200;
const noWait = 1;
/** Processes that Bun reaps. */
const own = new Set<number>();

/** Output beyond this is cut at its beginning, so that a channel's line can hold it. */
const outputCharactersMax = 200_000;
const started = new Map<number, Started>();

const methods: Readonly<Record<string, (params: never) => unknown>> = {
  run,
  spawn,
  wait,
  output,
  signal,
  fetch: get,
  snapshot,
};

await adoptChannel(3, {
  onRequest(method, params) {
    const found = methods[method];
    if (found === undefined) throw new MeshError("not-found", `Cannot do "${method}" on a test host`);
    // Sound: the only caller is test-host.ts, whose types these are.
    return found(params as never);
  },
  onNotify() {},
  onClose: () => process.exit(0),
});
const libc = openLibc();
setInterval(reapOrphans, reapEveryMs).unref();
// As pid 1 this ignores signals that it does not ask for.
process.on("SIGTERM", () => process.exit(0));

/** An init reaps whom others left behind: what is not reaped holds up the end of the pid namespace that it was born into. */
function reapOrphans(): void {
  for (const name of readdirSync("/proc")) {
    const pid = /^\d+$/.test(name) ? Number(name) : 0;
    if (pid === 0 || own.has(pid)) continue;
    if (isOrphanedZombie(name)) libc.attempt("wait4", pid, null, noWait, null);
  }
}

function isOrphanedZombie(pid: string): boolean {
  try {
    return /\) Z 1 /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false; // It went meanwhile.
  }
}

async function run(params: RunParams): Promise<unknown> {
  const child = Bun.spawn([...params.argv], {
    env: { ...process.env, ...params.env },
    ...(params.cwd === undefined ? {} : { cwd: params.cwd }),
    stdin: params.input === undefined ? "ignore" : Buffer.from(params.input),
    stdout: "pipe",
    stderr: "pipe",
    timeout: params.timeoutMs,
    killSignal: "SIGKILL",
  });
  own.add(child.pid);
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  const code = await child.exited;
  own.delete(child.pid);
  // A grandchild may hold the pipes open; what it says later is not waited for.
  await Promise.race([Promise.all([stdout.done, stderr.done]), Bun.sleep(200)]);
  return { code, signal: child.signalCode, stdout: stdout.text, stderr: stderr.text };
}

function spawn(params: RunParams): unknown {
  const child = Bun.spawn([...params.argv], {
    env: { ...process.env, ...params.env },
    ...(params.cwd === undefined ? {} : { cwd: params.cwd }),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  own.add(child.pid);
  void child.exited.then(() => own.delete(child.pid));
  started.set(child.pid, { process: child, stdout: collect(child.stdout), stderr: collect(child.stderr) });
  return { pid: child.pid };
}

async function wait({ pid }: { readonly pid: number }): Promise<unknown> {
  const { process: child, stdout, stderr } = find(pid);
  const code = await child.exited;
  return { code, signal: child.signalCode, stdout: stdout.text, stderr: stderr.text };
}

function output({ pid }: { readonly pid: number }): unknown {
  const { stdout, stderr } = find(pid);
  return { stdout: stdout.text, stderr: stderr.text };
}

function signal(params: { readonly pid: number; readonly signal: NodeJS.Signals }): unknown {
  process.kill(params.pid, params.signal);
  return {};
}

async function get(params: {
  readonly url: string;
  readonly init: RequestInit;
  readonly timeoutMs: number;
}): Promise<unknown> {
  const response = await fetch(params.url, {
    ...params.init,
    redirect: "manual",
    signal: AbortSignal.timeout(params.timeoutMs),
  });
  const body = await response.text();
  return {
    status: response.status,
    headers: [...response.headers],
    body: body.slice(0, outputCharactersMax),
  };
}

function snapshot(): unknown {
  return takeSnapshot(new Set([process.pid]));
}

function find(pid: number): Started {
  const found = started.get(pid);
  if (found === undefined)
    throw new MeshError("not-found", `Cannot find process ${pid} as one that was spawned here`);
  return found;
}

function collect(stream: ReadableStream<Uint8Array>): Collected & { readonly done: Promise<void> } {
  const collected = { text: "", done: Promise.resolve() };
  const decoder = new TextDecoder();
  const read = async (): Promise<void> => {
    for await (const bytes of stream) {
      collected.text = (collected.text + decoder.decode(bytes, { stream: true })).slice(-outputCharactersMax);
    }
  };
  collected.done = read();
  return collected;
}
