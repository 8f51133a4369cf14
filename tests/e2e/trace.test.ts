/** One call's trace on a whole mesh: each program's spans come from that program alone and survive its sleep; and what programs count. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ToldSpan } from "../../runtime/cli/trace/chain.ts";
import { type Mesh, startMesh } from "../support/mesh.ts";
import { waitUntil } from "../support/wait-until.ts";

const longMs = 30_000;
const awake = { scale: { idleMs: 600_000 } };
const front = `export default {
  async fetch() {
    const answer = await fetch("http://back/");
    return new Response("front of " + (await answer.text()));
  },
};`;
const back = `export default { fetch: () => new Response("back") };`;

/** Whose spans are held back, by which of the tokens, and where that is counted. */
const rows = [
  { service: "edge", token: "edge", admin: "edge", counter: "lambient_spans_dropped" },
  {
    service: "waypoint",
    token: "waypoint",
    admin: "waypoint.t-waypoint.waypoint",
    counter: "lambient_spans_dropped",
  },
  { service: "ztunnel", token: "ztunnel", admin: "ztunnel", counter: "lambient_spans_dropped" },
  {
    service: "function",
    token: "node-runtime",
    admin: "node-runtime",
    counter: "lambient_function_spans_dropped_total",
  },
] as const;

/**
 * What one cold call through front and back leaves. The edge: its request and its stream to the waypoint. The waypoint: two requests and
 * its streams to the two instances. ztunnel: a connection to each instance and one of front's. Each function its request.
 */
const whole = { edge: 2, waypoint: 4, ztunnel: 3, function: 2 };
const callerSpan = "00f067aa0ba902b7";

let mesh: Mesh;
beforeAll(async () => {
  mesh = await startMesh({ env: { LAMBIENT_WAYPOINT_IDLE_MS: "6000" }, flags: ["--pool-size", "8"] });
  for (const service of ["nobody", "sleeper", ...rows.map((row) => row.service)]) {
    // A waypoint sleeps only once its functions do.
    const scale = { idleMs: service === "sleeper" ? 500 : 600_000 };
    const callee = { source: back, scale };
    const functions = { front: { source: front, scale }, back: callee, warm: callee, late: callee };
    await mesh.deployFunctions(`t-${service}`, functions);
  }
}, 120_000);
afterAll(async () => {
  await mesh.down();
  await mesh.host.close();
}, 60_000);

/** Calls through a chain of cold functions with a trace of its own; the waypoint is awake already, so that it needs its token no more. */
async function callCold(service: string): Promise<{ readonly traceId: string; readonly sinceMs: number }> {
  await wake(service);
  return callTraced(`front.t-${service}`);
}

/** Wakes the group's waypoint by a call that leaves no span, so that none is taken for the next call's. */
async function wake(service: string): Promise<void> {
  const traceparent = `00-${randomBytes(16).toString("hex")}-${callerSpan}-00`;
  expect((await mesh.call(`warm.t-${service}`, { headers: { traceparent } })).status).toBe(200);
}

async function callTraced(target: string): Promise<{ readonly traceId: string; readonly sinceMs: number }> {
  const sinceMs = Date.now();
  const traceId = randomBytes(16).toString("hex");
  const { status, body } = await mesh.call(target, {
    headers: { traceparent: `00-${traceId}-${callerSpan}-01` },
  });
  expect([status, body]).toEqual([200, "front of back"]);
  return { traceId, sinceMs };
}

async function spansOf(traceId: string): Promise<readonly ToldSpan[]> {
  const { status, body } = await mesh.apiFetch(`/traces/${traceId}`);
  return status === 200 ? (JSON.parse(body) as { readonly spans: readonly ToldSpan[] }).spans : [];
}

/** Everything that the store has of spans begun since then, by program: also what no link leads to. */
async function countSince(sinceMs: number): Promise<Record<string, number>> {
  const { body } = await mesh.apiFetch(`/traces?limit=1000&sinceMs=${sinceMs}`);
  const { traces } = JSON.parse(body) as { readonly traces: readonly { readonly traceId: string }[] };
  const told = await Promise.all(traces.map(({ traceId }) => spansOf(traceId)));
  const spans = new Map(told.flat().map((span) => [span.spanId, span]));
  const counts: Record<string, number> = {};
  for (const { service, startMs } of spans.values()) {
    if (startMs >= sinceMs) counts[service] = (counts[service] ?? 0) + 1;
  }
  return counts;
}

/** Metrics of a program, by its admin socket. */
async function metrics(program: string): Promise<string> {
  const unix = join(mesh.runDir, "admin", `${program}.sock`);
  return (await fetch("http://admin/metrics", { unix, keepalive: false })).text();
}

/** The sum of a metric's series whose labels hold all the texts. */
function sumOf(text: string | undefined, name: string, labels: readonly string[] = []): number {
  return (text ?? "")
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => labels.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

/** Makes a program's token worthless while something is done: its streams live on, but no span of its is taken. */
async function withoutExport<T>(program: string, action: () => Promise<T>): Promise<T> {
  const path = join(mesh.runDir, "tokens", program);
  const token = readFileSync(path, "utf8");
  writeFileSync(path, "withheld");
  try {
    return await action();
  } finally {
    writeFileSync(path, token);
  }
}

test("a call's trace holds every program's spans, one below the other", async () => {
  const { traceId, sinceMs } = await callCold("nobody");
  await waitUntil(
    "all spans are there",
    async () => Bun.deepEquals(await countSince(sinceMs), whole),
    longMs,
  ).catch(async () => expect(await countSince(sinceMs)).toEqual(whole));
  const spans = await spansOf(traceId);
  const own = spans.filter(({ relation }) => relation === "own");
  const chain: ToldSpan[] = [];
  for (let id: string | undefined = callerSpan; id !== undefined; id = chain.at(-1)?.spanId) {
    const next = own.find(({ parentSpanId }) => parentSpanId === id);
    if (next === undefined) break;
    chain.push(next);
  }
  const instances = await mesh.instances();
  const instanceOf = (name: string): string =>
    instances.find((found) => found.namespace === "t-nobody" && found.function === name)?.instance ?? "";
  expect(chain.map(({ service, instance }) => [service, instance])).toEqual([
    ["edge", "lambient-system/edge"],
    ["waypoint", "t-nobody/waypoint"],
    ["function", instanceOf("front")],
    ["waypoint", "t-nobody/waypoint"],
    ["function", instanceOf("back")],
  ]);
  // The connections between them are reached by links from the requests.
  const connections = spans.filter(({ service, relation }) => service === "ztunnel" && relation === "linked");
  const directions = connections.map(({ attributes }) => attributes["network.direction"]);
  expect(directions.filter((direction) => direction === "inbound")).toHaveLength(2);
  expect(directions.filter((direction) => direction === "outbound")).toHaveLength(1);
  expect(new Set(connections.map(({ instance }) => instance))).toEqual(new Set(["node-0"]));
}, 60_000);

test.each(rows)(
  "without the export of $service exactly its spans are missing",
  async ({ service, token, admin, counter }) => {
    await wake(service);
    const before = sumOf(await metrics(admin), counter);
    const { sinceMs } = await withoutExport(token, async () => {
      const call = await callCold(service);
      // What it told was refused, and is lost for good: it can come no more once the token is back.
      await waitUntil(
        "its spans are lost",
        async () => sumOf(await metrics(admin), counter) >= before + whole[service],
        longMs,
      );
      return call;
    });
    const { [service]: _, ...rest } = whole;
    await waitUntil(
      "the others' spans are there",
      async () => Bun.deepEquals(await countSince(sinceMs), rest),
      longMs,
    ).catch(async () => expect(await countSince(sinceMs)).toEqual(rest));
    // The control: with its token back its spans come again.
    const sinceAgainMs = Date.now();
    expect((await mesh.call(`late.t-${service}`)).status).toBe(200);
    await waitUntil("its spans are there", async () => (await countSince(sinceAgainMs))[service], longMs);
  },
  90_000,
);

async function toldByWaypoint(traceId: string): Promise<number> {
  const spans = await spansOf(traceId);
  return spans.filter(({ service, relation }) => service === "waypoint" && relation === "own").length;
}

test("a waypoint's spans outlive its sleep, and it is traced again once woken", async () => {
  const { traceId } = await callCold("sleeper");
  await waitUntil(
    "the waypoint's spans are there",
    async () => (await toldByWaypoint(traceId)) === 2,
    longMs,
  );
  const socket = join(mesh.runDir, "admin/waypoint.t-sleeper.waypoint.sock");
  await waitUntil("the waypoint sleeps", () => !existsSync(socket), longMs);
  expect(await toldByWaypoint(traceId)).toBe(2);
  const again = await callTraced("front.t-sleeper");
  await waitUntil(
    "the woken waypoint's spans are there",
    async () => (await toldByWaypoint(again.traceId)) === 2,
    longMs,
  );
}, 90_000);

/** Labels of what a service of the namespace was asked and answered well. */
function to(name: string): string[] {
  return [`destination_service="${name}.counted.svc.cluster.local"`, 'response_code="200"'];
}

test("each program counts what was done, under Istio's names", async () => {
  await mesh.deployFunctions("counted", {
    front: { source: front.replace("back/", "back.counted/"), ...awake },
    back: { source: back, ...awake },
  });
  for (let i = 0; i < 20; i++) expect((await mesh.call("front.counted")).status).toBe(200);
  const [edge, waypoint, ztunnel, node, plane] = await Promise.all(
    ["edge", "waypoint.counted.waypoint", "ztunnel", "node-runtime", "control-plane"].map(metrics),
  );
  expect(sumOf(edge, "istio_requests_total", ['reporter="edge"', ...to("front")])).toBe(20);
  expect(sumOf(edge, "istio_response_bytes_sum", to("front"))).toBe(20 * "front of back".length);
  for (const [name, source] of [
    ["front", "cluster.local/ns/lambient-system/sa/edge"],
    ["back", "cluster.local/ns/counted/sa/front"],
  ] as const) {
    const labels = [
      'reporter="waypoint"',
      `source_principal="${source}"`,
      `destination_principal="cluster.local/ns/counted/sa/${name}"`,
      'connection_security_policy="mutual_tls"',
      ...to(name),
    ];
    expect([name, sumOf(waypoint, "istio_requests_total", labels)]).toEqual([name, 20]);
    expect([name, sumOf(waypoint, "istio_request_duration_milliseconds_count", labels)]).toEqual([name, 20]);
  }
  for (const [reporter, party] of [
    ["destination", 'destination_principal="spiffe://cluster.local/ns/counted/sa/back"'],
    ["source", 'source_principal="spiffe://cluster.local/ns/counted/sa/front"'],
  ] as const) {
    const labels = [`reporter="${reporter}"`, party, 'connection_security_policy="mutual_tls"'];
    const opened = sumOf(ztunnel, "istio_tcp_connections_opened_total", [...labels, 'response_flags="-"']);
    expect(opened).toBeGreaterThan(0);
    expect(opened).toBeLessThanOrEqual(20);
    for (const name of ["istio_tcp_sent_bytes_total", "istio_tcp_received_bytes_total"])
      expect(sumOf(ztunnel, name, labels)).toBeGreaterThan(20 * "back".length);
    expect(sumOf(ztunnel, "istio_tcp_connections_failed_total", labels)).toBe(0);
  }
  expect(sumOf(ztunnel, "istio_dns_requests_total", ['source_canonical_service="front"'])).toBeGreaterThan(0);
  expect(sumOf(node, "lambient_activations_total", ['result="ok"'])).toBeGreaterThan(1);
  expect(sumOf(plane, "citadel_server_success_cert_issuance_count")).toBeGreaterThan(1);
  expect(sumOf(plane, "pilot_xds")).toBeGreaterThanOrEqual(3);
}, 60_000);
