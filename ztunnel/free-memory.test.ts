import { expect, test } from "bun:test";
import { FakeClock } from "#host/fake/fake-clock.ts";
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
