/** HTTPRoutes and a function's traffic → a service's routes, in the order in which they are tried. */
import { create } from "@bufbuild/protobuf";
import {
  type Backend,
  PathMatch_Kind,
  type Route,
  type RouteMatch,
  RouteMatchSchema,
  RouteSchema,
  ValueMatch_Kind,
  type ValueMatch,
  ValueMatchSchema,
} from "#core/proto/lambient/discovery_pb.js";
import type { MeshIndex } from "./mesh-index.ts";
import type { ServiceObject } from "../model/core-objects.ts";
import type {
  HttpRouteObject,
  ParentRef,
  RouteMatch as RouteMatchSpec,
  RouteRule,
  ValueMatch as ValueMatchSpec,
} from "../model/http-route.ts";
import { functionLabel } from "./mesh-objects.ts";
import { parseDurationMs } from "./duration.ts";
import { comparePrecedence, type RankedMatch } from "./route-precedence.ts";
import {
  endpointsBackend,
  functionBackends,
  invalidBackend,
  translateBackendRefs,
} from "./translate-backends.ts";

/** A service's routes; the last, `default`, has no matches: a Service with routes of its own and no function has none. */
export function translateRoutes(index: MeshIndex, service: ServiceObject): readonly Route[] {
  const attached = index.objects.routes.filter((route) => isAttached(route, service));
  const ranked = attached.flatMap(matchesOf).sort(comparePrecedence);
  return [
    ...ranked.map((each) => translateMatch(index, each)),
    ...defaultRoutes(index, service, attached.length > 0),
  ];
}

/** Whether a route's parent is the service, itself or by its function. */
export function isParent(ref: ParentRef, service: ServiceObject, routeNamespace: string): boolean {
  const { namespace, name, labels } = service.metadata;
  if (routeNamespace !== namespace || (ref.namespace ?? routeNamespace) !== namespace) return false;
  if (ref.port !== undefined && !(service.spec.ports ?? []).some(({ port }) => port === ref.port))
    return false;
  if (isServiceRef(ref)) return ref.name === name;
  return isFunctionRef(ref) && ref.name === labels?.[functionLabel];
}

/** Whether a parent is a Service. */
export function isServiceRef(ref: ParentRef): boolean {
  return ref.kind === "Service" && ["", "core"].includes(ref.group);
}

/** Whether a parent is a Function. */
export function isFunctionRef(ref: ParentRef): boolean {
  return ref.group === "lambient.dev" && ref.kind === "Function";
}

/** Filters that are not carried out: a rule that has one must not serve as if it had none. */
export function unsupportedFilters(rule: RouteRule): readonly string[] {
  return (rule.filters ?? []).map(({ type }) => type);
}

function isAttached(route: HttpRouteObject, service: ServiceObject): boolean {
  return (route.spec.parentRefs ?? []).some((ref) => isParent(ref, service, route.metadata.namespace));
}

function matchesOf(route: HttpRouteObject): RankedMatch[] {
  return route.spec.rules.flatMap((rule, ruleIndex) =>
    rule.matches.map((match) => ({ route, ruleIndex, match })),
  );
}

function translateMatch(index: MeshIndex, { route, ruleIndex, match }: RankedMatch): Route {
  const { namespace, name } = route.metadata;
  const rule = route.spec.rules[ruleIndex] ?? { matches: [] };
  const filters = unsupportedFilters(rule);
  const backends =
    filters.length > 0
      ? [invalidBackend(`filter ${filters.join(", ")} is not supported`, 1)]
      : translateBackendRefs(index, namespace, rule.backendRefs ?? []).backends;
  return create(RouteSchema, {
    name: `${namespace}/${name}/${rule.name ?? ruleIndex}`,
    matches: [translateConditions(match)],
    backends: backends.length > 0 ? [...backends] : [invalidBackend("the rule has no backend", 1)],
    timeoutMs: BigInt(parseDurationMs(rule.timeouts?.request) ?? 0),
  });
}

/** A function's requests are shared out as its traffic says; others go to the endpoints, unless there are routes: what none matches is not found (GEP-1294). */
function defaultRoutes(index: MeshIndex, service: ServiceObject, hasRoutes: boolean): Route[] {
  const { namespace, labels } = service.metadata;
  const key = `${namespace}/${labels?.[functionLabel]}`;
  if (index.functions.has(key)) return [defaultRoute(functionBackends(index, key))];
  return hasRoutes ? [] : [defaultRoute([endpointsBackend(index, service, 0)])];
}

function defaultRoute(backends: readonly Backend[]): Route {
  return create(RouteSchema, { name: "default", backends: [...backends] });
}

function translateConditions(match: RouteMatchSpec): RouteMatch {
  const { path, headers = [], queryParams = [], method } = match;
  return create(RouteMatchSchema, {
    path: { kind: pathKind(path?.type), value: path?.value ?? "/" },
    headers: headers.map(valueMatch),
    query: queryParams.map(valueMatch),
    method: method ?? "",
  });
}

function pathKind(type: string | undefined): PathMatch_Kind {
  if (type === "Exact") return PathMatch_Kind.EXACT;
  return type === "RegularExpression" ? PathMatch_Kind.REGEX : PathMatch_Kind.PREFIX;
}

function valueMatch({ type, name, value }: ValueMatchSpec): ValueMatch {
  const kind = type === "RegularExpression" ? ValueMatch_Kind.REGEX : ValueMatch_Kind.EXACT;
  return create(ValueMatchSchema, { kind, name, value });
}
