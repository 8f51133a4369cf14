import { expect, test } from "bun:test";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { Grace } from "./grace.ts";

async function isOver(grace: Grace): Promise<boolean> {
  let over = false;
  void grace.over.then(() => (over = true));
  await Bun.sleep(0); // what has been settled is told within a turn
  return over;
}

test("a grace ends with its time", async () => {
  const clock = new FakeClock();
  const grace = new Grace(clock, 1000);
  clock.advance(999);
  expect([grace.leftMs, await isOver(grace)]).toEqual([1, false]);
  clock.advance(1);
  expect([grace.leftMs, await isOver(grace)]).toEqual([0, true]);
});

test("a grace can be cut short, not made longer", async () => {
  const clock = new FakeClock();
  const grace = new Grace(clock, 30_000);
  grace.shorten(60_000);
  expect(grace.leftMs).toBe(30_000);
  grace.shorten(10);
  clock.advance(10);
  expect(await isOver(grace)).toBe(true);
});

test("a grace that is closed wakes nobody", () => {
  const clock = new FakeClock();
  new Grace(clock, 1000).close();
  expect(clock.pending).toBe(0);
});
