/** `lambient trace`: one request's whole chain with the time of each hop, and who spoke to whom on the connections that carried it. */
import { systemClock } from "#host/clock.ts";
import { MeshError, meshErrorCode } from "#host/mesh-error.ts";
import { type MeshApi, openMeshApi } from "../api/mesh-api.ts";
import { type Console, paint } from "../console.ts";
import { formatAge, formatTable, type OutputFormat, printResult } from "../output.ts";
import { buildChain, type ChainHop, type ToldSpan } from "./chain.ts";

/** The command's flags. */
export interface TraceOptions {
  readonly runDir: string;
  readonly format: OutputFormat;
  /** Tells the spans as they were recorded, too: in JSON and YAML. */
  readonly spans?: boolean;
}

interface TraceRow {
  readonly traceId: string;
  readonly startMs: number;
  readonly durationMs: number;
  readonly spans: number;
  readonly name: string;
  readonly services: readonly string[];
  readonly failed: boolean;
}

/** Spans come in batches: a trace is whole this long after its end, and no batch waits longer. */
const settleMs = 2000;
const askEveryMs = 100;
/** So many answers without a new span, and it is taken for whole: longer than a batch waits. */
const quietAsks = 4;

/**
 * Runs the command for one trace, waiting a little while for spans that are on their way.
 * @throws MeshError `not-found` when it is not known
 */
export async function trace(console: Console, traceId: string, options: TraceOptions): Promise<void> {
  if (!/^[0-9a-f]{32}$/.test(traceId)) {
    throw new MeshError(
      "bad-input",
      `Cannot read "${traceId}" as a trace id: it is 32 hex digits, as in an answer's traceresponse`,
    );
  }
  const spans = await fetchWhole(openMeshApi(options.runDir), traceId);
  const hops = buildChain(spans);
  const data = { traceId, hops, ...(options.spans === true ? { spans } : {}) };
  printResult(console, options.format, data, () => describeChain(console, traceId, hops));
}

/** Runs the command without an id: lists the latest traces. */
export async function listTraces(console: Console, options: TraceOptions): Promise<void> {
  const api = openMeshApi(options.runDir);
  const { traces } = (await api.json({ path: "/traces?limit=20" })) as {
    readonly traces: readonly TraceRow[];
  };
  const now = systemClock.nowMs();
  printResult(console, options.format, traces, () =>
    formatTable({
      head: ["TRACE", "AGE", "TIME", "SPANS", "NAME", "PROGRAMS"],
      rows: traces.map((row) => [
        paint(console, row.failed ? "bad" : "strong", row.traceId),
        formatAge(now - row.startMs),
        `${row.durationMs.toFixed(2)} ms`,
        String(row.spans),
        row.name,
        row.services.join(" "),
      ]),
    }),
  );
}

/** The spans of a trace once their number does not grow any more. @throws KubeError `not-found` when none came */
export async function fetchWhole(api: MeshApi, traceId: string): Promise<readonly ToldSpan[]> {
  const deadline = systemClock.monotonicMs() + settleMs;
  let spans: readonly ToldSpan[] = [];
  for (let quiet = 0; quiet < quietAsks;) {
    const isLast = systemClock.monotonicMs() > deadline;
    const now = await fetchSpans(api, traceId, isLast);
    quiet = now.length === spans.length && now.length > 0 ? quiet + 1 : 0;
    spans = now;
    if (isLast) break;
    await Bun.sleep(askEveryMs);
  }
  return spans;
}

async function fetchSpans(api: MeshApi, traceId: string, isLast: boolean): Promise<readonly ToldSpan[]> {
  try {
    return ((await api.json({ path: `/traces/${traceId}` })) as { readonly spans: readonly ToldSpan[] })
      .spans;
  } catch (error) {
    if (isLast || meshErrorCode(error) !== "not-found") throw error;
    return []; // its first batch is on the way
  }
}

/** A chain as a table. */
export function describeChain(console: Console, traceId: string, chain: readonly ChainHop[]): string {
  const rows = chain.map((hop) => {
    const indent = "  ".repeat(hop.depth) + (hop.isDerived ? "  ~ " : "");
    const name = `${indent}${hop.service} ${hop.label}`;
    const time = `${hop.isDerived ? "≤ " : ""}${hop.durationMs.toFixed(2)} ms`;
    const own = hop.isDerived ? "derived" : `${hop.ownMs.toFixed(2)} ms`;
    return [
      hop.isDerived ? paint(console, "dim", name) : name,
      `+${hop.startMs.toFixed(2)} ms`,
      time,
      own,
      detail(console, hop),
    ];
  });
  const total = chain[0]?.durationMs.toFixed(2) ?? "0";
  return `Trace ${traceId}, ${total} ms\n${formatTable({ head: ["HOP", "AT", "TIME", "OWN", ""], rows })}`;
}

function detail(console: Console, { error, isDerived, peers, attributes }: ChainHop): string {
  if (error !== undefined) return paint(console, "bad", error);
  if (isDerived) return peers === undefined ? "" : `${short(peers.source)} → ${short(peers.destination)}`;
  const [revision, status] = [attributes["lambient.revision"], attributes["http.response.status_code"]];
  return [revision, status].filter((part) => part !== undefined).join(" ");
}

/** An identity without what all of a mesh have in common. */
function short(identity: string): string {
  return identity.replace(/^spiffe:\/\/[^/]+\//, "");
}
