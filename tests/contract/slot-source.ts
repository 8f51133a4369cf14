/** What every source of slots promises activation, the engine's and the fake alike. */
import { expect, test } from "bun:test";
import { defaultLimits, defaultScale } from "#core/release/function-spec.ts";
import { meshErrorCode, errorText } from "#host/mesh-error.ts";
import type { LoadRequest, SlotSource } from "../../functions/activation/slot-port.ts";

/** A source that the suite may use up and that its test ends. */
export type OpenSlotSource = () => SlotSource;

const timeoutMs = 10_000;
const good = `export default { fetch: () => new Response("hello"), scheduled() {} };`;
const bad = `throw new Error("no luck");`;
const assignment = { revision: "shop/cart-v1", namespace: "shop", serviceAccount: "cart", policies: [] };

/** Runs the suite. */
export function slotSourceContract(name: string, open: OpenSlotSource): void {
  test(`${name}: slots are never given twice`, async () => {
    const source = open();
    const [a, b] = await Promise.all([source.take(timeoutMs), source.take(timeoutMs)]);
    expect(a.slot.uid).not.toBe(b.slot.uid);
    expect(a.slot.address).not.toBe(b.slot.address);
    expect(["pooled", "new"]).toContain(a.rung);
    await Promise.all([a.slot.destroy(), b.slot.destroy()]);
  }, 20_000);

  test(`${name}: a loaded slot tells its handlers, runs schedules, and ends for the reason given`, async () => {
    const { slot } = await open().take(timeoutMs);
    slot.place(Buffer.from(good), request.spec);
    await slot.assign(assignment);
    const loaded = await slot.load(request);
    expect(loaded.handlers).toEqual(["fetch", "scheduled"]);
    const call = { cron: "* * * * *", scheduledAtMs: 0, traceparent: "", timeoutMs };
    await loaded.runScheduled(call);
    await loaded.stop("idle");
    expect(await loaded.exited).toBe("idle");
    expect(await loaded.runScheduled(call).then(() => "ran", meshErrorCode)).toBe("unavailable");
    await slot.destroy();
  }, 20_000);

  test(`${name}: a bundle that does not load says why, and leaves nothing to end`, async () => {
    const { slot } = await open().take(timeoutMs);
    slot.place(Buffer.from(bad), request.spec);
    const failure = await slot.load(request).then(
      () => "loaded",
      (error: unknown) => [meshErrorCode(error), errorText(error).slice(0, 13)],
    );
    expect(failure).toEqual(["unavailable", "load failed: "]);
    await slot.destroy();
    await slot.destroy();
  }, 20_000);

  test(`${name}: a slot that was never loaded can be given up`, async () => {
    const { slot } = await open().take(timeoutMs);
    await slot.destroy();
    await slot.destroy();
  }, 20_000);
}

const request: LoadRequest = {
  instance: "cart-v1-x",
  namespace: "shop",
  revision: "cart-v1",
  spec: {
    function: "cart",
    serviceAccountName: "cart",
    group: "waypoint",
    signature: "",
    bundle: "",
    engine: "bun",
    env: {},
    secrets: {},
    bindings: [],
    scale: defaultScale,
    limits: defaultLimits,
    egress: "ALLOW_ANY",
  },
  env: {},
  timeoutMs,
  isCheck: false,
};
