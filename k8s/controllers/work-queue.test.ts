import { expect, test } from "bun:test";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { WorkQueue, type WorkQueueOptions } from "./work-queue.ts";

function rig(options: Partial<WorkQueueOptions> = {}) {
  const clock = new FakeClock(0);
  const worked: string[] = [];
  const ends: PromiseWithResolvers<number | undefined>[] = [];
  const failures: string[] = [];
  const queue = new WorkQueue({
    work(key) {
      worked.push(key);
      const end = Promise.withResolvers<number | undefined>();
      ends.push(end);
      return end.promise;
    },
    onFailure: (key, _error, retryInMs) => void failures.push(`${key} ${retryInMs}`),
    all: () => [],
    clock,
    random: () => 0.5,
    restMs: 0,
    ...options,
  });
  return { clock, worked, ends, failures, queue };
}

/** Turns of the event loop, in which the queue begins its work. */
async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}

test("a name waits once, is worked on once at a time, and again if it was named meanwhile", async () => {
  const { queue, worked, ends } = rig();
  for (const key of ["a", "a", "b"]) queue.add(key);
  await turns();
  expect(worked).toEqual(["a", "b"]);
  queue.add("a");
  await turns();
  expect(worked).toEqual(["a", "b"]);
  ends[0]?.resolve(undefined);
  await turns();
  expect(worked).toEqual(["a", "b", "a"]);
});

test("few are worked on at once, the rest waits", async () => {
  const { queue, worked, ends } = rig({ runningMax: 2 });
  for (const key of ["a", "b", "c"]) queue.add(key);
  await turns();
  expect([worked.length, queue.size]).toEqual([2, 3]);
  ends[1]?.resolve(undefined);
  await turns();
  expect(worked).toEqual(["a", "b", "c"]);
});

test("what failed waits longer each time; a success forgets that", async () => {
  const { queue, worked, ends, failures, clock } = rig();
  queue.add("a");
  await turns();
  ends[0]?.reject(new Error("no"));
  await turns();
  clock.advance(19);
  await turns();
  expect(worked).toHaveLength(1);
  clock.advance(1);
  await turns();
  ends[1]?.reject(new Error("no"));
  await turns();
  expect(failures).toEqual(["a 20", "a 40"]);
  clock.advance(40);
  await turns();
  ends[2]?.resolve(undefined);
  await turns();
  queue.add("a");
  await turns();
  ends[3]?.reject(new Error("no"));
  await turns();
  expect(failures.at(-1)).toBe("a 20");
});

test("work says when to look again; what comes before that takes its place", async () => {
  const { queue, worked, ends, clock } = rig();
  queue.add("a");
  await turns();
  ends[0]?.resolve(5000);
  await turns();
  queue.add("a");
  await turns();
  ends[1]?.resolve(undefined);
  clock.advance(10_000);
  await turns();
  expect(worked).toEqual(["a", "a"]);
  queue.addAfter("b", 200);
  queue.addAfter("b", 100);
  queue.addAfter("b", 300);
  clock.advance(99);
  await turns();
  expect(worked).toHaveLength(2);
  clock.advance(1);
  await turns();
  expect(worked.at(-1)).toBe("b");
});

test("beyond those that may wait all names are asked for again", async () => {
  const done: string[] = [];
  const { queue } = rig({
    waitingMax: 2,
    all: () => ["x", "y"],
    work: async (key) => {
      done.push(key);
      return undefined;
    },
  });
  for (const key of ["a", "b", "c", "d"]) queue.add(key);
  await turns();
  expect(done).toEqual(["a", "b", "x", "y"]);
});

test("a burst of changes is two looks: one at once, one at the end of the rest", async () => {
  const done: string[] = [];
  const { queue, clock } = rig({
    restMs: 20,
    work: async (key) => {
      done.push(key);
      return undefined;
    },
  });
  for (let i = 0; i < 5; i++) {
    queue.add("a");
    await turns();
  }
  expect(done).toEqual(["a"]);
  queue.add("b");
  await turns();
  expect(done).toEqual(["a", "b"]);
  clock.advance(20);
  await turns();
  expect(done).toEqual(["a", "b", "a"]);
  clock.advance(100);
  await turns();
  expect(done).toHaveLength(3);
});

test("once closed it begins nothing", async () => {
  const { queue, worked, clock } = rig();
  queue.addAfter("a", 10);
  queue.add("b");
  queue.close();
  queue.add("c");
  queue.addAfter("d", 1);
  clock.advance(100);
  await turns();
  expect(worked).toEqual([]);
});
