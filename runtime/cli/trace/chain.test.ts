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

test("buildChain() puts callees below callers, tunnels between, and derives their time", () => {
  const connection = span("conn", undefined, [-500, 500], {
    traceId: "other",
    relation: "linked",
    service: "ztunnel",
  });
  const chain = buildChain([
    span("waypoint", "edge", [1, 9], { links: [{ traceId: "other", spanId: "conn" }] }),
    span("edge", undefined, [0, 10]),
    connection,
    span("function", "waypoint", [2.5, 8.5], { error: "boom" }),
    span("elsewhere", undefined, [0, 1], { relation: "linking" }),
  ]);
  expect(
    chain.map((hop) => [
      hop.kind,
      hop.depth,
      hop.label,
      hop.startMs,
      hop.durationMs,
      hop.ownMs,
      hop.isDerived,
    ]),
  ).toEqual([
    ["span", 0, "span edge", 0, 10, 2, false],
    ["tunnel", 0, "edge to waypoint", 0, 2, 2, true],
    ["span", 1, "span waypoint", 1, 8, 2, false],
    ["tunnel", 1, "waypoint to function", 1, 2, 2, true],
    ["span", 2, "span function", 2.5, 6, 6, false],
  ]);
  expect(chain.map((hop) => hop.connections.length)).toEqual([0, 1, 1, 0, 0]);
  expect(chain.at(-1)?.error).toBe("boom");
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
