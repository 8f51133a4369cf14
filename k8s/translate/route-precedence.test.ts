import { expect, test } from "bun:test";
import { routeObject } from "../../tests/support/kube-objects.ts";
import type { RouteMatch } from "../model/http-route.ts";
import { comparePrecedence, type RankedMatch } from "./route-precedence.ts";

interface Place {
  readonly name?: string;
  readonly creationTimestamp?: string;
  readonly ruleIndex?: number;
}

function ranked(
  match: RouteMatch,
  { name = "a", creationTimestamp = "1", ruleIndex = 0 }: Place = {},
): RankedMatch {
  const route = routeObject(name, { rules: [] });
  return { match, ruleIndex, route: { ...route, metadata: { ...route.metadata, creationTimestamp } } };
}

const exact = (value: string): RouteMatch => ({ path: { type: "Exact", value } });
const prefix = (value: string): RouteMatch => ({ path: { type: "PathPrefix", value } });
const header = { type: "Exact", name: "a", value: "b" } as const;

test.each([
  ["an exact path before a longer prefix", ranked(exact("/a")), ranked(prefix("/a/b/c"))],
  [
    "an expression before a prefix",
    ranked({ path: { type: "RegularExpression", value: "/a" } }),
    ranked(prefix("/a/b")),
  ],
  [
    "an exact path before an expression",
    ranked(exact("/a")),
    ranked({ path: { type: "RegularExpression", value: "/a.*" } }),
  ],
  ["a longer prefix before a shorter", ranked(prefix("/a/b")), ranked({ ...prefix("/a"), method: "GET" })],
  ["a prefix before no path", ranked(prefix("/a")), ranked({})],
  ["a method before headers", ranked({ method: "GET" }), ranked({ headers: [header, header] })],
  ["more headers before fewer", ranked({ headers: [header, header] }), ranked({ headers: [header] })],
  [
    "headers before query parameters",
    ranked({ headers: [header] }),
    ranked({ queryParams: [header, header] }),
  ],
  ["a query parameter before none", ranked({ queryParams: [header] }), ranked({})],
  ["the older route", ranked({}, { name: "b" }), ranked({}, { creationTimestamp: "2" })],
  ["the first by name", ranked({}, { ruleIndex: 5 }), ranked({}, { name: "b" })],
  ["the earlier rule", ranked({}), ranked({}, { ruleIndex: 1 })],
])("comparePrecedence(): %s", (_, first, second) => {
  expect(comparePrecedence(first, second)).toBeLessThan(0);
  expect(comparePrecedence(second, first)).toBeGreaterThan(0);
  expect(comparePrecedence(first, first)).toBe(0);
});
