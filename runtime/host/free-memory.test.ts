/** When garbage is collected: after a burst, and not while anybody waits. */
import { expect, test } from "bun:test";
import { FakeClock } from "./fake/fake-clock.ts";
import { freeMemoryWhenIdle } from "./free-memory.ts";

test("memory is freed once after a burst, never during it, and not for a trifle", () => {
  const clock = new FakeClock();
  let work = 0;
  let collections = 0;
  const stop = freeMemoryWhenIdle({ clock, workDone: () => work, collect: () => void collections++ });
  const seen: number[] = [];
  for (const more of [0, 400, 0, 300, 300, 0, 0, 0, 10, 0]) {
    work += more;
    clock.advance(2000);
    seen.push(collections);
  }
  expect(seen).toEqual([0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
  stop();
  expect(clock.pending).toBe(0);
});

test("garbage is collected once after a burst, not while a request is open, not for a few requests", () => {
  const clock = new FakeClock();
  const served = { open: 0, finished: 0 };
  let collections = 0;
  const stop = freeMemoryWhenIdle({
    clock,
    workDone: () => served.finished,
    isBusy: () => served.open > 0,
    collect: () => void collections++,
  });
  const seen: number[] = [];
  const rows = [
    [1, 600],
    [1, 0],
    [0, 0],
    [0, 0],
    [0, 499],
    [0, 0],
    [0, 1],
    [0, 0],
  ] as const;
  for (const [open, more] of rows) {
    served.open = open;
    served.finished += more;
    clock.advance(2000);
    seen.push(collections);
  }
  expect(seen).toEqual([0, 0, 1, 1, 1, 1, 1, 2]);
  stop();
  expect(clock.pending).toBe(0);
});
