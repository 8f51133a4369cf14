import { expect, test } from "bun:test";
import { FakeClock } from "#host/fake/fake-clock.ts";
import type { Exchange } from "./exchange.ts";
import { cart, makeExchange } from "./fake/make-exchange.ts";
import { InstanceLeases } from "./instance-leases.ts";
import { edgeStages, makePipeline, type PipelineOptions, type Stage } from "./pipeline.ts";
import { UpstreamPool } from "./upstream-pool.ts";

function options(faults: string[] = []): PipelineOptions {
  const clock = new FakeClock();
  return {
    own: cart.identity,
    clock,
    attemptsMax: 1,
    endpointFor: () => undefined,
    endpointsKnown: () => undefined,
    random: () => 0,
    policiesOf: () => ({ deny: [], allow: [], dryRun: [], missing: [] }),
    onFault: (error) => void faults.push(error.message),
    pool: new UpstreamPool({ clock, idleMax: 1, idlePerKeyMax: 1, idleMs: 1 }),
    open: () => Promise.resolve({ kind: "failed", reason: "scripted" }),
    leases: new InstanceLeases({
      clock,
      queueMax: 1,
      onForgotten() {},
      activation: { activate: () => Promise.reject(new Error("none")), release() {} },
    }),
  };
}

async function run(stages: readonly Stage[], exchange: Exchange, faults: string[] = []): Promise<string> {
  await makePipeline(stages, options(faults))(exchange);
  return `${exchange.response?.status} ${(await exchange.response?.text())?.trim()}`;
}

async function later(): Promise<undefined> {
  await Promise.resolve();
}

function broken(): undefined {
  throw new Error("secret detail");
}

test("stages run in order until one answers, sooner or later", async () => {
  const seen: string[] = [];
  const noted =
    (name: string, answer?: Stage): Stage =>
    (exchange) => {
      seen.push(name);
      return answer?.(exchange);
    };
  const answered = await run(
    [noted("a"), noted("b", later), noted("c", () => new Response("here")), noted("d")],
    makeExchange(),
  );
  expect([answered, seen]).toEqual(["200 here", ["a", "b", "c"]]);
  expect(await run([() => Promise.resolve(new Response("later", { status: 202 }))], makeExchange())).toBe(
    "202 later",
  );
});

test("a stage that throws is a 500 and is told, without its words to the caller", async () => {
  const faults: string[] = [];
  const exchange = makeExchange();
  expect(await run([broken], exchange, faults)).toBe("500 internal error");
  expect([faults, exchange.detail]).toEqual([["secret detail"], "secret detail"]);
});

test("HEAD and methods that Hono does not know take the same way", async () => {
  for (const method of ["HEAD", "FOO", "TRACE"]) {
    const received = { method, target: "/%2e", version: "1.1" as const, headers: [["host", "x"] as const] };
    const exchange = makeExchange({ received });
    const marker = new Response(null, { status: 204 });
    await makePipeline([() => marker], options())(exchange);
    expect(exchange.response).toBe(marker);
  }
});

test("an unknown service at the edge is a 404 with the form of a Host", async () => {
  const outside = makeExchange({
    caller: { ...cart, isOutside: true },
    service: { ...makeExchange().service, name: "", routes: [] },
  });
  expect(await run(edgeStages(options()), outside)).toBe(
    "404 no such function: ask with the Host <function>.<namespace>, as in curl -H 'Host: web.shop'",
  );
});
