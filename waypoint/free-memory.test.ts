import { expect, test } from "bun:test";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { freeMemoryWhenIdle } from "./free-memory.ts";

test("garbage is collected once after a burst, not during it, not for a few requests", () => {
  const clock = new FakeClock();
  const served = { open: 0, finished: 0 };
  let collections = 0;
  const stop = freeMemoryWhenIdle(clock, served, () => collections++);
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
