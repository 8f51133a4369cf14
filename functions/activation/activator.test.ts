import { expect, test } from "bun:test";
import { defaultLimits, defaultScale, type ScaleSpec } from "#core/release/function-spec.ts";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { silentLog } from "#host/log.ts";
import { errorText, MeshError, meshErrorCode } from "#host/mesh-error.ts";
import { FakeSlots } from "../fake/fake-slots.ts";
import type { Revision } from "../revision.ts";
import { Activator } from "./activator.ts";
import type { ComingInstance, Instance, LeaseHolder } from "./instance.ts";
import { Instances } from "./instances.ts";
import type { ExitReason } from "./slot-port.ts";
import type { StartOutcome } from "./start-instance.ts";

class Holder implements LeaseHolder {
  isOpen = true;
  readonly coming: string[] = [];
  readonly gone: string[] = [];

  onComing({ id, address }: ComingInstance): void {
    this.coming.push(`${id} ${address}`);
  }

  onGone(instance: Instance, reason: ExitReason): void {
    this.gone.push(`${instance.id} ${reason}`);
  }
}

function revision(name: string, scale: Partial<ScaleSpec> = {}): Revision {
  return {
    uid: `shop/${name}`,
    namespace: "shop",
    name,
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
      scale: { ...defaultScale, ...scale },
      limits: defaultLimits,
      egress: "ALLOW_ANY",
    },
  };
}

function open(...revisions: Revision[]) {
  const clock = new FakeClock();
  const slots = new FakeSlots();
  const book = new Map(revisions.map((each) => [each.uid, each]));
  const outcomes: StartOutcome[] = [];
  const instances = new Instances({ clock, log: silentLog, onGone: () => undefined });
  let made = 0;
  const activator = new Activator({
    clock,
    slots,
    instances,
    log: silentLog,
    revisions: { find: (uid) => book.get(uid) },
    failure: { firstMs: 250, mostMs: 10_000 },
    readBundle: () => Promise.resolve(new Uint8Array([1])),
    resolveEnv: ({ spec }) => Promise.resolve(spec.env),
    newInstanceId: ({ name }) => `${name}-${++made}`,
    onStarted: (outcome) => outcomes.push(outcome),
  });
  const ask = async (name: string, holder: LeaseHolder, isFurther = false) => {
    try {
      const { instance, rung } = await activator.activate({ revision: `shop/${name}`, isFurther, holder });
      return `${instance.id} ${rung}`;
    } catch (error) {
      return meshErrorCode(error);
    }
  };
  return { clock, slots, book, outcomes, instances, activator, ask };
}

/** Lets everything happen that is not waiting for the clock. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

test("the first call starts an instance, the next one gets it, calls at once share one start", async () => {
  const { ask, slots } = open(revision("cart-v1"));
  const [a, b] = [new Holder(), new Holder()];
  expect(await Promise.all([ask("cart-v1", a), ask("cart-v1", b)])).toEqual([
    "cart-v1-1 pooled",
    "cart-v1-1 pooled",
  ]);
  expect(await ask("cart-v1", a)).toBe("cart-v1-1 running");
  expect(slots.taken.length).toBe(1);
  expect(slots.taken[0]?.assignments).toEqual([
    { revision: "shop/cart-v1", namespace: "shop", serviceAccount: "cart", policies: [] },
  ]);
});

test("whoever asked first is told of the instance once it is assigned, before it has loaded", async () => {
  const { ask, slots } = open(revision("cart-v1"));
  const load = Promise.withResolvers<void>();
  slots.behaviour.load = () => load.promise;
  const [a, b] = [new Holder(), new Holder()];
  const both = Promise.all([ask("cart-v1", a), ask("cart-v1", b)]);
  await settle();
  expect([a.coming, b.coming]).toEqual([["cart-v1-1 10.244.0.2"], []]);
  load.resolve();
  await both;
});

test("nothing is loaded before ztunnel has taken the identity; the bundle is in place by then", async () => {
  const { ask, slots } = open(revision("cart-v1"));
  const assign = Promise.withResolvers<void>();
  slots.behaviour.assign = () => assign.promise;
  const holder = new Holder();
  const asked = ask("cart-v1", holder);
  await settle();
  const [slot] = slots.taken;
  expect(holder.coming).toEqual(["cart-v1-1 10.244.0.2"]);
  expect([slot?.bundle, slot?.request]).toEqual([new Uint8Array([1]), undefined]);
  assign.resolve();
  expect(await asked).toBe("cart-v1-1 pooled");
  expect(slot?.request?.instance).toBe("cart-v1-1");
});

test("what ztunnel refuses, or does not take in time, is never loaded", async () => {
  const { activator, clock, slots } = open(revision("cart-v1", { activationTimeoutMs: 500 }));
  const holder = new Holder();
  const reason = () =>
    activator.activate({ revision: "shop/cart-v1", isFurther: false, holder }).then(() => "", errorText);
  slots.behaviour.assign = () => Promise.reject(new MeshError("unavailable", "it is full"));
  expect(await reason()).toBe("it is full");
  const assign = Promise.withResolvers<void>();
  slots.behaviour.assign = () => assign.promise;
  const late = reason();
  await settle();
  clock.advance(750);
  expect(await late).toEndWith("activationTimeoutMs 500: ztunnel has not taken its identity");
  assign.resolve();
  await settle();
  expect(slots.taken.map(({ request, isDestroyed }) => [request, isDestroyed])).toEqual([
    [undefined, true],
    [undefined, true],
  ]);
  expect(clock.pending).toBe(0);
});

test("a bundle that does not fit is the revision's fault, and is not tried again at once", async () => {
  const { ask, slots } = open(revision("cart-v1"));
  slots.behaviour.place = () => {
    throw new MeshError("unavailable", "load failed: no space left");
  };
  expect(await ask("cart-v1", new Holder())).toBe("unavailable");
  expect(await ask("cart-v1", new Holder())).toBe("unavailable");
  expect(slots.taken.map(({ isDestroyed }) => isDestroyed)).toEqual([true]);
});

test("further instances start up to scale.max, and not beyond", async () => {
  const { ask } = open(revision("cart-v1", { max: 2 }));
  const [a, b] = [new Holder(), new Holder()];
  expect(await ask("cart-v1", a)).toBe("cart-v1-1 pooled");
  expect(await ask("cart-v1", b, true)).toBe("cart-v1-1 running");
  expect(await ask("cart-v1", a, true)).toBe("cart-v1-2 pooled");
  expect(await ask("cart-v1", a, true)).toBe("limit-reached");
});

test("an instance stops once nobody has leased it for its idle time", async () => {
  const { ask, clock, slots, instances } = open(revision("cart-v1", { idleMs: 1000 }));
  const [a, b] = [new Holder(), new Holder()];
  await ask("cart-v1", a);
  await ask("cart-v1", b);
  clock.advance(5000);
  instances.releaseAll(a);
  clock.advance(5000);
  instances.release("cart-v1-1", b);
  clock.advance(999);
  expect(slots.taken[0]?.stoppedFor).toBeUndefined();
  clock.advance(1);
  await settle();
  expect(slots.taken[0]).toMatchObject({ stoppedFor: "idle", isDestroyed: true });
  expect(instances.size).toBe(0);
  expect(clock.pending).toBe(0);
});

test("a waypoint that knows an instance is idle stops it at once, unless another one leases it", async () => {
  const { ask, slots, instances } = open(revision("cart-v1"));
  const [a, b] = [new Holder(), new Holder()];
  await ask("cart-v1", a);
  await ask("cart-v1", b);
  instances.releaseIdle("cart-v1-1", a);
  expect(slots.taken[0]?.stoppedFor).toBeUndefined();
  instances.releaseIdle("cart-v1-1", b);
  expect(slots.taken[0]?.stoppedFor).toBe("idle");
  expect(await ask("cart-v1", a)).toBe("cart-v1-2 pooled");
});

test("a crash is told to every lease holder, and the next call starts anew", async () => {
  const { ask, slots } = open(revision("cart-v1"));
  const [a, b] = [new Holder(), new Holder()];
  await ask("cart-v1", a);
  await ask("cart-v1", b);
  slots.taken[0]?.exit("crash");
  await settle();
  expect([a.gone, b.gone]).toEqual([["cart-v1-1 crash"], ["cart-v1-1 crash"]]);
  expect(slots.taken[0]?.isDestroyed).toBe(true);
  expect(await ask("cart-v1", a)).toBe("cart-v1-2 pooled");
});

test("a revision that does not load is refused with its reason for a while, then tried again", async () => {
  const { activator, ask, clock, slots } = open(revision("cart-v1"));
  const holder = new Holder();
  const failed = new MeshError("unavailable", "load failed: SyntaxError");
  slots.behaviour.load = () => Promise.reject(failed);
  const reason = () =>
    activator.activate({ revision: "shop/cart-v1", isFurther: false, holder }).then(() => "", errorText);
  expect(await reason()).toBe(failed.message);
  expect(await reason()).toBe(failed.message);
  expect(slots.taken.length).toBe(1);
  expect(slots.taken[0]?.isDestroyed).toBe(true);
  clock.advance(250);
  expect(await reason()).toBe(failed.message);
  clock.advance(250);
  await reason();
  expect(slots.taken.length).toBe(2);
  clock.advance(250);
  delete slots.behaviour.load;
  expect(await ask("cart-v1", holder)).toBe("cart-v1-3 pooled");
});

test("a missing slot or a silent ztunnel is not held against the revision", async () => {
  const { ask, slots } = open(revision("cart-v1"));
  const holder = new Holder();
  slots.max = 0;
  expect(await ask("cart-v1", holder)).toBe("limit-reached");
  slots.max = 3;
  slots.behaviour.assign = () => Promise.reject(new MeshError("timeout", "no ztunnel"));
  expect(await ask("cart-v1", holder)).toBe("timeout");
  slots.behaviour.load = () => Promise.withResolvers<never>().promise;
  expect(await ask("cart-v1", holder)).toBe("timeout");
  delete slots.behaviour.assign;
  delete slots.behaviour.load;
  expect(await ask("cart-v1", holder)).toBe("cart-v1-3 pooled");
});

test("a load that never ends is a timeout, and its slot is cleared", async () => {
  const { ask, clock, slots } = open(revision("cart-v1", { activationTimeoutMs: 500 }));
  slots.behaviour.load = () => Promise.withResolvers<never>().promise;
  const waiting = ask("cart-v1", new Holder());
  await settle();
  expect(slots.taken[0]?.request?.timeoutMs).toBe(500);
  clock.advance(750);
  expect(await waiting).toBe("timeout");
  expect(slots.taken[0]?.isDestroyed).toBe(true);
  expect(clock.pending).toBe(0);
});

test("everyone who joined a start that fails is told why", async () => {
  const { ask, slots } = open(revision("cart-v1"));
  slots.behaviour.load = () => Promise.reject(new MeshError("unavailable", "load failed"));
  const [a, b] = [new Holder(), new Holder()];
  expect(await Promise.all([ask("cart-v1", a), ask("cart-v1", b)])).toEqual(["unavailable", "unavailable"]);
  expect(slots.taken.length).toBe(1);
});

test("unknown, refused and deleted revisions are not started", async () => {
  const { ask, activator, book, slots, instances } = open(
    { ...revision("cart-v1"), refusal: "its signature is wrong" },
    revision("cart-v2"),
  );
  expect(await ask("cart-v0", new Holder())).toBe("not-found");
  expect(await ask("cart-v1", new Holder())).toBe("unavailable");
  const load = Promise.withResolvers<void>();
  slots.behaviour.load = () => load.promise;
  const waiting = ask("cart-v2", new Holder());
  await settle();
  book.delete("shop/cart-v2");
  load.resolve();
  expect(await waiting).toBe("unavailable");
  await settle();
  expect([slots.taken[0]?.stoppedFor, instances.size]).toEqual(["stopped", 0]);
  await activator.close();
  expect(await ask("cart-v2", new Holder())).toBe("unavailable");
});

test("an instance whose caller left meanwhile idles", async () => {
  const { ask, clock, slots } = open(revision("cart-v1", { idleMs: 1000 }));
  const holder = new Holder();
  const waiting = ask("cart-v1", holder);
  holder.isOpen = false;
  expect(await waiting).toBe("unavailable");
  clock.advance(1000);
  expect(slots.taken[0]?.stoppedFor).toBe("idle");
});

test("outcomes are told with how long they took", async () => {
  const { ask, outcomes } = open(revision("cart-v1"));
  await ask("cart-v1", new Holder());
  expect(outcomes.map(({ kind }) => kind)).toEqual(["started"]);
});
