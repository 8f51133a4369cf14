import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "bun:test";
import type { RequestHead } from "#core/http1/head.ts";
import { PathMatch_Kind, RouteSchema } from "#core/proto/lambient/discovery_pb.js";
import { compileRoutes, decideRoute, type RouteDecision, soleRevision } from "./decide-route.ts";

type RouteInit = MessageInitShape<typeof RouteSchema>;

const head = (target: string): RequestHead => ({ method: "GET", target, version: "1.1", headers: [] });
const revision = (uid: string, weight: number): NonNullable<RouteInit["backends"]>[number] => ({
  weight,
  target: { case: "revision", value: { uid } },
});
const invalid = (weight: number): NonNullable<RouteInit["backends"]>[number] => ({
  weight,
  target: { case: "invalid", value: "service shop/gone does not exist" },
});

function decide(routes: RouteInit[], target: string, fraction: number): string {
  const compiled = compileRoutes(routes.map((route) => create(RouteSchema, route)));
  return describe(decideRoute(compiled.routes, head(target), fraction));
}

function describe(decision: RouteDecision): string {
  if (decision.kind === "revision") return `${decision.route} ${decision.backend.uid}`;
  if (decision.kind === "service") return `${decision.route} ${decision.backend.hostname}`;
  return decision.kind === "invalid" ? `${decision.route} invalid: ${decision.reason}` : decision.kind;
}

const byPath: RouteInit[] = [
  { name: "a", matches: [{ path: { value: "/a" } }, { method: "PUT" }], backends: [revision("s/a", 1)] },
  { name: "b", matches: [{ path: { value: "/" } }], backends: [revision("s/b", 1)] },
];
const split: RouteInit[] = [{ name: "w", backends: [revision("s/1", 90), revision("s/2", 10)] }];

test.each<[string, RouteInit[], string, number, string]>([
  ["the first rule that matches wins", byPath, "/a/x", 0, "a s/a"],
  ["else the next", byPath, "/x", 0, "b s/b"],
  ["no rule matches", [byPath[0] ?? {}], "/x", 0, "no-route"],
  ["no rules", [], "/x", 0, "no-route"],
  ["a rule without matches takes all", split, "/x", 0, "w s/1"],
  ["just below the weight", split, "/x", 0.8999, "w s/1"],
  ["at the weight", split, "/x", 0.9, "w s/2"],
  ["the end", split, "/x", 0.9999999, "w s/2"],
  [
    "weight zero is never chosen",
    [{ name: "z", backends: [revision("s/1", 0), revision("s/2", 5)] }],
    "/",
    0,
    "z s/2",
  ],
  [
    "weight zero at the end",
    [{ name: "z", backends: [revision("s/1", 5), revision("s/2", 0)] }],
    "/",
    0.9999999,
    "z s/1",
  ],
  [
    "all weights zero",
    [{ name: "z", backends: [revision("s/1", 0)] }],
    "/",
    0,
    "z invalid: no backend has a weight",
  ],
  ["no backends", [{ name: "z" }], "/", 0, "z invalid: no backend has a weight"],
  [
    "an invalid reference has its share",
    [{ name: "i", backends: [revision("s/1", 1), invalid(1)] }],
    "/",
    0.5,
    "i invalid: service shop/gone does not exist",
  ],
  [
    "and the valid one its own",
    [{ name: "i", backends: [revision("s/1", 1), invalid(1)] }],
    "/",
    0.49,
    "i s/1",
  ],
  [
    "a backend that names nothing",
    [{ name: "n", backends: [{ weight: 1 }] }],
    "/",
    0,
    "n invalid: the backend names nothing",
  ],
  [
    "a service",
    [{ name: "s", backends: [{ weight: 1, target: { case: "service", value: { hostname: "h" } } }] }],
    "/",
    0,
    "s h",
  ],
])("decideRoute(): %s", (...row) => {
  const [, routes, target, fraction, want] = row;
  expect(decide(routes, target, fraction)).toBe(want);
});

test("a match that cannot be read never holds, and is told", () => {
  const compiled = compileRoutes([
    create(RouteSchema, {
      name: "r",
      matches: [{ path: { kind: PathMatch_Kind.REGEX, value: "(" } }],
      backends: [revision("s/1", 1)],
    }),
  ]);
  expect(compiled.problems).toEqual(['r: Cannot read a match as a regular expression: "("']);
  expect(decideRoute(compiled.routes, head("/("), 0).kind).toBe("no-route");
});

test("90/10 over 100 000 requests stays within five standard deviations", () => {
  const compiled = compileRoutes(split.map((route) => create(RouteSchema, route)));
  const requests = 100_000;
  let second = 0;
  // A fixed generator (mulberry32), so that the test cannot fail by chance.
  let state = 42;
  const random = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < requests; i++) {
    if (describe(decideRoute(compiled.routes, head("/"), random())).endsWith("s/2")) second++;
  }
  const deviation = Math.sqrt(requests * 0.1 * 0.9);
  expect(Math.abs(second - requests * 0.1)).toBeLessThan(5 * deviation);
});

test.each<[string, RouteInit[], string | undefined]>([
  ["one revision", [{ backends: [revision("s/1", 1)] }], "s/1"],
  ["one with a weight", [{ backends: [revision("s/1", 1), revision("s/2", 0)] }], "s/1"],
  ["the same in two rules", [{ backends: [revision("s/1", 1)] }, { backends: [revision("s/1", 3)] }], "s/1"],
  ["two", split, undefined],
  ["an invalid one", [{ backends: [revision("s/1", 1), invalid(1)] }], undefined],
  ["none", [], undefined],
])("soleRevision() of %s", (_, routes, want) => {
  expect(soleRevision(compileRoutes(routes.map((route) => create(RouteSchema, route))).routes)?.uid).toBe(
    want,
  );
});
