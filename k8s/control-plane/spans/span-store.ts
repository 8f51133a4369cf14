/** Spans in SQLite, of bounded number, so that a trace outlives the processes it tells of; not an index of attributes. */
import { Database } from "bun:sqlite";
import type { ResourceSpan, SpanResource } from "#core/telemetry/span-otlp.ts";
import type { Span } from "#core/telemetry/span.ts";

/** A trace in one line. */
export interface TraceSummary {
  readonly traceId: string;
  readonly startMs: number;
  readonly durationMs: number;
  readonly spans: number;
  /** Name of the earliest span. */
  readonly name: string;
  readonly services: readonly string[];
  readonly failed: boolean;
}

/** Which traces. */
export interface TraceQuery {
  readonly limit: number;
  /** Only traces in which this program has a span. */
  readonly service?: string;
  readonly sinceMs?: number;
}

/** See the file's head. */
export interface SpanStore {
  /** Keeps spans; the same span told again replaces itself. */
  add(spans: readonly ResourceSpan[]): void;
  /** Spans of a trace by their start. */
  ofTrace(traceId: string): readonly ResourceSpan[];
  /** Traces whose spans link spans of this one. */
  linkingTo(traceId: string): readonly ResourceSpan[];
  /** Latest first. */
  traces(query: TraceQuery): readonly TraceSummary[];
  readonly count: number;
  close(): void;
}

/** How much is kept and told. */
export interface SpanStoreLimits {
  /** Spans kept; the oldest go first. Default 100000. */
  readonly spansMax?: number;
  /** Spans told of one trace, its earliest, and of those that link it, the latest. Default 2000. */
  readonly traceSpansMax?: number;
}

interface Row {
  readonly body: string;
}

/** Opens the file, or `:memory:`. */
export function openSpanStore(path: string, limits: SpanStoreLimits = {}): SpanStore {
  const { spansMax = 100_000, traceSpansMax = 2000 } = limits;
  const db = new Database(path, { create: true, strict: true });
  // A power failure may cost the last spans; waiting for the disk at each batch would cost every request more.
  db.run("PRAGMA journal_mode = WAL");
  db.run("PRAGMA synchronous = OFF");
  // A small journal: on a small disk it would crowd out what matters more.
  db.run("PRAGMA wal_autocheckpoint = 128");
  db.run("PRAGMA journal_size_limit = 524288");
  for (const statement of schema) db.run(statement);
  const upsert = db.prepare<unknown, [string, string, string, number, number, string]>(
    "INSERT INTO spans (trace, span, service, start, failed, body) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (trace, span) DO UPDATE SET service = excluded.service, start = excluded.start, failed = excluded.failed, body = excluded.body",
  );
  const unlink = db.prepare<unknown, [string, string]>("DELETE FROM links WHERE trace = ? AND span = ?");
  const link = db.prepare<unknown, [string, string, string]>(
    "INSERT INTO links (trace, span, target) VALUES (?, ?, ?)",
  );
  // Numbers are given in order and the lowest go first, so their distance counts them, without a scan.
  const counted = db.prepare<{ n: number }, []>(
    "SELECT coalesce((SELECT max(number) FROM spans) - (SELECT min(number) FROM spans) + 1, 0) AS n",
  );
  let count = counted.get()?.n ?? 0;

  const insertAll = db.transaction((spans: readonly ResourceSpan[]) => {
    for (const each of spans) {
      const { span } = each;
      upsert.run(
        span.traceId,
        span.spanId,
        each.resource.service,
        span.startMs,
        span.error === undefined ? 0 : 1,
        JSON.stringify(each),
      );
      unlink.run(span.traceId, span.spanId);
      for (const { traceId } of span.links) link.run(span.traceId, span.spanId, traceId);
    }
    count = counted.get()?.n ?? 0;
    if (count > spansMax) count -= dropOldest(db, count - Math.floor(spansMax * 0.9));
  });

  const read = (sql: string, traceId: string): ResourceSpan[] =>
    db
      .query<Row, [string, number]>(sql)
      .all(traceId, traceSpansMax)
      .map(({ body }) => readBody(body));

  return {
    add: (spans) => insertAll(spans),
    ofTrace: (traceId) => read("SELECT body FROM spans WHERE trace = ? ORDER BY start LIMIT ?", traceId),
    linkingTo: (traceId) => read(linkingSql, traceId),
    traces: (query) => readTraces(db, query),
    get count() {
      return count;
    },
    close: () => db.close(),
  };
}

const schema = [
  "CREATE TABLE IF NOT EXISTS spans (number INTEGER PRIMARY KEY, trace TEXT NOT NULL, span TEXT NOT NULL, service TEXT NOT NULL, start REAL NOT NULL, failed INTEGER NOT NULL, body TEXT NOT NULL, UNIQUE (trace, span))",
  "CREATE INDEX IF NOT EXISTS spans_by_start ON spans (start)",
  "CREATE TABLE IF NOT EXISTS links (trace TEXT NOT NULL, span TEXT NOT NULL, target TEXT NOT NULL)",
  "CREATE INDEX IF NOT EXISTS links_by_target ON links (target)",
  "CREATE INDEX IF NOT EXISTS links_by_span ON links (trace, span)",
];

const linkingSql =
  "SELECT body FROM spans JOIN (SELECT DISTINCT trace, span FROM links WHERE target = ?) USING (trace, span) ORDER BY start DESC LIMIT ?";

const tracesSql = `
  SELECT trace, min(start) AS start, count(*) AS spans, max(failed) AS failed,
         max(start + coalesce(json_extract(body, '$.span.endMs') - start, 0)) AS ends,
         group_concat(DISTINCT service) AS services,
         (SELECT json_extract(body, '$.span.name') FROM spans AS first WHERE first.trace = latest.trace ORDER BY start LIMIT 1) AS name
  FROM spans JOIN (
    SELECT trace, max(start) AS last FROM spans
    WHERE start >= $since AND ($service IS NULL OR service = $service)
    GROUP BY trace ORDER BY last DESC LIMIT $limit
  ) AS latest USING (trace)
  GROUP BY trace ORDER BY start DESC`;

interface TraceRow {
  readonly trace: string;
  readonly start: number;
  readonly ends: number;
  readonly spans: number;
  readonly failed: number;
  readonly services: string;
  readonly name: string;
}

function readTraces(db: Database, query: TraceQuery): TraceSummary[] {
  return db
    .query<TraceRow, { since: number; service: string | null; limit: number }>(tracesSql)
    .all({ since: query.sinceMs ?? 0, service: query.service ?? null, limit: query.limit })
    .map((row) => ({
      traceId: row.trace,
      startMs: row.start,
      durationMs: row.ends - row.start,
      spans: row.spans,
      name: row.name,
      services: row.services.split(",").sort(),
      failed: row.failed === 1,
    }));
}

function dropOldest(db: Database, spans: number): number {
  const oldest = "SELECT number FROM spans ORDER BY number LIMIT ?";
  db.query(
    `DELETE FROM links WHERE (trace, span) IN (SELECT trace, span FROM spans WHERE number IN (${oldest}))`,
  ).run(spans);
  return db.query(`DELETE FROM spans WHERE number IN (${oldest})`).run(spans).changes;
}

/** Sound: only what `add` wrote is in the file; absent texts come back as undefined, as they were. */
function readBody(body: string): ResourceSpan {
  const { resource, span } = JSON.parse(body) as { resource: SpanResource; span: Span };
  return { resource, span: { ...span, parentSpanId: span.parentSpanId, error: span.error } };
}
