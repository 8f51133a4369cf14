import { expect, test } from "bun:test";
import { FakeClock } from "#host/fake/fake-clock.ts";
import type { ExitStatus } from "#host/linux/spawn.ts";
import type { Container, Probe } from "../../model/container.ts";
import { Prober } from "./prober.ts";

/** A container whose commands end as the script says: `s` well, `f` not; the last letter goes on. */
function open(probes: Partial<Container>, script: Readonly<Record<string, string>>, isStarted = false) {
  const clock = new FakeClock();
  const told: string[] = [];
  const asked = new Map<string, number>();
  const container: Container = { name: "c", ...probes };
  const start = ([name = ""]: readonly string[]) => {
    const letters = script[name] ?? "s";
    const at = asked.get(name) ?? 0;
    asked.set(name, at + 1);
    const code = (letters[at] ?? letters.at(-1)) === "s" ? 0 : 1;
    const exited = Promise.resolve<ExitStatus>({ kind: "exited", code });
    const stdout = new ReadableStream<Uint8Array>({ start: (controller) => controller.close() });
    return Promise.resolve({ stdin: undefined, stdout, stderr: undefined, resize() {}, exited, close() {} });
  };
  const prober = new Prober({ clock, container, address: "", start }, clock.nowMs(), {
    onStarted: () => told.push("started"),
    onReady: (isReady) => told.push(isReady ? "ready" : "not ready"),
    onUnhealthy: (kind) => told.push(`${kind} unhealthy`),
    onFailure: (kind) => told.push(`${kind} failed`),
  });
  prober.open(isStarted);
  const step = async (): Promise<void> => {
    clock.advance(1000);
    await Bun.sleep(0); // the answers are promises of one turn
  };
  return { told, step, prober, clock };
}

const probe = (name: string, more: Partial<Probe> = {}): Probe => ({
  exec: { command: [name] },
  periodSeconds: 1,
  ...more,
});

test("a container without probes is started and ready at once", () => {
  expect(open({}, {}).told).toEqual(["started", "ready"]);
});

test("the startup probe holds the others back", async () => {
  const { told, step } = open(
    { startupProbe: probe("startup"), readinessProbe: probe("ready") },
    { startup: "ffs" },
  );
  for (let i = 0; i < 5; i++) await step();
  expect(told).toEqual(["Startup failed", "Startup failed", "started", "ready"]);
});

test("a startup that never comes is the end", async () => {
  const { told, step, clock } = open(
    { startupProbe: probe("startup", { failureThreshold: 2 }) },
    { startup: "f" },
  );
  for (let i = 0; i < 4; i++) await step();
  expect(told).toEqual(["Startup failed", "Startup failed", "Startup unhealthy"]);
  expect(clock.pending).toBe(0);
});

test("readiness comes and goes; liveness fails once and for all", async () => {
  const { told, step } = open(
    {
      readinessProbe: probe("ready", { failureThreshold: 1 }),
      livenessProbe: probe("live", { failureThreshold: 2, initialDelaySeconds: 3 }),
    },
    { ready: "sfs", live: "sff" },
  );
  for (let i = 0; i < 9; i++) await step();
  expect(told.filter((word) => !word.endsWith("failed"))).toEqual([
    "started",
    "ready",
    "not ready",
    "ready",
    "Liveness unhealthy",
  ]);
});

test("what was started before is not asked again, and nobody is asked after the end", async () => {
  const { told, step, prober, clock } = open(
    { startupProbe: probe("startup"), readinessProbe: probe("ready") },
    {},
    true,
  );
  expect(told).toEqual(["started"]);
  prober.close();
  await step();
  expect([told.length, clock.pending]).toEqual([1, 0]);
});
