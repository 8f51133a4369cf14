/** Chooses a request's backend by HTTPRoute rules in their order of precedence and by weight; nothing is sent here. */
import type { RequestHead } from "#core/http1/head.ts";
import type { Backend, RevisionBackend, Route, ServiceBackend } from "#core/proto/lambient/discovery_pb.js";
import { compileMatch, type RequestTest } from "./match-request.ts";

/** Where a request goes. */
export type RouteDecision =
  | {
      readonly kind: "revision";
      readonly route: string;
      readonly timeoutMs: number;
      readonly backend: RevisionBackend;
    }
  | {
      readonly kind: "service";
      readonly route: string;
      readonly timeoutMs: number;
      readonly backend: ServiceBackend;
    }
  /** Answered 404. */
  | { readonly kind: "no-route" }
  /** The share of a reference that resolves to nothing, or a rule whose weights are all zero: answered 500. */
  | { readonly kind: "invalid"; readonly route: string; readonly reason: string };

/** One rule, ready to be asked. */
export interface CompiledRoute {
  readonly name: string;
  readonly timeoutMs: number;
  /** Any of them; none matches everything. */
  readonly tests: readonly RequestTest[];
  readonly backends: readonly Backend[];
  readonly weightTotal: number;
}

/** The rules of one service in order of precedence. */
export interface CompiledRoutes {
  readonly routes: readonly CompiledRoute[];
  /** What could not be read: such a match never holds, the others of its rule do. */
  readonly problems: readonly string[];
}

/** Compiles rules once, for any number of requests. */
export function compileRoutes(routes: readonly Route[]): CompiledRoutes {
  const problems: string[] = [];
  const compiled = routes.map((route): CompiledRoute => {
    const tests: RequestTest[] = [];
    for (const match of route.matches) {
      const test = compileMatch(match);
      if (test.ok) tests.push(test.value);
      else {
        problems.push(`${route.name}: ${test.error}`);
        tests.push(() => false);
      }
    }
    const weightTotal = route.backends.reduce((sum, backend) => sum + backend.weight, 0);
    const { name, backends } = route;
    return { name, timeoutMs: Number(route.timeoutMs), tests, backends, weightTotal };
  });
  return { routes: compiled, problems };
}

/** Decides for a request. @param fraction a random number in [0, 1) that the weights divide. */
export function decideRoute(
  routes: readonly CompiledRoute[],
  head: RequestHead,
  fraction: number,
): RouteDecision {
  for (const route of routes) {
    if (route.tests.length === 0 || route.tests.some((test) => test(head)))
      return chooseBackend(route, fraction);
  }
  return { kind: "no-route" };
}

function chooseBackend(route: CompiledRoute, fraction: number): RouteDecision {
  let left = fraction * route.weightTotal;
  for (const { weight, target } of route.backends) {
    left -= weight;
    // Strictly below zero: a backend of weight zero is never chosen, not even by fraction 0.
    if (left >= 0 || weight === 0) continue;
    const { name, timeoutMs } = route;
    if (target.case === "revision")
      return { kind: "revision", route: name, timeoutMs, backend: target.value };
    if (target.case === "service") return { kind: "service", route: name, timeoutMs, backend: target.value };
    return { kind: "invalid", route: name, reason: target.value ?? "the backend names nothing" };
  }
  return { kind: "invalid", route: route.name, reason: "no backend has a weight" };
}

/** The revision that every request would go to, whatever it asks; undefined where there are several, or other backends. */
export function soleRevision(routes: readonly CompiledRoute[]): RevisionBackend | undefined {
  let sole: RevisionBackend | undefined;
  for (const { weight, target } of routes.flatMap((route) => route.backends)) {
    if (weight === 0) continue;
    if (target.case !== "revision" || (sole !== undefined && sole.uid !== target.value.uid)) return undefined;
    sole = target.value;
  }
  return sole;
}
