/** The stages that a request passes, in order, as a Hono application; what each does is in the file of its name. */
import { Hono, type MiddlewareHandler } from "hono";
import type { ApplicablePolicies } from "#core/policy/policy-set.ts";
import { decideRoute } from "#core/routing/decide-route.ts";
import type { ServiceEntry } from "#core/routing/service-table.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import { authorize } from "./authorize.ts";
import { type Exchange, refuse } from "./exchange.ts";
import { forward, type ForwardOptions } from "./forward.ts";
import { nameCaller, nameOutsider } from "./identify.ts";
import { lazyRequest } from "./lazy-request.ts";
import { leaseInstance } from "./lease.ts";

/** One step: answers the request itself, or leaves it to the next (undefined). */
export type Stage = (exchange: Exchange) => Response | undefined | Promise<Response | undefined>;

/** What the stages need. */
export interface PipelineOptions extends ForwardOptions {
  readonly own: SpiffeId;
  /** The policies that apply to a service now. */
  readonly policiesOf: (service: ServiceEntry) => ApplicablePolicies;
  /** A number in [0, 1), anew at each call. */
  readonly random: () => number;
  /** Waits a bounded time until services' endpoints are known; undefined when they are. */
  readonly endpointsKnown: () => Promise<void> | undefined;
  /** Told of what a stage threw: a fault of ours. */
  readonly onFault: (error: Error) => void;
}

type Handler = MiddlewareHandler<{ Bindings: Exchange }>;

/** A waypoint's stages. */
export function waypointStages(options: PipelineOptions): readonly Stage[] {
  return [
    (exchange) => nameCaller(exchange, options.own),
    (exchange) => authorize(exchange, options.policiesOf(exchange.service)),
    (exchange) => chooseRoute(exchange, options.random),
    (exchange) => leaseOf(exchange, options),
    (exchange) => knowEndpoints(exchange, options),
  ];
}

/** The edge's stages. */
export function edgeStages(options: PipelineOptions): readonly Stage[] {
  return [nameOutsider, (exchange) => chooseRoute(exchange, options.random)];
}

/** Makes the function that runs an exchange through the stages and forwards it; it never rejects. */
export function makePipeline(
  stages: readonly Stage[],
  options: PipelineOptions,
): (exchange: Exchange) => Promise<void> {
  // Hono routes by path; here every request takes the same way, and its head is the codec's, not a URL's.
  const app = new Hono<{ Bindings: Exchange }>({ getPath: () => "/" });
  app.use(keepResponse);
  for (const stage of stages) app.use(asHandler(stage));
  app.all(
    "*",
    asHandler((exchange) => forward(exchange, options)),
  );
  app.onError((error, context) => {
    options.onFault(error);
    context.env.lease?.release();
    return refuse(context.env, { status: 500, flag: "UH", detail: error.message, text: "internal error" });
  });
  return async (exchange) => {
    await app.fetch(lazyRequest(exchange), exchange);
  };
}

/** Takes the response before Hono makes another of it, as it does for HEAD. */
const keepResponse: Handler = async (context, next) => {
  await next();
  context.env.response = context.res;
};

function asHandler(stage: Stage): Handler {
  return (context, next) => {
    const answer = stage(context.env);
    if (answer === undefined) return next();
    return answer instanceof Promise ? afterwards(answer, next) : Promise.resolve(answer);
  };
}

async function afterwards(
  answer: Promise<Response | undefined>,
  next: () => Promise<void>,
): Promise<Response | undefined> {
  const settled = await answer;
  if (settled === undefined) await next();
  return settled;
}

function chooseRoute(exchange: Exchange, random: () => number): Response | undefined {
  const decision = decideRoute(exchange.service.routes, exchange.head, random());
  exchange.route = decision;
  if (decision.kind === "no-route") return refuse(exchange, noRoute(exchange));
  if (decision.kind === "invalid")
    return refuse(exchange, { status: 500, flag: "NR", detail: decision.reason, text: "invalid backend" });
  return undefined;
}

function noRoute(exchange: Exchange): Parameters<typeof refuse>[1] {
  const { caller, service } = exchange;
  const hint = "no such function: ask with the Host <function>.<namespace>, as in curl -H 'Host: web.shop'";
  const text = caller.isOutside && service.name === "" ? hint : "no route";
  return { status: 404, flag: "NR", detail: "no route matches", text };
}

function leaseOf(
  exchange: Exchange,
  { leases }: PipelineOptions,
): Response | undefined | Promise<Response | undefined> {
  return exchange.route?.kind === "revision"
    ? leaseInstance(exchange, exchange.route.backend, leases)
    : undefined;
}

/** A waypoint that has just begun to send to endpoints may be asked before it was told of them. */
async function learn(known: Promise<void>): Promise<undefined> {
  await known;
  return undefined;
}

function knowEndpoints(
  { route }: Exchange,
  { endpointsKnown }: PipelineOptions,
): undefined | Promise<undefined> {
  const known = route?.kind === "service" && route.backend.direct ? endpointsKnown() : undefined;
  return known === undefined ? undefined : learn(known);
}
