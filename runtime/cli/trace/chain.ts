/**
 * One trace as the chain that it is: each program's span below the one that called it, and between them the tunnels. ztunnel parses no
 * HTTP, so a tunnel has no time of its own in a request: it is derived from its neighbours' and marked so. Pure.
 */

/** A span as `GET /traces/<id>` tells it. */
export interface ToldSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  /** Milliseconds since the epoch, with fractions. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly error?: string;
  readonly service: string;
  readonly instance: string;
  readonly resource: Readonly<Record<string, string>>;
  /** `own` of the trace; `linked` of a connection that carried it; `linking` another request of that connection. */
  readonly relation: "own" | "linked" | "linking";
}

/** One line of the chain. */
export interface ChainHop {
  /** A program's span, or the tunnel between two of them. */
  readonly kind: "span" | "tunnel";
  /** How deep below the first span. */
  readonly depth: number;
  readonly service: string;
  readonly label: string;
  /** After the trace's begin. */
  readonly startMs: number;
  readonly durationMs: number;
  /** Of a span: without what it waited for others. */
  readonly ownMs: number;
  /** Not measured but what its neighbours leave. */
  readonly isDerived: boolean;
  readonly error: string | undefined;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  /** Of a tunnel: both ends' identities, as a program saw them in the other end's certificate. */
  readonly peers: PeerIdentities | undefined;
}

/** The two ends of a tunnel. */
export interface PeerIdentities {
  readonly source: string;
  readonly destination: string;
}

/** Depth beyond which spans are told no more: a trace can be made by anybody. */
const depthMax = 64;

/** The chain, callers before callees, in order of time. */
export function buildChain(spans: readonly ToldSpan[]): readonly ChainHop[] {
  const own = spans.filter((span) => span.relation === "own");
  const ids = new Set(own.map((span) => span.spanId));
  const roots = own.filter((span) => span.parentSpanId === undefined || !ids.has(span.parentSpanId));
  const story: Story = {
    beginMs: Math.min(...own.map((span) => span.startMs)),
    children: Map.groupBy(own, (span) => span.parentSpanId ?? ""),
    connections: Map.groupBy(
      spans.filter(({ relation }) => relation === "linked"),
      (span) => span.traceId,
    ),
  };
  return roots.toSorted(byStart).flatMap((root) => hopsOf(story, root, 0));
}

interface Story {
  readonly beginMs: number;
  readonly children: ReadonlyMap<string, readonly ToldSpan[]>;
  /** The spans of the connections that carried it, by their traces. */
  readonly connections: ReadonlyMap<string, readonly ToldSpan[]>;
}

function hopsOf(story: Story, span: ToldSpan, depth: number): ChainHop[] {
  if (depth > depthMax) return [];
  const children = (story.children.get(span.spanId) ?? []).toSorted(byStart);
  const ownMs = ownTime(span, children);
  const hop: ChainHop = {
    kind: "span",
    depth,
    service: span.service,
    label: span.name,
    startMs: round(span.startMs - story.beginMs),
    durationMs: round(span.endMs - span.startMs),
    ownMs: round(ownMs),
    isDerived: false,
    error: span.error,
    attributes: { ...span.resource, ...span.attributes },
    peers: undefined,
  };
  const below = children.flatMap((child) => [
    tunnelHop(story, { from: span, to: child, atMostMs: ownMs / children.length, depth }),
    ...hopsOf(story, child, depth + 1),
  ]);
  return [hop, ...below];
}

interface Tunnel {
  readonly from: ToldSpan;
  readonly to: ToldSpan;
  /** The caller's own time holds the way there and back, and so bounds it. */
  readonly atMostMs: number;
  readonly depth: number;
}

function tunnelHop(story: Story, { from, to, atMostMs, depth }: Tunnel): ChainHop {
  return {
    kind: "tunnel",
    depth,
    service: "ztunnel",
    label: `${from.service} to ${to.service}`,
    startMs: round(from.startMs - story.beginMs),
    durationMs: round(atMostMs),
    ownMs: round(atMostMs),
    isDerived: true,
    error: undefined,
    attributes: {},
    peers: findPeers(story, from, to),
  };
}

/** The ends of the tunnel between two spans. */
function findPeers(story: Story, from: ToldSpan, to: ToldSpan): PeerIdentities | undefined {
  const { "lambient.caller": caller, "lambient.callee": callee } = from.attributes;
  // The edge opens its tunnels itself, as itself.
  if (from.service === "edge" && typeof caller === "string" && typeof callee === "string") {
    return { source: caller, destination: callee };
  }
  const links = from.service === "function" ? to.links : from.links;
  const seen = links.flatMap(({ traceId }) => story.connections.get(traceId) ?? []).flatMap(identitiesOf);
  // A waypoint's request links the stream it came on as well as the one it left on: only the latter leads to the callee.
  return from.service === "function" ? seen[0] : seen.find(({ destination }) => destination === callee);
}

function identitiesOf({ attributes }: ToldSpan): readonly PeerIdentities[] {
  const { "source.identity": source, "destination.identity": destination } = attributes;
  if (typeof source !== "string" || typeof destination !== "string") return [];
  return source === "" || destination === "" ? [] : [{ source, destination }];
}

/** The span's time that none of its children covers. */
function ownTime(span: ToldSpan, children: readonly ToldSpan[]): number {
  let covered = 0;
  let untilMs = span.startMs;
  for (const child of children) {
    const from = Math.max(untilMs, child.startMs);
    const to = Math.min(span.endMs, child.endMs);
    if (to <= from) continue;
    covered += to - from;
    untilMs = to;
  }
  return Math.max(0, span.endMs - span.startMs - covered);
}

function byStart(a: ToldSpan, b: ToldSpan): number {
  return a.startMs - b.startMs;
}

/** Microseconds: what the programs' clocks can tell. */
function round(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}
