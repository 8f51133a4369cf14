import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LogLevel } from "#host/log.ts";
import { serveAdmin } from "./admin-server.ts";
import { makeMetricsRegistry } from "./metrics.ts";

async function withAdmin(
  run: (
    ask: (path: string, method?: string) => Promise<{ status: number; body: string }>,
    state: { ready: boolean; logging: { level: LogLevel }; socketPath: string },
  ) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "admin-"));
  const socketPath = join(folder, "admin", "program.sock");
  const logging: { level: LogLevel } = { level: "info" };
  const state = { ready: false, logging, socketPath };
  const metrics = makeMetricsRegistry();
  metrics.counter({ name: "up_total", help: "Up", labels: [] })({}).add();
  using _server = serveAdmin({
    socketPath,
    metrics,
    readiness: () => (state.ready ? { ready: true } : { ready: false, waitsFor: ["ads", "zds"] }),
    logging,
    configDump: () => ({ workloads: [], version: 3n }),
  });
  try {
    await run(async (path, method = "GET") => {
      const response = await fetch(`http://admin${path}`, { unix: socketPath, method });
      return { status: response.status, body: await response.text() };
    }, state);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("the admin endpoint answers metrics, readiness and the dump", async () => {
  await withAdmin(async (ask, state) => {
    expect((await ask("/metrics")).body).toContain("up_total 1");
    expect(await ask("/healthz/ready")).toEqual({ status: 500, body: "not ready: ads, zds\n" });
    state.ready = true;
    expect(await ask("/healthz/ready")).toEqual({ status: 200, body: "ready\n" });
    expect(JSON.parse((await ask("/config_dump")).body)).toEqual({ workloads: [], version: "3" });
    expect((await ask("/nothing")).status).toBe(404);
    expect((await ask("/metrics", "POST")).status).toBe(405);
    expect(statSync(state.socketPath).mode & 0o777).toBe(0o600);
  });
});

test("POST /logging changes the level that the program's log reads", async () => {
  await withAdmin(async (ask, state) => {
    expect(await ask("/logging?level=debug", "POST")).toEqual({
      status: 200,
      body: "current log level is debug\n",
    });
    expect(state.logging.level).toBe("debug");
    expect((await ask("/logging?level=loud", "POST")).status).toBe(400);
    expect((await ask("/logging", "GET")).status).toBe(405);
    await ask("/logging?level=reset", "POST");
    expect(state.logging.level).toBe("info");
  });
});
