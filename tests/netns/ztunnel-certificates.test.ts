/** A short-lived certificate renews under load without a failure, expires when the authority is away, and comes back with it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { closeLibc, type Libc, openLibc } from "#host/linux/libc.ts";
import { warmUp } from "#host/linux/namespaces.ts";
import { Conversation, converseFrom } from "../support/conversation.ts";
import {
  assignSlots,
  priceService,
  shopId,
  type SlotScene,
  startSlotScene,
  tunnelToPrice,
} from "../support/slot-scene.ts";
import { waitUntil } from "../support/wait-until.ts";

let libc: Libc;

beforeAll(async () => {
  libc = openLibc();
  await warmUp();
});

afterAll(() => closeLibc(libc));

/** One short connection of `web` through the waypoint. @returns whether it was served. */
async function call({ web }: SlotScene): Promise<boolean> {
  const talk = await converseFrom(libc, web.namespace.fd, priceService, 80).catch(() => undefined);
  if (talk === undefined) return false;
  const isServed = (await talk.say("hello")) === "hello";
  talk.stream.reset();
  return isServed;
}

function signedFor({ node }: SlotScene, account: string): number {
  return node.authority.signed.filter((identity) => identity === shopId(account)).length;
}

test("certificates renew under load, expire without their authority, and come back with it", async () => {
  await using scene = await startSlotScene(libc, { certificateLifeMs: 1500 });
  await assignSlots(scene);
  const { node } = scene;
  const tunnel = await tunnelToPrice(libc, scene);
  let calls = 0;
  while (signedFor(scene, "web") < 3 || signedFor(scene, "price") < 3) {
    expect(await call(scene)).toBe(true);
    calls++;
  }
  expect(calls).toBeGreaterThan(10);

  node.authority.isDown = true;
  await waitUntil("nothing is served any more", async () => !(await call(scene)));
  await waitUntil("the reason is logged", () => node.lines.some((line) => line.includes("identity error")));
  // A tunnel that was opened in time is not served past its server's certificate either.
  const asWeb = `${shopId("web")};10.244.0.2`;
  const connect = async (): Promise<number> => {
    const outcome = await tunnel.connect([
      [":method", "CONNECT"],
      [":authority", "10.244.0.3:8080"],
      ["lambient-caller", asWeb],
    ]);
    if (outcome.kind === "refused") return outcome.status;
    new Conversation(outcome.stream).stream.reset();
    return 200;
  };
  await waitUntil("the certificate of price has expired", async () => (await connect()) === 503);

  node.authority.isDown = false;
  await waitUntil("calls are served again", () => call(scene));
  tunnel.close();
}, 30_000);
