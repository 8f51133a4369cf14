import { expect, test } from "bun:test";
import { defaultLimits, defaultScale } from "#core/release/function-spec.ts";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { silentLog } from "#host/log.ts";
import { FakeSlot } from "../fake/fake-slots.ts";
import type { Revision } from "../revision.ts";
import type { LeaseHolder } from "./instance.ts";
import { Instances } from "./instances.ts";

const revision: Revision = {
  uid: "shop/cart-v1",
  namespace: "shop",
  name: "cart-v1",
  refusal: undefined,
  spec: {
    function: "cart",
    serviceAccountName: "cart",
    group: "waypoint",
    signature: "",
    bundle: `sha256:${"0".repeat(64)}`,
    engine: "bun",
    env: {},
    secrets: {},
    bindings: [],
    scale: { ...defaultScale, idleMs: 1000 },
    limits: defaultLimits,
    egress: "ALLOW_ANY",
  },
};

function makeHolder(name: string, told: string[]): LeaseHolder & { isOpen: boolean } {
  return {
    isOpen: true,
    onComing() {},
    onGone: ({ id }, reason) => void told.push(`${name}: ${id} ${reason}`),
  };
}

function open() {
  const clock = new FakeClock();
  const told: string[] = [];
  const errors: unknown[] = [];
  const instances = new Instances({
    clock,
    log: { ...silentLog, error: (event, fields) => void errors.push({ event, ...fields }) },
    onGone: ({ id }, reason) => void told.push(`${id} ${reason}`),
  });
  let made = 0;
  const add = (slot = new FakeSlot(made, {})): FakeSlot => {
    const id = `i${made++}`;
    instances.add({ id, revision, slot, loaded: slot, rung: "pooled", startedAtMs: clock.nowMs() });
    return slot;
  };
  const list = () => instances.list().map(({ instance, state, leases }) => [instance.id, state, leases]);
  return { clock, told, errors, instances, add, list };
}

test("instances are listed with their leases, and given out until they stop", async () => {
  const { told, instances, add, list } = open();
  const holder = makeHolder("w", told);
  add();
  add();
  expect(instances.lease("i0", holder)?.id).toBe("i0");
  expect(list()).toEqual([
    ["i0", "running", 1],
    ["i1", "running", 0],
  ]);
  expect(instances.runningOf("shop/cart-v1", holder)).toEqual([
    { id: "i0", leases: 1, isHeldByCaller: true },
    { id: "i1", leases: 0, isHeldByCaller: false },
  ]);
  expect(instances.runningOf("shop/other", holder)).toEqual([]);
  const stopped = instances.stopAll();
  expect(list()).toEqual([
    ["i0", "stopping", 1],
    ["i1", "stopping", 0],
  ]);
  expect(instances.lease("i1", holder)).toBeUndefined();
  expect(instances.runningOf("shop/cart-v1", holder)).toEqual([]);
  await stopped;
  await Promise.resolve();
  expect(told.sort()).toEqual(["i0 stopped", "i1 stopped", "w: i0 stopped"]);
  expect(instances.size).toBe(0);
});

test("nobody gets a lease of what is not there, nor when it is gone itself", () => {
  const { told, instances, add } = open();
  const holder = makeHolder("w", told);
  add();
  expect(instances.lease("other", holder)).toBeUndefined();
  holder.isOpen = false;
  expect(instances.lease("i0", holder)).toBeUndefined();
});

test("an instance idles once its last lease is given back, and stops after its time", async () => {
  const { clock, told, instances, add } = open();
  const [one, two] = [makeHolder("one", told), makeHolder("two", told)];
  const slot = add();
  clock.advance(999);
  instances.lease("i0", one);
  instances.lease("i0", two);
  clock.advance(5000);
  instances.release("i0", one);
  instances.release("i0", one);
  clock.advance(5000);
  expect(slot.stoppedFor).toBeUndefined();
  instances.releaseAll(two);
  clock.advance(999);
  expect(slot.stoppedFor).toBeUndefined();
  clock.advance(1);
  expect(slot.stoppedFor).toBe("idle");
  await slot.exited;
  await Promise.resolve();
  expect(told).toEqual(["i0 idle"]);
  expect(slot.isDestroyed).toBe(true);
});

test("an instance that was idle long enough stops at once, but not while another leases it", () => {
  const { told, instances, add } = open();
  const [one, two] = [makeHolder("one", told), makeHolder("two", told)];
  const slot = add();
  instances.lease("i0", one);
  instances.lease("i0", two);
  instances.releaseIdle("i0", one);
  expect(slot.stoppedFor).toBeUndefined();
  instances.releaseIdle("i0", two);
  expect(slot.stoppedFor).toBe("idle");
});

test("an instance that does not stop loses its slot, and both failures are told", async () => {
  const { errors, instances, add } = open();
  const slot = new FakeSlot(0, {});
  slot.stop = () => Promise.reject(new Error("it hangs"));
  add(slot);
  await instances.stopRevision("shop/other");
  expect(slot.isDestroyed).toBe(false);
  await instances.stopRevision("shop/cart-v1");
  expect(slot.isDestroyed).toBe(true);
  slot.destroy = () => Promise.reject(new Error("it is busy"));
  slot.exit("crash");
  await slot.exited;
  for (let turn = 0; turn < 3; turn++) await Promise.resolve();
  expect(errors).toEqual([
    { event: "cannot stop an instance", instance: "i0", error: "it hangs" },
    { event: "cannot clear a slot", slot: "slot-0", error: "it is busy" },
  ]);
});

test("those that ended are told of for a minute, the latest ones when they are many", async () => {
  const { clock, instances, add } = open();
  for (let i = 0; i < 300; i++) add();
  clock.advance(1000); // all idle at once
  await instances.stopAll();
  const { ended } = instances;
  expect(ended).toHaveLength(256);
  expect(ended.at(-1)).toEqual({ id: "i299", namespace: "shop", reason: "idle", endedAtMs: clock.nowMs() });
  clock.advance(60_000);
  expect(instances.ended).toHaveLength(256);
  clock.advance(1);
  expect(instances.ended).toEqual([]);
});
