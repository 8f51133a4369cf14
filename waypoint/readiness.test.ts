import { expect, test } from "bun:test";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { Readiness } from "./readiness.ts";

test("readiness names what is missing, and rejects when its time is over", async () => {
  const clock = new FakeClock();
  const readiness = new Readiness(clock, () => undefined);
  readiness.reach("policies");
  expect(readiness.state()).toEqual({ ready: false, waitsFor: ["configuration", "certificate"] });
  const late = readiness.reached(100).catch((error: Error) => error.message);
  clock.advance(100);
  expect(await late).toBe("Cannot serve within 100 ms: still waiting for configuration, certificate");
  readiness.reach("configuration");
  readiness.reach("certificate");
  await readiness.reached(100);
  expect([readiness.state(), clock.pending]).toEqual([{ ready: true }, 0]);
});
