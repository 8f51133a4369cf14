import { expect, test } from "bun:test";
import type { ToldSpan } from "../../runtime/cli/trace/chain.ts";
import { checkEvidence, type Evidence, expectedHops, identityHops, latencies, tally } from "./evidence.ts";

const span = {
  kind: "span",
  depth: 0,
  label: "",
  startMs: 0,
  durationMs: 1,
  ownMs: 1,
  isDerived: false,
  error: undefined,
  attributes: {},
  peers: undefined,
} as const;

const good: Evidence = {
  upMs: 1000,
  functions: [],
  statuses: { "200": 200 },
  split: { v1: 180, v2: 20 },
  firstCallMs: 50,
  warm: { count: 199, p50: 2, p99: 3 },
  cold: { count: 60, p50: 8 },
  coldProcesses: 60,
  coldRungs: { pooled: 60 },
  identities: expectedHops.map(([from, to]) => ({ from, to, seenBy: "ztunnel" })),
  refusal: { status: 403, body: "access denied" },
  traceId: "0".repeat(32),
  hops: ["edge", "waypoint", "function", "waypoint", "function", "waypoint", "function"].map((service) => ({
    ...span,
    service,
  })),
  reports: ["report of now: 200 {}"],
  pods: {
    labelledBy: "kubectl",
    wordBefore: 9,
    wordAfter: 0,
    tunnelPackets: 90,
    enrolMs: 20,
    serverSvid: "URI:spiffe://cluster.local/ns/plain/sa/server",
    isSameClient: true,
    restarts: 0,
    calls: 100,
    failedCalls: 0,
  },
};

test("checkEvidence() holds for what a mesh shows", () => {
  expect(checkEvidence(good).filter(({ holds }) => !holds)).toEqual([]);
});

test.each([
  ["a failed call", { statuses: { "200": 199, "503": 1 } }, "every call was answered 200"],
  ["a revision that nobody met", { split: { v1: 200 } }, "both revisions of price answered"],
  ["an answer without a price", { split: { v1: 100, v2: 20 } }, "price answered each call"],
  [
    "a hop that nobody saw",
    { identities: good.identities.slice(1) },
    "each hop is a tunnel between the right two identities",
  ],
  ["a stranger who is let in", { refusal: { status: 200, body: "" } }, "the stranger was refused"],
  ["too few cold calls", { cold: { count: 49, p50: 8 }, coldProcesses: 49 }, "at least 50 forced cold calls"],
  ["a process that served twice", { coldProcesses: 59 }, "each cold call had a process of its own"],
  [
    "a warm call among the cold",
    { coldRungs: { pooled: 59, running: 1 } },
    "no cold call was served by a running instance",
  ],
  ["a span that is missing", { hops: good.hops.slice(1) }, "the trace shows edge, waypoints and functions"],
  ["a schedule that failed", { reports: ["report of now: 502 {}"] }, "the schedule ran and saw the shop"],
  [
    "Pods that were never in the clear",
    { pods: { ...good.pods, wordBefore: 0 } },
    "before the label the Pods' words were on the wire",
  ],
  [
    "words after the label",
    { pods: { ...good.pods, wordAfter: 1 } },
    "after it they were in no packet, and tunnels were",
  ],
  [
    "another's certificate",
    { pods: { ...good.pods, serverSvid: "URI:spiffe://cluster.local/ns/plain/sa/client" } },
    "the server's Pod shows its own identity",
  ],
  [
    "a call that the label broke",
    { pods: { ...good.pods, failedCalls: 1 } },
    "the same processes went on, and no call failed",
  ],
] as const)("checkEvidence() finds %s", (_, change, name) => {
  const failed = checkEvidence({ ...good, ...change }).filter(({ holds }) => !holds);
  expect(failed.map((check) => check.name)).toEqual([name]);
});

test("latencies() gives no p99 below 100 samples", () => {
  expect(latencies([3, 1, 2])).toEqual({ count: 3, p50: 2 });
  expect(latencies(Array.from({ length: 100 }, (_, i) => i + 1))).toEqual({ count: 100, p50: 50, p99: 99 });
});

function told(service: string, attributes: ToldSpan["attributes"]): ToldSpan {
  return {
    traceId: "t",
    spanId: "s",
    name: "n",
    startMs: 0,
    endMs: 1,
    attributes,
    links: [],
    service,
    instance: "i",
    resource: {},
    relation: "own",
  };
}

test("tally() counts, identityHops() tells each pair once", () => {
  expect(tally(["a", "b", "a"])).toEqual({ a: 2, b: 1 });
  const pair = { "source.identity": "a", "destination.identity": "b" };
  const hops = identityHops([
    told("edge", { "lambient.caller": "e", "lambient.callee": "w" }),
    told("ztunnel", pair),
    told("ztunnel", pair),
    told("ztunnel", { "source.identity": "", "destination.identity": "b" }),
    told("waypoint", { "lambient.caller": "a", "lambient.callee": "b" }),
  ]);
  expect(hops).toEqual([
    { from: "e", to: "w", seenBy: "edge" },
    { from: "a", to: "b", seenBy: "ztunnel" },
  ]);
});
