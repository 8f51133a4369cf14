/** `POST /v1/traces` (OTLP/JSON), `GET /traces` and `GET /traces/<trace id>` over the store. */
import { readOtlpTraces } from "#core/telemetry/span-otlp.ts";
import { err, ok, type Result } from "#core/result.ts";
import { errorText } from "#host/mesh-error.ts";
import { refusal } from "../http/refusal.ts";
import { followLinks } from "./follow-links.ts";
import type { SpanStore } from "./span-store.ts";

/** Largest batch taken. */
const defaultBatchBytesMax = 8 << 20;
/** Traces listed at once. */
const defaultTracesMax = 1000;

/** Takes one batch. */
export async function takeSpans(
  store: SpanStore,
  request: Request,
  batchBytesMax: number = defaultBatchBytesMax,
): Promise<Response> {
  if (request.method !== "POST")
    return refusal(405, "MethodNotAllowed", `Cannot ${request.method} spans: only POST is served`);
  // What is announced as too large is not read; what is not announced is bounded by the server.
  const announced = Number(request.headers.get("content-length") ?? 0);
  const body = announced > batchBytesMax ? undefined : await request.bytes();
  const bytes = body?.length ?? announced;
  if (body === undefined || bytes > batchBytesMax)
    return refusal(
      413,
      "RequestEntityTooLarge",
      `Cannot take spans of ${bytes} bytes: at most ${batchBytesMax}; send them in smaller batches`,
    );
  const value = parseJson(new TextDecoder().decode(body));
  if (!value.ok) return refusal(400, "BadRequest", value.error);
  const spans = readOtlpTraces(value.value);
  if (!spans.ok) return refusal(400, "BadRequest", spans.error);
  store.add(spans.value);
  return Response.json({ partialSuccess: {} });
}

/** Lists traces, latest first: `?limit=`, `?service=`, `?sinceMs=`. */
export function listTraces(store: SpanStore, url: URL, tracesMax: number = defaultTracesMax): Response {
  const limit = readNumber(url, "limit") ?? 20;
  const sinceMs = readNumber(url, "sinceMs");
  if (!(limit >= 1 && limit <= tracesMax) || Number.isNaN(sinceMs ?? 0))
    return refusal(
      400,
      "BadRequest",
      `Cannot list traces as limit 1 to ${tracesMax} and sinceMs a number: "${url.search.slice(0, 100)}"`,
    );
  const service = url.searchParams.get("service");
  const query = {
    limit,
    ...(sinceMs === undefined ? {} : { sinceMs }),
    ...(service === null ? {} : { service }),
  };
  return Response.json({ traces: store.traces(query) });
}

/** Tells one trace with what it links. */
export function showTrace(store: SpanStore, traceId: string): Response {
  if (!/^[0-9a-f]{32}$/.test(traceId))
    return refusal(400, "BadRequest", `Cannot read a trace id as 32 hex digits: "${traceId.slice(0, 64)}"`);
  const spans = followLinks(store, traceId);
  if (spans.length === 0)
    return refusal(
      404,
      "NotFound",
      `Cannot find trace ${traceId}: it was not sampled, is not here yet, or is too old`,
    );
  return Response.json({ traceId, spans });
}

function readNumber(url: URL, name: string): number | undefined {
  const text = url.searchParams.get(name);
  if (text === null) return undefined;
  return /^\d{1,15}(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
}

function parseJson(text: string): Result<unknown> {
  try {
    return ok(JSON.parse(text) as unknown);
  } catch (error) {
    return err(`Cannot read spans as JSON: ${errorText(error)}`);
  }
}
