import { expect, test } from "bun:test";
import { systemClock } from "#host/clock.ts";
import { rehearse } from "./rehearse.ts";

test("a rehearsal goes through the whole of a waypoint, and through the stages to an answer each time", async () => {
  expect(await rehearse(systemClock)).toBe(40);
});
