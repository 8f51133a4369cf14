import { afterAll, beforeAll, expect, test } from "bun:test";
import { systemClock as clock } from "#host/clock.ts";
import { FakeClock } from "#host/fake/fake-clock.ts";
import type { ExitStatus } from "#host/linux/spawn.ts";
import type { Container, ProbeHandler } from "../../model/container.ts";
import { askContainer, type AskContext, runHook } from "./ask-container.ts";
import type { ContainerStreams } from "./container-access.ts";

let server: Bun.Server<undefined>;
beforeAll(() => {
  server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/moved") return Response.redirect("http://127.0.0.1:1/", 302);
      if (pathname === "/slow") return new Promise<Response>(() => {});
      const isProbe = request.headers.get("user-agent")?.startsWith("kube-probe/") === true;
      return new Response(null, { status: isProbe && request.headers.get("x-a") !== "b" ? 200 : 500 });
    },
  });
});
afterAll(() => server.stop(true));

function streams(exited: Promise<ExitStatus>, output = ""): ContainerStreams {
  const stdout = new Response(output).body ?? new ReadableStream<Uint8Array>();
  return { stdin: undefined, stdout, stderr: undefined, resize() {}, exited, close() {} };
}

function succeeding(): Promise<ContainerStreams> {
  return Promise.resolve(streams(Promise.resolve({ kind: "exited", code: 0 })));
}

function failing(): Promise<ContainerStreams> {
  return Promise.resolve(streams(Promise.resolve({ kind: "exited", code: 1 }), "no such thing"));
}

function context(more: Partial<AskContext> = {}): AskContext {
  const container: Container = { name: "c", ports: [{ name: "web", containerPort: server.port ?? 0 }] };
  return { clock, container, address: "127.0.0.1", start: succeeding, ...more };
}

test.each<[string, () => ProbeHandler, string]>([
  ["a page", () => ({ httpGet: { port: server.port ?? 0 } }), "success"],
  ["a named port and a path without a slash", () => ({ httpGet: { port: "web", path: "x" } }), "success"],
  ["a redirection", () => ({ httpGet: { port: "web", path: "/moved" } }), "success"],
  [
    "a failing page",
    () => ({ httpGet: { port: "web", httpHeaders: [{ name: "x-a", value: "b" }] } }),
    "HTTP probe failed with statuscode: 500",
  ],
  ["a page that never comes", () => ({ httpGet: { port: "web", path: "/slow" } }), 'Get "http://127.0.0.1:'],
  ["an unknown port", () => ({ httpGet: { port: "none" } }), `couldn't find port "none" in container c`],
  ["an open port", () => ({ tcpSocket: { port: "web" } }), "success"],
  ["a shut port", () => ({ tcpSocket: { port: 1 } }), "dial tcp 127.0.0.1:1: "],
  ["gRPC", () => ({ grpc: { port: 1 } }), "this node has no probes of this kind"],
  ["a command", () => ({ exec: { command: ["true"] } }), "success"],
])("askContainer(): %s", async (_name, probe, want) => {
  const { answer, message } = await askContainer(context(), probe(), 200);
  expect(answer === "success" ? answer : message).toStartWith(want);
});

test("a command that fails tells what it said; one that hangs is let go", async () => {
  expect(await askContainer(context({ start: failing }), { exec: { command: ["x"] } }, 1000)).toEqual({
    answer: "failure",
    message: "no such thing",
  });
  const { promise, resolve } = Promise.withResolvers<ExitStatus>();
  const fake = new FakeClock();
  const hanging = () =>
    Promise.resolve({ ...streams(promise), close: () => resolve({ kind: "signaled", signal: 9 }) });
  const asked = askContainer(
    context({ start: hanging, clock: fake }),
    { exec: { command: ["x", "y"] } },
    1000,
  );
  while (fake.pending === 0) await Promise.resolve();
  fake.advance(1000);
  expect((await asked).message).toBe('command timed out: "x y" timed out after 1s');
});

test("hooks sleep or ask, and tell why they failed", async () => {
  const fake = new FakeClock();
  const slept = runHook(context({ clock: fake }), { sleep: { seconds: 5 } }, 2000);
  fake.advance(2000);
  expect(await slept).toBeUndefined();
  expect(await runHook(context(), { httpGet: { port: "web" } }, 1000)).toBeUndefined();
  expect(await runHook(context(), { httpGet: { port: "none" } }, 1000)).toContain("couldn't find port");
});
