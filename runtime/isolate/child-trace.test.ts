import { expect, test } from "bun:test";
import { Tracer } from "./child-trace.ts";
import type { EngineSpan } from "./engine-protocol.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const parentSpanId = "b7ad6b7169203331";

function request(traceparent?: string): Request {
  return new Request(
    "http://cart.shop/items?all",
    traceparent === undefined ? {} : { headers: { traceparent } },
  );
}

async function respond(): Promise<Response> {
  return new Response("ok", { status: 201 });
}

test("serve() reports one span for a sampled request", async () => {
  const spans: EngineSpan[] = [];
  await new Tracer((span) => spans.push(span)).serve(request(`00-${traceId}-${parentSpanId}-01`), respond);
  expect(spans).toEqual([
    {
      traceId,
      parentSpanId,
      spanId: expect.stringMatching(/^[0-9a-f]{16}$/) as never,
      name: "GET /items",
      startMs: expect.any(Number) as never,
      endMs: expect.any(Number) as never,
      status: 201,
      droppedBefore: 0,
    },
  ]);
  expect((spans[0]?.endMs ?? 0) >= (spans[0]?.startMs ?? 1)).toBe(true);
});

test.each([
  ["no context", undefined],
  ["a context that is not sampled", `00-${traceId}-${parentSpanId}-00`],
  ["a malformed context", "00-xyz"],
])("serve() reports none for %s", async (_, traceparent) => {
  const spans: EngineSpan[] = [];
  await new Tracer((span) => spans.push(span)).serve(request(traceparent), respond);
  expect(spans).toEqual([]);
});

test("serve() drops spans beyond its rate and counts them", async () => {
  const spans: EngineSpan[] = [];
  const tracer = new Tracer((span) => spans.push(span));
  const calls = 1000;
  for (let i = 0; i < calls; i++) await tracer.serve(request(`00-${traceId}-${parentSpanId}-01`), respond);
  expect(spans.length < calls).toBe(true);
});

test("wrapFetch() marks calls made within a request by its own span, and no others", async () => {
  const sent: (string | null)[] = [];
  const original = Object.assign(
    async (input: Request | URL | string, init?: RequestInit) => {
      const headers = input instanceof Request ? input.headers : undefined;
      sent.push(new Headers(init?.headers ?? headers).get("traceparent"));
      return new Response("");
    },
    { preconnect: () => undefined },
  );
  const spans: EngineSpan[] = [];
  const tracer = new Tracer((span) => spans.push(span));
  const wrapped = tracer.wrapFetch(original);
  await wrapped("http://a/");
  await tracer.serve(request(`00-${traceId}-${parentSpanId}-01`), async () => {
    await wrapped("http://a/");
    await wrapped(new Request("http://a/", { headers: { other: "kept" } }));
    await wrapped("http://a/", { headers: { traceparent: "mine" } });
    return new Response("");
  });
  const own = `00-${traceId}-${spans[0]?.spanId}-01`;
  expect(sent).toEqual([null, own, own, "mine"]);
});

test("within() marks what a schedule calls with the schedule's own context", async () => {
  const sent: (string | null)[] = [];
  const original = Object.assign(
    (_: Request | URL | string, init?: RequestInit) => {
      sent.push(new Headers(init?.headers).get("traceparent"));
      return respond();
    },
    { preconnect: fetch.preconnect },
  );
  const tracer = new Tracer(() => undefined);
  const traced = tracer.wrapFetch(original);
  const traceparent = `00-${traceId}-${parentSpanId}-01`;
  await tracer.within(traceparent, () => traced("http://cart.shop/"));
  await tracer.within(undefined, () => traced("http://cart.shop/"));
  expect(sent).toEqual([traceparent, null]);
});
