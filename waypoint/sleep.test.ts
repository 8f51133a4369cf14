import { expect, test } from "bun:test";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { settled } from "./fake/fake-stream.ts";
import { idleEnough } from "./sleep.ts";

test("sleep comes after idleMs without work, is put off by work, and never comes for 0", async () => {
  const clock = new FakeClock();
  const app = { idleMs: 1000, idle: 0 as number | undefined, flushes: 0 };
  let slept = false;
  void idleEnough(
    {
      get idleMs() {
        return app.idleMs;
      },
      idleForMs: () => app.idle,
      flush() {
        app.flushes++;
        return Promise.resolve();
      },
    },
    clock,
  ).then(() => (slept = true));
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await settled();
  };
  app.idle = undefined;
  await pass(1000);
  expect([slept, app.flushes]).toEqual([false, 0]);
  app.idleMs = 0;
  app.idle = 5000;
  await pass(1000);
  expect(slept).toBe(false);
  app.idleMs = 1000;
  await pass(1000);
  await pass(1000);
  expect([slept, app.flushes]).toEqual([true, 1]);
});
