/** Follow-up work: once a name, a few steps a turn, again with backoff. */
import { expect, test } from "bun:test";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { silentLog } from "#host/log.ts";
import { JobQueue } from "./job-queue.ts";

test("a job that waits is not queued twice, and may run again", () => {
  const clock = new FakeClock();
  const queue = new JobQueue(clock, silentLog);
  let runs = 0;
  const job = { name: "a", run: () => ++runs < 3 };
  queue.add(job);
  queue.add({ name: "a", run: () => expect.unreachable() });
  expect(queue.size).toBe(1);
  clock.advance(1);
  expect(runs).toBe(3);
  expect(queue.size).toBe(0);
});

test("a job that fails is tried again later, behind the others", () => {
  const clock = new FakeClock();
  const queue = new JobQueue(clock, silentLog);
  const order: string[] = [];
  let isBroken = true;
  queue.add({
    name: "bad",
    run() {
      order.push("bad");
      if (isBroken) throw new Error("disk full");
      return false;
    },
  });
  queue.add({ name: "good", run: () => order.push("good") > 99 });
  clock.advance(1);
  expect(order).toEqual(["bad"]);
  clock.advance(200);
  expect(order.slice(0, 3)).toEqual(["bad", "good", "bad"]);
  isBroken = false;
  clock.advance(10_000);
  expect(queue.size).toBe(0);
});

test("close() drops what waits", () => {
  const clock = new FakeClock();
  const queue = new JobQueue(clock, silentLog);
  queue.add({ name: "a", run: () => expect.unreachable() });
  queue.close();
  clock.advance(1000);
  expect(queue.size).toBe(0);
});
