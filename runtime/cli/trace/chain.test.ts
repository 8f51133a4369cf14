import { expect, test } from "bun:test";
import { buildChain, type ToldSpan } from "./chain.ts";

function span(
  spanId: string,
  parentSpanId: string | undefined,
  times: readonly [number, number],
  more: Partial<ToldSpan> = {},
): ToldSpan {
  return {
    traceId: "t",
    spanId,
    ...(parentSpanId === undefined ? {} : { parentSpanId }),
    name: `span ${spanId}`,
    startMs: 1000 + times[0],
    endMs: 1000 + times[1],
    attributes: {},
    links: [],
    service: spanId,
    instance: "i",
    resource: {},
    relation: "own",
    ...more,
  };
}

const identities = (source: string, destination: string) => ({
  "source.identity": source,
  "destination.identity": destination,
});

test("buildChain() puts callees below callers, tunnels between, derives their time and finds their ends", () => {
  const linked = { relation: "linked", service: "ztunnel" } as const;
  const chain = buildChain([
    span("w", "e", [1, 9], {
      service: "waypoint",
      attributes: { "lambient.caller": "edge", "lambient.callee": "web" },
      links: [
        { traceId: "came", spanId: "x" },
        { traceId: "left", spanId: "y" },
      ],
    }),
    span("e", undefined, [0, 10], {
      service: "edge",
      attributes: { "lambient.caller": "edge", "lambient.callee": "waypoint" },
    }),
    span("in", undefined, [-500, 500], {
      ...linked,
      traceId: "came",
      attributes: identities("edge", "waypoint"),
    }),
    span("out", undefined, [-500, 500], {
      ...linked,
      traceId: "left",
      attributes: identities("waypoint", "web"),
    }),
    span("f", "w", [2.5, 8.5], { service: "function", error: "boom" }),
    span("w2", "f", [3, 8], { service: "waypoint", links: [{ traceId: "call", spanId: "z" }] }),
    span("call", undefined, [0, 1], {
      ...linked,
      traceId: "call",
      attributes: identities("web", "waypoint"),
    }),
    span("elsewhere", undefined, [0, 1], { relation: "linking" }),
  ]);
  const told = chain.map(({ kind, depth, label, startMs, durationMs, ownMs, isDerived }) => [
    kind,
    depth,
    label,
    startMs,
    durationMs,
    ownMs,
    isDerived,
  ]);
  expect(told).toEqual([
    ["span", 0, "span e", 0, 10, 2, false],
    ["tunnel", 0, "edge to waypoint", 0, 2, 2, true],
    ["span", 1, "span w", 1, 8, 2, false],
    ["tunnel", 1, "waypoint to function", 1, 2, 2, true],
    ["span", 2, "span f", 2.5, 6, 1, false],
    ["tunnel", 2, "function to waypoint", 2.5, 1, 1, true],
    ["span", 3, "span w2", 3, 5, 5, false],
  ]);
  expect(
    chain.flatMap(({ peers }) => (peers === undefined ? [] : [`${peers.source} ${peers.destination}`])),
  ).toEqual(["edge waypoint", "waypoint web", "web waypoint"]);
  expect(chain[4]?.error).toBe("boom");
});

test("children that overlap are counted once, and share what is left between their tunnels", () => {
  const chain = buildChain([span("a", undefined, [0, 10]), span("b", "a", [1, 6]), span("c", "a", [4, 8])]);
  expect(chain.map((hop) => [hop.label, hop.ownMs])).toEqual([
    ["span a", 3],
    ["a to b", 1.5],
    ["span b", 5],
    ["a to c", 1.5],
    ["span c", 4],
  ]);
});

test("a span whose caller is not told stands at the top; a circle ends", () => {
  expect(buildChain([span("b", "gone", [0, 1])]).map((hop) => hop.depth)).toEqual([0]);
  expect(buildChain([span("a", "b", [0, 1]), span("b", "a", [0, 1])])).toEqual([]);
  expect(buildChain([])).toEqual([]);
});
