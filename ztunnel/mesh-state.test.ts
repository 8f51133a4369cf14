import { expect, test } from "bun:test";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { makeMeshState } from "./mesh-state.ts";

test("waitUntil() resolves when a change makes the test hold", async () => {
  const mesh = makeMeshState(new FakeClock());
  let isKnown = false;
  const waiting = mesh.waitUntil(() => isKnown, 1000);
  mesh.change({});
  isKnown = true;
  mesh.touch();
  expect(await waiting).toBe(true);
  expect(await mesh.waitUntil(() => isKnown, 1000)).toBe(true);
});

test("waitUntil() gives up in time, and holds no timer afterwards", async () => {
  const clock = new FakeClock();
  const mesh = makeMeshState(clock);
  const waiting = mesh.waitUntil(() => false, 1000);
  clock.advance(1000);
  expect(await waiting).toBe(false);
  expect(clock.pending).toBe(0);
});

test("waitUntil() takes only so many waiters", async () => {
  const clock = new FakeClock();
  const mesh = makeMeshState(clock);
  const waiting = Array.from({ length: 1025 }, () => mesh.waitUntil(() => false, 1000));
  expect(await waiting.at(-1)).toBe(false);
  expect(clock.pending).toBe(1024);
  clock.advance(1000);
  expect(await Promise.all(waiting)).not.toContain(true);
});
