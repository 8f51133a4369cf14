import { expect, test } from "bun:test";
import type { EngineSpan } from "#isolate/engine-protocol.ts";
import { FunctionSpans } from "./function-spans.ts";

const span: EngineSpan = {
  traceId: "1".repeat(32),
  spanId: "2".repeat(16),
  parentSpanId: "3".repeat(16),
  name: "GET /",
  startMs: 2000,
  endMs: 1000,
  status: 503,
  droppedBefore: 0,
};

function open(answered: Promise<void> = Promise.resolve()) {
  const bodies: string[] = [];
  let lost = 0;
  const spans = new FunctionSpans({
    post: (body) => {
      bodies.push(body);
      return answered;
    },
    onLost: (count) => void (lost += count),
    node: "node-0",
  });
  return { spans, bodies, lost: () => lost };
}

function owner(instance: string) {
  return { instance, namespace: "shop", revision: "cart-v1", function: "cart" };
}

test("a span is its instance's, whatever its process says, and never ends before it began", async () => {
  const { spans, bodies, lost } = open();
  spans.recordRequest(owner("cart-v1-x"), { ...span, droppedBefore: 3 });
  await spans.close("cart-v1-x");
  const sent = JSON.parse(bodies[0] ?? "") as {
    resourceSpans: { resource: object; scopeSpans: { spans: object[] }[] }[];
  };
  const [resource] = sent.resourceSpans;
  const attributes = Object.entries({
    "service.name": "function",
    "service.instance.id": "cart-v1-x",
    "k8s.namespace.name": "shop",
    "k8s.node.name": "node-0",
    "lambient.function": "cart",
    "lambient.revision": "cart-v1",
  }).map(([key, stringValue]) => ({ key, value: { stringValue } }));
  expect(resource?.resource).toEqual({ attributes });
  expect(resource?.scopeSpans[0]?.spans).toMatchObject([
    {
      traceId: span.traceId,
      parentSpanId: span.parentSpanId,
      name: "GET /",
      kind: 2,
      startTimeUnixNano: "2000000000",
      endTimeUnixNano: "2000000000",
      status: { code: 2, message: "status 503" },
    },
  ]);
  expect(lost()).toBe(3);
});

test("many instances' spans are sent, though only some are waited for at once", async () => {
  const { spans, bodies } = open();
  for (let i = 0; i < 300; i++) spans.recordRequest(owner(`i${i}`), span);
  await spans.closeAll();
  expect(
    new Set(bodies.map((body) => /"service.instance.id","value":\{"stringValue":"(\w+)"/.exec(body)?.[1]))
      .size,
  ).toBe(300);
});

test("an instance's queue is bounded while the store is slow, and what it loses is counted", async () => {
  const answered = Promise.withResolvers<void>();
  const { spans, bodies, lost } = open(answered.promise);
  for (let i = 0; i < 1100; i++) spans.recordRequest(owner("busy"), span);
  answered.resolve();
  await spans.close("busy");
  const sent = bodies.reduce((sum, body) => sum + body.split('"traceId"').length - 1, 0);
  expect([sent, lost()]).toEqual([1024, 76]);
});
