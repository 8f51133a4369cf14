import { expect, test } from "bun:test";
import { formatOtlpTraces } from "#core/telemetry/span-otlp.ts";
import type { Span } from "#core/telemetry/span.ts";
import { listTraces, showTrace, takeSpans } from "./serve-spans.ts";
import { openSpanStore } from "./span-store.ts";

function batch(trace: string, name = "x"): string {
  const span: Span = {
    traceId: trace.repeat(32),
    spanId: "1".repeat(16),
    parentSpanId: undefined,
    name,
    kind: "server",
    startMs: Number.parseInt(trace, 16),
    endMs: Number.parseInt(trace, 16) + 1,
    attributes: {},
    links: [],
    error: undefined,
  };
  return formatOtlpTraces({ service: "edge", instance: "i", attributes: {} }, [span]);
}

const post = (body: string | ReadableStream<Uint8Array>, headers: Record<string, string> = {}): Request =>
  new Request("https://lambient.local/v1/traces", { method: "POST", body, headers });

const inOnePiece = (text: string): ReadableStream<Uint8Array> =>
  new Response(text).body ?? new ReadableStream();

const traceIds = async (response: Response): Promise<string[]> =>
  ((await response.json()) as { readonly traces: { readonly traceId: string }[] }).traces.map(({ traceId }) =>
    traceId.slice(0, 1),
  );

test("a batch of as many bytes as the bound is taken, a larger one is refused as a whole, and the next is taken", async () => {
  const store = openSpanStore(":memory:");
  // The bound is of bytes: a letter like this one has two.
  const full = batch("a", "é");
  const bytesMax = Buffer.byteLength(full);
  expect((await takeSpans(store, post(full), bytesMax)).status).toBe(200);
  const large = batch("b", "éé");
  for (const request of [
    post(large),
    post(large, { "content-length": String(Buffer.byteLength(large)) }),
    post(inOnePiece(large)),
  ]) {
    const refused = await takeSpans(store, request, bytesMax);
    expect([refused.status, await refused.text()]).toEqual([
      413,
      expect.stringContaining(`of ${bytesMax + 2} bytes: at most ${bytesMax}`),
    ]);
  }
  expect(store.count).toBe(1);
  expect((await takeSpans(store, post(batch("c")), bytesMax)).status).toBe(200);
  expect(store.count).toBe(2);
});

test("what is announced as too large is not read", async () => {
  const store = openSpanStore(":memory:");
  const request = post(batch("a"), { "content-length": "1000000000" });
  expect((await takeSpans(store, request, 1000)).status).toBe(413);
  expect(request.bodyUsed).toBe(false);
});

test("a list is of as many traces as the bound at most; more may not be asked for", async () => {
  const store = openSpanStore(":memory:");
  for (const trace of ["1", "2", "3", "4"]) await takeSpans(store, post(batch(trace)));
  const list = (search: string): Response => listTraces(store, new URL(`https://x/traces${search}`), 3);
  expect(await traceIds(list("?limit=3"))).toEqual(["4", "3", "2"]);
  for (const limit of ["4", "0", "-1", "x"]) {
    const refused = list(`?limit=${limit}`);
    expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining("limit 1 to 3")]);
  }
  expect(await traceIds(list("?limit=1&sinceMs=2"))).toEqual(["4"]);
});

test.each([
  ["a batch that is not JSON", (store) => takeSpans(store, post("{")), 400],
  ["a batch with a bad span", (store) => takeSpans(store, post(batch("x"))), 400],
  ["another method", (store) => takeSpans(store, new Request("https://x/v1/traces")), 405],
  ["a trace id that is none", (store) => showTrace(store, "xyz"), 400],
  ["a trace that is not known", (store) => showTrace(store, "f".repeat(32)), 404],
] as [string, (store: ReturnType<typeof openSpanStore>) => Promise<Response> | Response, number][])(
  "%s is refused",
  async (_, ask, status) => {
    expect((await ask(openSpanStore(":memory:"))).status).toBe(status);
  },
);
