/** The discovery client against a recorded server over the real protocol: TLS on a unix socket with a token. */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { create, toBinary } from "@bufbuild/protobuf";
import { AuthorizationSchema, type Authorization } from "#core/proto/istio/authorization_pb.js";
import { AddressSchema } from "#core/proto/istio/workload_pb.js";
import { startRecordedAds } from "../../../tests/support/recorded-ads.ts";
import { makeTestCa } from "../../../tests/support/test-ca.ts";
import { type Discovery, type DiscoveryState, openDiscovery } from "./open-discovery.ts";
import { typeUrlOf, watchType } from "./watched-type.ts";

const policy = (name: string, dryRun = false): Authorization =>
  create(AuthorizationSchema, { namespace: "shop", name, dryRun });

/** Records what is told and lets a test wait for a condition on it. */
function recorder() {
  const events: string[] = [];
  const states: DiscoveryState[] = [];
  const waiting = new Set<() => void>();
  const held = new Map<string, Authorization>();
  const tell = (): void => {
    for (const check of waiting) check();
  };
  return {
    events,
    states,
    held,
    watch: (names?: readonly string[]) =>
      watchType(AuthorizationSchema, {
        ...(names === undefined ? {} : { names }),
        check: (_, message) => (message.name === "bad" ? "the name is bad" : undefined),
        onUpdate(changed, removed) {
          for (const { name, message } of changed) held.set(name, message);
          for (const name of removed) held.delete(name);
          events.push(`+${changed.map(({ name }) => name).join()} -${removed.join()}`);
          tell();
        },
      }),
    onState: (state: DiscoveryState): void => {
      states.push(state);
      tell();
    },
    until: (condition: () => boolean): Promise<void> =>
      new Promise((resolve) => {
        const check = (): void => {
          if (!condition()) return;
          waiting.delete(check);
          resolve();
        };
        waiting.add(check);
        check();
      }),
    tell,
  };
}

test("everything of a type comes at first, then each change, then what is removed", async () => {
  await using ads = await startRecordedAds();
  ads.set(AuthorizationSchema, { "shop/a": policy("a"), "shop/b": policy("b") });
  const seen = recorder();
  const discovery = openDiscovery({
    ...rigOptions(ads.channel),
    types: [seen.watch()],
    onState: seen.onState,
  });
  await seen.until(() => seen.held.size === 2 && discovery.isSynced);
  ads.set(AuthorizationSchema, { "shop/a": policy("a", true), "shop/b": policy("b") });
  await seen.until(() => seen.held.get("shop/a")?.dryRun === true);
  ads.set(AuthorizationSchema, { "shop/a": policy("a", true) });
  await seen.until(() => seen.held.size === 1);
  expect(seen.events).toEqual(["+shop/a,shop/b -", "+shop/a -", "+ -shop/b"]);
  expect(seen.states.map(({ kind }) => kind)).toEqual(["connecting", "synced"]);
  discovery.close();
});

test("a type that has nothing is synced, and says so", async () => {
  await using ads = await startRecordedAds();
  const seen = recorder();
  const discovery = openDiscovery({
    ...rigOptions(ads.channel),
    types: [seen.watch()],
    onState: seen.onState,
  });
  await seen.until(() => seen.states.some(({ kind }) => kind === "synced"));
  expect(seen.events).toEqual(["+ -"]);
  discovery.close();
});

test("a refused resource is told to the server; the good ones of the same response count and the held one stays", async () => {
  await using ads = await startRecordedAds();
  ads.set(AuthorizationSchema, { "shop/x": policy("good"), "shop/y": policy("bad") });
  const seen = recorder();
  const discovery = openDiscovery({ ...rigOptions(ads.channel), types: [seen.watch()] });
  await seen.until(() => seen.held.size === 1);
  ads.set(AuthorizationSchema, { "shop/x": policy("bad"), "shop/z": policy("good") });
  await seen.until(() => seen.held.has("shop/z"));
  expect(seen.held.get("shop/x")?.name).toBe("good");
  ads.putBytes(AuthorizationSchema, "shop/x", Uint8Array.of(0xff));
  await until(() => ads.refusals.length === 3);
  const url = typeUrlOf(AuthorizationSchema);
  expect(ads.refusals.slice(0, 2)).toEqual([
    `${url}: shop/y: the name is bad`,
    `${url}: shop/x: the name is bad`,
  ]);
  expect(discovery.status()).toMatchObject([{ held: 2, refused: 3 }]);
  discovery.close();
});

test("after an outage only the difference comes", async () => {
  await using ads = await startRecordedAds();
  ads.set(AuthorizationSchema, { "shop/a": policy("a"), "shop/b": policy("b"), "shop/c": policy("c") });
  const seen = recorder();
  const discovery = openDiscovery({
    ...rigOptions(ads.channel),
    types: [seen.watch()],
    onState: seen.onState,
  });
  await seen.until(() => discovery.isSynced);
  ads.stop();
  await seen.until(() => seen.states.some(({ kind }) => kind === "disconnected"));
  ads.set(AuthorizationSchema, { "shop/a": policy("a"), "shop/b": policy("b", true), "shop/d": policy("d") });
  await ads.start();
  await seen.until(() => seen.held.has("shop/d"));
  expect(seen.events.at(-1)).toBe("+shop/b,shop/d -shop/c");
  expect([...seen.held.keys()].sort()).toEqual(["shop/a", "shop/b", "shop/d"]);
  discovery.close();
});

test("names: only those come, absent ones are told as removed, setNames() changes them, none asks for nothing", async () => {
  await using ads = await startRecordedAds();
  ads.set(AuthorizationSchema, { "shop/a": policy("a"), "shop/b": policy("b") });
  ads.set(AddressSchema, { x: create(AddressSchema) });
  const seen = recorder();
  const addresses: string[] = [];
  const discovery = openDiscovery({
    ...rigOptions(ads.channel),
    types: [
      seen.watch(["shop/a", "shop/none"]),
      watchType(AddressSchema, {
        names: [],
        onUpdate(changed, removed) {
          addresses.push(`+${changed.map(({ name }) => name).join()} -${removed.join()}`);
          seen.tell();
        },
      }),
    ],
    onState: seen.onState,
  });
  await seen.until(() => discovery.isSynced);
  expect([seen.events, addresses]).toEqual([["+shop/a -shop/none"], []]);
  discovery.setNames(typeUrlOf(AuthorizationSchema), ["shop/b"]);
  await seen.until(() => seen.held.has("shop/b"));
  expect([...seen.held.keys()]).toEqual(["shop/b"]);
  discovery.setNames(typeUrlOf(AddressSchema), ["x"]);
  await seen.until(() => addresses.length > 0);
  expect(addresses).toEqual(["+x -"]);
  discovery.close();
});

test("a server of another root, a wrong token and no server are waited out with a growing delay", async () => {
  await using ads = await startRecordedAds();
  const seen = recorder();
  const other = ads.channel.rootsPath.replace("ca.pem", "other.pem");
  writeFileSync(other, makeTestCa().rootsPem);
  const delays = async (channel: typeof ads.channel): Promise<{ reason: string; delays: number[] }> => {
    seen.states.length = 0;
    const discovery: Discovery = openDiscovery({
      ...rigOptions(channel),
      types: [seen.watch()],
      onState: seen.onState,
    });
    const ends = () => seen.states.filter((state) => state.kind === "disconnected");
    await seen.until(() => ends().length === 3);
    discovery.close();
    return { reason: ends()[0]?.reason ?? "", delays: ends().map(({ retryInMs }) => retryInMs) };
  };
  const wrongRoot = await delays({ ...ads.channel, rootsPath: other });
  expect(wrongRoot.delays).toEqual([10, 20, 40]);
  const wrongToken = ads.channel.tokenPath.replace("token", "wrong");
  writeFileSync(wrongToken, "wrong");
  expect((await delays({ ...ads.channel, tokenPath: wrongToken })).reason).toContain(
    "UNAUTHENTICATED: the bearer token is absent or not valid",
  );
  ads.stop();
  expect((await delays(ads.channel)).reason).toContain("UNAVAILABLE");
  expect((await delays({ ...ads.channel, tokenPath: "/nonexistent/token" })).reason).toContain(
    "Cannot read this program's token as a file",
  );
});

test("a resource cut short is refused as unreadable", async () => {
  await using ads = await startRecordedAds();
  const good = toBinary(AuthorizationSchema, policy("abcdef"));
  ads.putBytes(AuthorizationSchema, "shop/cut", good.subarray(0, good.length - 2));
  const seen = recorder();
  const discovery = openDiscovery({ ...rigOptions(ads.channel), types: [seen.watch()] });
  await until(() => ads.refusals.length === 1);
  expect(seen.held.size).toBe(0);
  discovery.close();
});

function rigOptions(channel: Parameters<typeof openDiscovery>[0]["channel"]) {
  return { channel, nodeId: "test", random: () => 0.5 };
}

/** For what the client itself is not told of: looks again each turn of the event loop. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
