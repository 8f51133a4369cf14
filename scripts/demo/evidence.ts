/** What the demo found out, and whether that is what a mesh must show. Pure: gathering is in demo.ts, printing in report.ts. */
import type { ChainHop, ToldSpan } from "../../runtime/cli/trace/chain.ts";
import type { PodsEvidence } from "./plain-pods.ts";

/** Latencies of one kind of call, in milliseconds. */
export interface Latencies {
  readonly count: number;
  readonly p50: number;
  /** Absent below 100 samples: it would be the largest of a few. */
  readonly p99?: number;
}

/** Who spoke to whom over one tunnel. */
export interface IdentityHop {
  readonly from: string;
  readonly to: string;
  /** The program that saw it. */
  readonly seenBy: string;
}

/** Everything that the demo found out. */
export interface Evidence {
  readonly upMs: number;
  readonly functions: readonly { readonly name: string; readonly revision: string }[];
  readonly statuses: Readonly<Record<string, number>>;
  /** Answers of `price` by the revision that they name themselves. */
  readonly split: Readonly<Record<string, number>>;
  readonly firstCallMs: number;
  readonly warm: Latencies;
  readonly cold: Latencies;
  /** Different processes that served the cold calls, by their own word. */
  readonly coldProcesses: number;
  /** Rungs that served the cold calls. */
  readonly coldRungs: Readonly<Record<string, number>>;
  readonly identities: readonly IdentityHop[];
  readonly refusal: { readonly status: number; readonly body: string };
  readonly traceId: string;
  readonly hops: readonly ChainHop[];
  readonly reports: readonly string[];
  readonly pods: PodsEvidence;
}

/** One thing that must hold. */
export interface Check {
  readonly name: string;
  readonly holds: boolean;
  readonly got: string;
}

/** Calls through the whole shop. */
export const shopCalls = 200;
/** Forced cold calls. */
export const coldCalls = 60;
const coldCallsMin = 50;

const trust = "spiffe://cluster.local";
const edge = `${trust}/ns/lambient-system/sa/edge`;
const waypoint = `${trust}/ns/shop/sa/waypoint`;
const of = (name: string): string => `${trust}/ns/shop/sa/${name}`;

/** The tunnels that one call of the shop must go through, in order. */
export const expectedHops: readonly (readonly [from: string, to: string])[] = [
  [edge, waypoint],
  [waypoint, of("web")],
  [of("web"), waypoint],
  [waypoint, of("cart")],
  [of("cart"), waypoint],
  [waypoint, of("price")],
];

/** Everything that must hold, and whether it does. */
export function checkEvidence(found: Evidence): readonly Check[] {
  const missing = expectedHops.filter(
    ([from, to]) => !found.identities.some((hop) => hop.from === from && hop.to === to),
  );
  const traced = found.hops.filter((hop) => hop.kind === "span").map((hop) => hop.service);
  return [
    check("every call was answered 200", found.statuses["200"] === shopCalls, JSON.stringify(found.statuses)),
    check(
      "both revisions of price answered",
      (found.split["v1"] ?? 0) > 0 && (found.split["v2"] ?? 0) > 0,
      JSON.stringify(found.split),
    ),
    check("price answered each call", sum(found.split) === shopCalls, String(sum(found.split))),
    check(
      "each hop is a tunnel between the right two identities",
      missing.length === 0,
      missing.map((hop) => hop.join(" → ")).join("; ") || "all",
    ),
    check("the stranger was refused", found.refusal.status === 403, `${found.refusal.status}`),
    check(
      `at least ${coldCallsMin} forced cold calls`,
      found.cold.count >= coldCallsMin,
      String(found.cold.count),
    ),
    check(
      "each cold call had a process of its own",
      found.coldProcesses === found.cold.count,
      String(found.coldProcesses),
    ),
    check(
      "no cold call was served by a running instance",
      (found.coldRungs["running"] ?? 0) === 0,
      JSON.stringify(found.coldRungs),
    ),
    check(
      "the trace shows edge, waypoints and functions",
      count(traced, "edge") === 1 && count(traced, "waypoint") === 3 && count(traced, "function") === 3,
      traced.join(" "),
    ),
    check(
      "the schedule ran and saw the shop",
      found.reports.some((line) => line.includes(": 200 ")),
      `${found.reports.length} lines`,
    ),
    ...podChecks(found.pods),
  ];
}

function podChecks(pods: PodsEvidence): readonly Check[] {
  return [
    check(
      "before the label the Pods' words were on the wire",
      pods.wordBefore > 0,
      `in ${pods.wordBefore} packets`,
    ),
    check(
      "after it they were in no packet, and tunnels were",
      pods.wordAfter === 0 && pods.tunnelPackets > 0,
      `in ${pods.wordAfter} packets; ${pods.tunnelPackets} of tunnels`,
    ),
    check(
      "the server's Pod shows its own identity",
      pods.serverSvid === `URI:${trust}/ns/plain/sa/server`,
      pods.serverSvid,
    ),
    check(
      "the same processes went on, and no call failed",
      pods.isSameClient && pods.restarts === 0 && pods.failedCalls === 0,
      `${pods.restarts} restarts, ${pods.failedCalls} of ${pods.calls} calls failed`,
    ),
  ];
}

/** The identities of the tunnels in a trace's spans, each pair once, in order of time. */
export function identityHops(spans: readonly ToldSpan[]): readonly IdentityHop[] {
  const hops = new Map<string, IdentityHop>();
  for (const { attributes, service } of spans) {
    // The edge opens its tunnels itself; in all others one end is a ztunnel's.
    const names =
      service === "edge"
        ? ["lambient.caller", "lambient.callee"]
        : ["source.identity", "destination.identity"];
    const [from, to] = names.map((name) => attributes[name]);
    if (typeof from !== "string" || typeof to !== "string" || from === "" || to === "") continue;
    const key = `${from} ${to}`;
    if (!hops.has(key)) hops.set(key, { from, to, seenBy: service });
  }
  return [...hops.values()];
}

/** How often each value is there. */
export function tally(values: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}

/** The latencies' figures. */
export function latencies(samples: readonly number[]): Latencies {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    Number((sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN).toFixed(2));
  return { count: samples.length, p50: at(0.5), ...(samples.length < 100 ? {} : { p99: at(0.99) }) };
}

function check(name: string, holds: boolean, got: string): Check {
  return { name, holds, got };
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, value) => total + value, 0);
}

function count(values: readonly string[], wanted: string): number {
  return values.filter((value) => value === wanted).length;
}
