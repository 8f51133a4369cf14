/**
 * `npm run demo`: a mesh, a shop deployed into it, 200 calls from outside, and what they show.
 * `--once` tears everything down and exits 1 if anything did not hold; `--json` prints the evidence as one object;
 * `--api-port` and `--edge-port` say where on 127.0.0.1, free ports when absent.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { bunEnvironment } from "../tests/support/bun-in-pods.ts";
import { defaultRunDir } from "../runtime/cli/mesh-paths.ts";
import { buildChain, type ToldSpan } from "../runtime/cli/trace/chain.ts";
import {
  checkEvidence,
  coldCalls,
  type Evidence,
  identityHops,
  latencies,
  shopCalls,
  tally,
} from "./demo/evidence.ts";
import { type Call, type MeshProcess, startMeshProcess } from "./demo/mesh-process.ts";
import { openNode } from "./demo/node-instances.ts";
import { enrolPlainPods } from "./demo/plain-pods.ts";
import { formatReport } from "./demo/report.ts";

const { values: flags } = parseArgs({
  options: {
    once: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    "api-port": { type: "string", default: "0" },
    "edge-port": { type: "string", default: "0" },
  },
});
const examples = join(import.meta.dir, "../functions/examples");
const folder = mkdtempSync(join(tmpdir(), "lambient-demo-"));
const place = {
  runDir: flags.once ? join(folder, "run") : defaultRunDir,
  dataDir: join(folder, "data"),
  apiPort: flags["api-port"],
  edgePort: flags["edge-port"],
};

let isGood = false;
try {
  isGood = await main();
} catch (error) {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
}
rmSync(folder, { recursive: true, force: true });
process.exit(isGood ? 0 : 1);

async function main(): Promise<boolean> {
  say("Bringing the mesh up …");
  const started = performance.now();
  const mesh = await startMeshProcess(place, bunEnvironment);
  const upMs = Math.round(performance.now() - started);
  const interrupted = new Promise<void>((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
  try {
    const found = await gather(mesh, upMs);
    const checks = checkEvidence(found);
    if (flags.json) console.log(JSON.stringify({ ...found, checks }, null, 2));
    else console.log(formatReport(found, checks));
    if (!flags.once) {
      tellWhatToTry(mesh);
      await Promise.race([interrupted, mesh.ended]);
    }
    return checks.every(({ holds }) => holds) && (await end(mesh));
  } catch (error) {
    await end(mesh);
    throw error;
  }
}

async function gather(mesh: MeshProcess, upMs: number): Promise<Evidence> {
  for (const name of ["shop", "shop-next", "other", "hello"]) {
    say(`Deploying functions/examples/${name} …`);
    await mesh.command("deploy", join(examples, name));
  }
  const listed = await mesh.json<ListedFunction[]>("list", "functions");
  say(`Calling web ${shopCalls} times …`);
  const calls: Call[] = [];
  for (let i = 0; i < shopCalls; i++) calls.push(await mesh.call("web.shop", { path: `/?item=apple${i}` }));
  say(`Forcing ${coldCalls} cold calls of hello …`);
  const cold = await callCold(mesh);
  say("Following one call …");
  const traced = await trace(mesh);
  say("Asking as a stranger, and awaiting the schedule …");
  const stranger = JSON.parse((await mesh.call("snoop.other")).body) as {
    readonly status: number;
    readonly body: string;
  };
  const reports = await awaitReports(mesh);
  say("Labelling the namespace of two Pods that talk …");
  const pods = await enrolPlainPods(mesh);
  return {
    upMs,
    functions: listed.map(({ metadata, status }) => ({
      name: `${metadata.name}.${metadata.namespace}`,
      revision: status?.latestReadyRevision ?? "",
    })),
    statuses: tally(calls.map((call) => String(call.status))),
    split: tally(calls.flatMap(priceRevision)),
    firstCallMs: calls[0]?.ms ?? Number.NaN,
    warm: latencies(calls.slice(1).map((call) => call.ms)),
    cold: latencies(cold.map((call) => call.ms)),
    coldProcesses: new Set(
      cold.map((call) => (JSON.parse(call.body) as { readonly process: string }).process),
    ).size,
    coldRungs: tally(cold.map(rungOf)),
    identities: identityHops(traced.spans),
    refusal: { status: stranger.status, body: stranger.body },
    traceId: traced.traceId,
    hops: buildChain(traced.spans),
    reports,
    pods,
  };
}

interface ListedFunction {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly status?: { readonly latestReadyRevision?: string };
}

function priceRevision(call: Call): string[] {
  const page = JSON.parse(call.body) as {
    readonly cart?: { readonly items?: readonly { readonly price?: string }[] };
  };
  const revision = page.cart?.items?.[0]?.price;
  return revision === undefined ? [] : [revision];
}

function rungOf(call: Call): string {
  return /rung;desc="?(\w+)"?/.exec(call.headers.get("server-timing") ?? "")?.[1] ?? "unknown";
}

/** Each call finds no process of the function: its owner, the node runtime, is asked until it has none. */
async function callCold(mesh: MeshProcess): Promise<Call[]> {
  const calls: Call[] = [];
  const node = await openNode(mesh.place);
  // The first call wakes the group's waypoint as well; it is not of the samples.
  await mesh.call("hello.hello");
  while (calls.length < coldCalls) {
    await awaitCondition("no instance of hello is left and a slot is ready", async () => {
      const [namespaces, ready] = await Promise.all([node.namespaces(), node.readySlots()]);
      return !namespaces.includes("hello") && ready > 1;
    });
    calls.push(await mesh.call("hello.hello"));
  }
  node.close();
  return calls;
}

async function trace(
  mesh: MeshProcess,
): Promise<{ readonly traceId: string; readonly spans: readonly ToldSpan[] }> {
  const traceId = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("hex");
  const parent = Buffer.from(crypto.getRandomValues(new Uint8Array(8))).toString("hex");
  const answer = await mesh.call("web.shop", { headers: { traceparent: `00-${traceId}-${parent}-01` } });
  const told = /^00-([0-9a-f]{32})-/.exec(answer.headers.get("traceresponse") ?? "")?.[1] ?? traceId;
  return { traceId: told, spans: await awaitSpans(mesh, told) };
}

async function awaitSpans(mesh: MeshProcess, traceId: string): Promise<readonly ToldSpan[]> {
  const { spans } = await mesh.json<{ readonly spans: readonly ToldSpan[] }>("trace", traceId, "--spans");
  return spans;
}

async function awaitReports(mesh: MeshProcess): Promise<readonly string[]> {
  const held: { lines: readonly string[] } = { lines: [] };
  await awaitCondition("the schedule runs", async () => {
    const lines = await mesh.json<{ readonly text: string }[]>("logs", "report.shop");
    held.lines = lines.map(({ text }) => text).filter((text) => text.startsWith("report of"));
    return held.lines.length > 0;
  });
  return held.lines;
}

async function awaitCondition(what: string, question: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await question())) {
    if (performance.now() > deadline) throw new Error(`Cannot wait longer until ${what}`);
    await Bun.sleep(10);
  }
}

async function end(mesh: MeshProcess): Promise<boolean> {
  say("Ending the mesh …");
  const code = await mesh.stop();
  if (code !== 0) console.error(`The mesh ended with exit code ${code}`);
  const isLeft = existsSync(place.runDir);
  if (isLeft) console.error(`The mesh left ${place.runDir}`);
  return code === 0 && !isLeft;
}

function tellWhatToTry(mesh: MeshProcess): void {
  console.error(
    [
      "",
      "The mesh stays up until Ctrl-C. In another terminal try:",
      "  npm run --silent lambient -- list",
      "  npm run --silent lambient -- invoke web.shop --trace",
      "  npm run --silent lambient -- logs report.shop --follow",
      "  npm run --silent lambient -- status",
      `  curl -H "Host: web.shop" "${mesh.edge}/?item=pear"`,
      `  export KUBECONFIG=${join(mesh.place.runDir, "kubeconfig")}`,
      "  kubectl get functions,pods --all-namespaces",
      "  kubectl --namespace plain logs client --follow",
      "  kubectl label namespace plain istio.io/dataplane-mode-",
      "",
    ].join("\n"),
  );
}

function say(text: string): void {
  console.error(text);
}
