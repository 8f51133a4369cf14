/** The order in which routes are tried (Gateway API, HTTPRouteRule): the most specific match first, then the oldest route. */
import type { HttpRouteObject, RouteMatch } from "../model/http-route.ts";

/** One match of one rule, to be put in order. */
export interface RankedMatch {
  readonly route: HttpRouteObject;
  readonly ruleIndex: number;
  readonly match: RouteMatch;
}

/** Compares: negative when `a` is tried first. */
export function comparePrecedence(a: RankedMatch, b: RankedMatch): number {
  return (
    compareSpecificity(a.match, b.match) ||
    compareText(a.route.metadata.creationTimestamp, b.route.metadata.creationTimestamp) ||
    compareText(nameOf(a.route), nameOf(b.route)) ||
    a.ruleIndex - b.ruleIndex
  );
}

function compareSpecificity(a: RouteMatch, b: RouteMatch): number {
  for (const measure of measures) {
    const difference = measure(b) - measure(a);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** In the standard's order; more is more specific. */
const measures: readonly ((match: RouteMatch) => number)[] = [
  pathRank,
  ({ path }) => path?.value.length ?? 1,
  ({ method }) => (method === undefined ? 0 : 1),
  ({ headers = [] }) => headers.length,
  ({ queryParams = [] }) => queryParams.length,
];

/** An exact path before a regular expression, whose place the standard leaves open, before a prefix. */
function pathRank({ path }: RouteMatch): number {
  if (path?.type === "Exact") return 2;
  return path?.type === "RegularExpression" ? 1 : 0;
}

function nameOf({ metadata }: HttpRouteObject): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
