import { expect, test } from "bun:test";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { makePaced } from "./paced.ts";

test("the first wish is met at once, those during the rest together at its end", () => {
  const clock = new FakeClock(0);
  const runsAtMs: number[] = [];
  const paced = makePaced(clock, () => {
    runsAtMs.push(clock.nowMs());
    clock.advance(8); // the work takes 8 ms
  });
  paced.request();
  for (let i = 0; i < 5; i++) paced.request();
  expect(runsAtMs).toEqual([0]);
  clock.advance(7);
  expect(runsAtMs).toEqual([0]);
  clock.advance(1);
  expect(runsAtMs).toEqual([0, 16]);
  clock.advance(100);
  expect(runsAtMs).toEqual([0, 16]);
  paced.request();
  expect(runsAtMs).toHaveLength(3);
  paced.request();
  paced.close();
  clock.advance(100);
  expect(runsAtMs).toHaveLength(3);
});
