/** The keeper against a real issuer, with the clock stepped by hand. */
import { expect, test } from "bun:test";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { MeshError } from "#host/mesh-error.ts";
import { makeTestCa, spiffeId } from "../../../tests/support/test-ca.ts";
import type { SignedChain } from "./authority-client.ts";
import { openCertificateKeeper } from "./certificate-keeper.ts";

const web = spiffeId("ns/shop/sa/web");
const ca = makeTestCa();
const hourMs = 3_600_000;

function rig(options: { identitiesMax?: number; requestsMax?: number; waitersMax?: number } = {}) {
  const clock = new FakeClock(Date.now());
  const state: { failure: Error | undefined; calls: number; gate: Promise<void> | undefined } = {
    failure: undefined,
    calls: 0,
    gate: undefined,
  };
  const sign = async (identity: SpiffeId, csrPem: string): Promise<SignedChain> => {
    state.calls++;
    await state.gate;
    if (state.failure !== undefined) throw state.failure;
    return ca.sign(identity, csrPem, { notAfterMs: clock.nowMs() + hourMs });
  };
  const failures: number[] = [];
  const keeper = openCertificateKeeper({
    sign,
    clock,
    random: () => 0.5,
    onFailure: (_, __, count) => failures.push(count),
    ...options,
  });
  const changes: SpiffeId[] = [];
  keeper.onChange((identity) => changes.push(identity));
  return { clock, state, keeper, failures, changes };
}

/** Lets what was started by a stepped timer run to its end: everything in it is promises, no I/O. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

test("get() mints once for all who wait, and then answers from memory", async () => {
  const { keeper, state } = rig();
  expect(keeper.peek(web)).toBeUndefined();
  const [first, second] = await Promise.all([keeper.get(web), keeper.get(web)]);
  expect(first).toBe(second);
  expect(first.identity).toBe(web);
  expect(keeper.peek(web)).toBe(first);
  expect(state.calls).toBe(1);
});

test("a certificate is renewed at half its time with a new key, and the change is told", async () => {
  const { keeper, clock, changes, state } = rig();
  const first = await keeper.get(web);
  clock.advance(hourMs / 2 - 1000);
  await settle();
  expect([keeper.peek(web)?.serial, changes]).toEqual([first.serial, []]);
  clock.advance(2000);
  await settle();
  const second = keeper.peek(web);
  expect(state.calls).toBe(2);
  expect(second?.serial).not.toBe(first.serial);
  expect(second?.keyPem).not.toBe(first.keyPem);
  expect(changes).toEqual([web]);
});

test("an authority that is away: the old one is served until it expires, then get() says why; it comes back", async () => {
  const { keeper, clock, state, changes } = rig();
  const first = await keeper.get(web);
  state.failure = new MeshError("unavailable", "Cannot reach the authority: it is away");
  clock.advance(hourMs - 2000);
  await settle();
  expect(keeper.peek(web)).toBe(first);
  expect(keeper.states().get(web)).toMatchObject({ kind: "held", lastError: state.failure.message });
  clock.advance(4000);
  await settle();
  expect(keeper.peek(web)).toBeUndefined();
  expect(changes).toEqual([web]);
  expect(keeper.states().get(web)?.kind).toBe("expired");
  const error = await keeper.get(web).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(MeshError);
  expect(String(error)).toContain("it expired; Cannot reach the authority: it is away");
  state.failure = undefined;
  clock.advance(200_000);
  await settle();
  expect(keeper.peek(web)?.serial).not.toBe(first.serial);
});

test("failed attempts wait 0.5 s and double up to 150 s", async () => {
  const { keeper, clock, state, failures } = rig();
  state.failure = new MeshError("unavailable", "away");
  keeper.prefetch(web);
  await settle();
  const waits: number[] = [];
  for (let wanted = 2; wanted <= 12; wanted++) {
    let waited = 0;
    while (failures.length < wanted && waited < 400_000) {
      clock.advance(250);
      waited += 250;
      await settle();
    }
    waits.push(waited);
  }
  expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 150_000, 150_000]);
});

test("get() waits through an outage, tells a refusal at once, and gives up at its time", async () => {
  const { keeper, clock, state } = rig();
  state.failure = new MeshError("unavailable", "away");
  const patient = keeper.get(web, 60_000);
  const hasty = keeper.get(web, 100).catch((error: unknown) => error);
  await settle();
  clock.advance(100);
  expect(await hasty).toMatchObject({ code: "timeout" });
  state.failure = undefined;
  clock.advance(1000);
  expect((await patient).identity).toBe(web);
  const other = spiffeId("ns/shop/sa/other");
  state.failure = new MeshError("not-permitted", "refused");
  expect(await keeper.get(other).catch((error: unknown) => error)).toMatchObject({ code: "not-permitted" });
});

test("identities and waiters are bounded; forget() makes room and rejects who waits", async () => {
  const { keeper, state } = rig({ identitiesMax: 1, waitersMax: 1 });
  state.gate = new Promise(() => {});
  const waiting = keeper.get(web).catch((error: unknown) => error);
  expect(await keeper.get(web).catch((error: unknown) => error)).toMatchObject({ code: "limit-reached" });
  const other = spiffeId("ns/shop/sa/other");
  expect(keeper.prefetch(other)).toBe(false);
  expect(await keeper.get(other).catch((error: unknown) => error)).toMatchObject({ code: "limit-reached" });
  keeper.forget(web);
  expect(await waiting).toMatchObject({ code: "canceled" });
  expect(keeper.prefetch(other)).toBe(true);
  expect([...keeper.states().keys()]).toEqual([other]);
});

test("no more than the allowed requests run at once, and all come through", async () => {
  const { keeper, state } = rig({ requestsMax: 2 });
  const gate = Promise.withResolvers<void>();
  state.gate = gate.promise;
  const identities = Array.from({ length: 6 }, (_, i) => spiffeId(`ns/shop/sa/f${i}`));
  const all = identities.map((identity) => keeper.get(identity));
  await settle();
  expect(state.calls).toBe(2);
  gate.resolve();
  expect((await Promise.all(all)).map((held) => held.identity)).toEqual(identities);
});

test("a chain of another identity is refused", async () => {
  const clock = new FakeClock(Date.now());
  const keeper = openCertificateKeeper({
    clock,
    sign: (_, csr) => Promise.resolve(ca.sign(spiffeId("ns/shop/sa/evil"), csr)),
  });
  keeper.prefetch(web);
  await settle();
  expect(keeper.peek(web)).toBeUndefined();
  expect(keeper.states().get(web)).toMatchObject({
    kind: "minting",
    lastError: `Cannot use a certificate as that of ${web}: it names spiffe://cluster.local/ns/shop/sa/evil`,
  });
});
