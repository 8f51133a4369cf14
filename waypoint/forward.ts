/** The last stage: sends the request to its destination and gives its answer; another instance is tried only while nothing was sent. */
import type { Framing, RequestHead, ResponseHead } from "#core/http1/head.ts";
import type { HeaderField } from "#core/h2/header-field.ts";
import { endToEndFields, framingFields, upgradeAsked } from "#core/http1/hop.ts";
import type { ServiceBackend } from "#core/proto/lambient/discovery_pb.js";
import type { ByteStream } from "#host/byte-stream.ts";
import type { Clock } from "#host/clock.ts";
import { splice } from "#host/tunnel/splice.ts";
import type { BodySource } from "./body.ts";
import { type Exchange, refuse } from "./exchange.ts";
import { leaseInstance } from "./lease.ts";
import type { InstanceLeases } from "./instance-leases.ts";
import type { TracedOutcome } from "./open-traced.ts";
import { type Destination, instanceDestination, serviceDestination } from "./open-upstream.ts";
import { withTraceparent } from "./trace.ts";
import type { UpstreamConnection, UpstreamFailure } from "./upstream-connection.ts";
import type { UpstreamPool } from "./upstream-pool.ts";

/** What forwarding needs. */
export interface ForwardOptions {
  readonly pool: UpstreamPool;
  /** Opens a stream to a destination on behalf of the exchange's caller. */
  readonly open: (exchange: Exchange, destination: Destination) => Promise<TracedOutcome>;
  readonly leases: InstanceLeases;
  readonly clock: Clock;
  /** Connections tried for one request at most. */
  readonly attemptsMax: number;
  /** The endpoint of a service that a request goes to; undefined when none can take it. */
  readonly endpointFor: (exchange: Exchange, backend: ServiceBackend) => Destination | undefined;
}

/** Forwards and resolves with the answer, or with a refusal of ours. */
export async function forward(exchange: Exchange, options: ForwardOptions): Promise<Response> {
  for (;;) {
    const destination = destinationOf(exchange, options);
    if (destination === undefined) return refuse(exchange, withoutDestination(exchange));
    exchange.attempts++;
    const opened = await connectionTo(exchange, destination, options);
    const response =
      opened.kind === "connection"
        ? await sendOn(exchange, opened.connection, options)
        : await afterFailure(exchange, opened, options);
    if (response !== undefined) return response;
  }
}

function destinationOf(exchange: Exchange, { endpointFor }: ForwardOptions): Destination | undefined {
  const { route, lease } = exchange;
  if (route?.kind !== "service") return lease === undefined ? undefined : instanceDestination(lease);
  return route.backend.direct ? endpointFor(exchange, route.backend) : serviceDestination(route.backend);
}

function withoutDestination({ route }: Exchange): Parameters<typeof refuse>[1] {
  if (route?.kind === "service" && route.backend.direct) {
    const detail = `no healthy upstream: ${route.backend.hostname}`;
    return { status: 503, flag: "UH", detail, text: "no healthy upstream", retryAfterS: 1 };
  }
  return { status: 500, flag: "UH", detail: "the backend cannot be reached as configured" };
}

type Connection =
  | { readonly kind: "connection"; readonly connection: UpstreamConnection }
  | Exclude<TracedOutcome, { kind: "opened" }>;

async function connectionTo(
  exchange: Exchange,
  destination: Destination,
  { pool, open }: ForwardOptions,
): Promise<Connection> {
  exchange.upstream = destination.target;
  exchange.upstreamIdentity = destination.identities?.[0];
  const reused = pool.take(destination.key, exchange.caller.key);
  if (reused !== undefined) return { kind: "connection", connection: reused };
  const outcome = await open(exchange, destination);
  if (outcome.kind !== "opened") return outcome;
  return { kind: "connection", connection: pool.adopt(outcome, destination.key, exchange.caller.key) };
}

/** Nothing was sent: tries again with another lease (undefined), or says why not. */
async function afterFailure(
  exchange: Exchange,
  failure: Exclude<TracedOutcome, { kind: "opened" }>,
  options: ForwardOptions,
): Promise<Response | undefined> {
  const { lease } = exchange;
  if (failure.kind === "denied") {
    lease?.release();
    const text = "the destination does not admit this caller";
    return refuse(exchange, { status: 403, flag: "RBAC", detail: failure.reason, text });
  }
  lease?.discard();
  if (exchange.ending.isOver || exchange.attempts >= options.attemptsMax) {
    const text = "no connection to the upstream";
    return refuse(exchange, { status: 503, flag: "UF", detail: failure.reason, text, retryAfterS: 1 });
  }
  if (exchange.route?.kind !== "revision") return undefined;
  exchange.lease = undefined;
  return await leaseInstance(exchange, exchange.route.backend, options.leases);
}

/** Sends; undefined when the request can be sent again without having been served. */
function sendOn(
  exchange: Exchange,
  connection: UpstreamConnection,
  options: ForwardOptions,
): Response | Promise<Response | undefined> {
  if (exchange.ending.isOver) {
    connection.close();
    exchange.lease?.release();
    return refuse(exchange, { status: 499, flag: "DC", detail: "the caller went away" });
  }
  if (exchange.trace.context.sampled) exchange.trace.links.push(connection.context);
  const answered = Promise.withResolvers<Response | undefined>();
  const protocol = exchange.body === undefined ? upgradeAsked(exchange.head) : undefined;
  const giveUp = exchange.ending.onOver(() => connection.abort());
  const stopClock = startTimeout(exchange, connection, { answered, clock: options.clock });
  connection.send(
    {
      head: upstreamHead(exchange, protocol),
      framing: exchange.framing,
      body: exchange.body,
      mayUpgrade: protocol !== undefined,
    },
    {
      onInformational: (head) =>
        exchange.port.informational({ ...head, headers: endToEndFields(head.headers) }),
      onHead: (head, framing, body) => answered.resolve(takeAnswer(exchange, head, { framing, body })),
      onUpgrade(head, stream, rest) {
        giveUp();
        stopClock();
        joinStreams(exchange, head, { stream, rest });
        answered.resolve(new Response(null));
      },
      onFailure(failure) {
        // Whoever breaks off a request has most likely crashed: the next one must not meet it before the node says so.
        if (failure.kind !== "protocol" && !exchange.ending.isOver) exchange.lease?.discard();
        answered.resolve(
          isUnserved(exchange, failure, options) ? undefined : refuseFailure(exchange, failure),
        );
      },
      onOver() {
        giveUp();
        stopClock();
        exchange.lease?.release();
      },
    },
  );
  return answered.promise;
}

/**
 * A waypoint that falls asleep ends its idle connections, and a request may cross with that end: it was not read, so it is
 * sent again. An instance gets no second request, since its end in order may also be a crash in the midst of the first.
 */
function isUnserved(exchange: Exchange, failure: UpstreamFailure, { attemptsMax }: ForwardOptions): boolean {
  return (
    failure.kind === "ended" &&
    exchange.route?.kind === "service" &&
    exchange.route.backend.waypointAddress.length > 0 &&
    exchange.body === undefined &&
    exchange.attempts < attemptsMax &&
    !exchange.ending.isOver
  );
}

function takeAnswer(
  exchange: Exchange,
  head: ResponseHead,
  rest: { readonly framing: Framing; readonly body: BodySource },
): Response {
  const marker = new Response(null, { status: head.status });
  exchange.answer = { head, ...rest, marker };
  return marker;
}

function refuseFailure(exchange: Exchange, { kind, error }: UpstreamFailure): Response {
  const flag = exchange.flag === "-" ? (kind === "protocol" ? "UPE" : "UC") : exchange.flag;
  const text =
    kind === "protocol" ? "the upstream did not answer in HTTP" : "the upstream ended before it answered";
  return refuse(exchange, { status: 502, flag, detail: error.message, text });
}

/** The route's timeout covers the whole exchange: before the head it is a 504, after it the response is cut. */
function startTimeout(
  exchange: Exchange,
  connection: UpstreamConnection,
  {
    answered,
    clock,
  }: { readonly answered: PromiseWithResolvers<Response | undefined>; readonly clock: Clock },
): () => void {
  const timeoutMs =
    exchange.route !== undefined && "timeoutMs" in exchange.route ? exchange.route.timeoutMs : 0;
  if (timeoutMs === 0) return nothing;
  const timer = clock.after(timeoutMs, () => {
    const detail = `no whole response within ${timeoutMs} ms`;
    if (exchange.answer === undefined)
      answered.resolve(refuse(exchange, { status: 504, flag: "UT", detail }));
    else Object.assign(exchange, { flag: "UT", detail });
    connection.abort();
  });
  return () => timer.cancel();
}

/** The head as it goes on: what belonged to the caller's connection replaced by what this one needs. */
function upstreamHead(exchange: Exchange, protocol: string | undefined): RequestHead {
  const fields: HeaderField[] = withTraceparent(endToEndFields(exchange.head.headers), exchange.trace);
  fields.push(...framingFields(exchange.framing));
  if (protocol !== undefined) fields.push(["connection", "upgrade"], ["upgrade", protocol]);
  if (!fields.some(([name]) => name === "host")) fields.unshift(["host", exchange.service.hostname]);
  return { ...exchange.head, headers: fields };
}

/** After a 101 bytes pass both ways untouched until either side ends. */
function joinStreams(
  exchange: Exchange,
  head: ResponseHead,
  upstream: { readonly stream: ByteStream; readonly rest: Uint8Array },
): void {
  const headers = [...endToEndFields(head.headers)];
  for (const [name, value] of head.headers) if (name === "upgrade") headers.push([name, value]);
  headers.push(["connection", "upgrade"]);
  exchange.isUpgraded = true;
  exchange.status = 101;
  const caller = exchange.port.upgrade({ ...head, headers });
  const isWhole =
    upstream.stream.write(caller.rest) === caller.rest.length &&
    caller.stream.write(upstream.rest) === upstream.rest.length;
  const joined = splice(caller.stream, upstream.stream, (end) => {
    exchange.bytesReceived += end.bytesFromA + caller.rest.length;
    exchange.bytesSent += end.bytesFromB + upstream.rest.length;
    if (end.error !== undefined && exchange.flag === "-")
      Object.assign(exchange, { flag: "UC", detail: end.error.message });
    exchange.lease?.release();
    exchange.port.upgradeOver();
  });
  exchange.ending.onOver(() => joined.cut(new Error("the exchange was given up")));
  // More came along with the switch than a fresh stream takes at once: nobody does that in good faith.
  if (!isWhole) joined.cut(new Error("too many bytes before the upgrade was answered"));
}

function nothing(): void {}
