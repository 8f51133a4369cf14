import { expect, test } from "bun:test";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { Deliveries } from "./deliveries.ts";

interface State {
  sent: number;
  taken: number;
  isBehind: boolean;
}

function rig(...streams: State[]) {
  const clock = new FakeClock();
  const deliveries = new Deliveries(clock);
  const leave = streams.map((stream) => deliveries.join(stream));
  return { clock, deliveries, leave };
}

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  return (await Promise.race([promise.then(() => "settled"), Promise.resolve("waits")])) === "settled";
}

test("nobody is waited for when nobody listens, or all have taken everything", async () => {
  expect(await rig().deliveries.whenTaken(1000)).toBe(true);
  const { deliveries } = rig({ sent: 3, taken: 3, isBehind: false });
  expect(await deliveries.whenTaken(1000)).toBe(true);
});

test("every stream is waited for, but only for what there was at the call", async () => {
  const one = { sent: 3, taken: 2, isBehind: false };
  const other = { sent: 0, taken: 0, isBehind: true };
  const { deliveries, clock } = rig(one, other);
  const taken = deliveries.whenTaken(1000);
  Object.assign(one, { sent: 4, taken: 3, isBehind: true });
  deliveries.advanced();
  expect(await isSettled(taken)).toBe(false);
  Object.assign(other, { sent: 2, taken: 1 });
  deliveries.advanced();
  expect(await taken).toBe(true);
  expect(clock.pending).toBe(0);
});

test("what changed back, and a stream that ends, need no answer", async () => {
  const back = { sent: 1, taken: 1, isBehind: true };
  const ending = { sent: 1, taken: 0, isBehind: false };
  const { deliveries, leave } = rig(back, ending);
  const taken = deliveries.whenTaken(1000);
  back.isBehind = false;
  deliveries.advanced();
  expect(await isSettled(taken)).toBe(false);
  leave[1]?.();
  expect(await taken).toBe(true);
});

test("a proxy that does not answer is given up after the time", async () => {
  const { deliveries, clock } = rig({ sent: 1, taken: 0, isBehind: false });
  const taken = deliveries.whenTaken(1000);
  clock.advance(1000);
  expect(await taken).toBe(false);
});
