import { expect, test } from "bun:test";
import { Ending } from "./ending.ts";

test("an ending tells each listener once, late ones at once, called-off ones never", () => {
  const ending = new Ending();
  const told: string[] = [];
  ending.onOver(() => void told.push("a"));
  ending.onOver(() => void told.push("never"))();
  ending.finish();
  ending.finish();
  ending.onOver(() => void told.push("late"))();
  expect([told, ending.isOver]).toEqual([["a", "late"], true]);
});
