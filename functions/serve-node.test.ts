import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportSPKI, generateKeyPair, SignJWT } from "jose";
import { connectChannel } from "#host/channel-socket.ts";
import { silentLog } from "#host/log.ts";
import { MeshError, meshErrorCode } from "#host/mesh-error.ts";
import type { Activation } from "./activation/activator.ts";
import type { Instance, LeaseHolder } from "./activation/instance.ts";
import { FakeSlot } from "./fake/fake-slots.ts";
import type { NodeWork } from "./node-methods.ts";
import { serveNode } from "./serve-node.ts";
import { openTokenVerifier } from "./tokens.ts";

const cleanUps: (() => void)[] = [];
const dirs: string[] = [];
afterEach(() => {
  for (const clean of cleanUps.splice(0)) clean();
});

const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
const foreign = await generateKeyPair("ES256");

function token(
  name: string,
  change: { key?: CryptoKey; audience?: string; expired?: boolean } = {},
): Promise<string> {
  const jwt = new SignJWT({})
    .setProtectedHeader({ alg: "ES256" })
    .setSubject(`system:lambient:${name}`)
    .setAudience(change.audience ?? "lambient");
  if (change.expired === true) jwt.setExpirationTime(1);
  return jwt.sign(change.key ?? privateKey);
}

const slot = new FakeSlot(1, {});
// Only what the methods read.
const instance = { id: "cart-v1-x", slot, revision: { uid: "shop/cart-v1" } } as unknown as Instance;

async function open() {
  const dir = mkdtempSync(join(tmpdir(), "node-"));
  dirs.push(dir);
  writeFileSync(join(dir, "key.pem"), await exportSPKI(publicKey));
  const calls: unknown[] = [];
  const holders: LeaseHolder[] = [];
  const gone: LeaseHolder[] = [];
  const gaveBack = Promise.withResolvers<void>();
  const work: NodeWork = {
    port: 8080,
    activate(revision, isFurther, holder) {
      calls.push(["activate", revision, isFurther]);
      holders.push(holder);
      if (revision === "shop/gone") return Promise.reject(new MeshError("not-found", "no such revision"));
      return Promise.resolve<Activation>({ instance, rung: "pooled" });
    },
    release: (id, isIdle) => void calls.push(["release", id, isIdle]),
    check: ({ name }) => Promise.resolve({ loaded: false, reason: `${name} is broken` }),
    report: () => ({ instances: [], ended: [], schedules: [] }),
    readLogs: (query) => {
      calls.push(query);
      return Promise.resolve({ lines: [], cursor: "1.0" });
    },
    identityOf: () => "spiffe://cluster.local/ns/shop/sa/cart",
  };
  const path = join(dir, "node.sock");
  const server = serveNode({
    path,
    work,
    tokens: openTokenVerifier(join(dir, "key.pem")),
    log: silentLog,
    onGone(holder) {
      gone.push(holder);
      gaveBack.resolve();
    },
  });
  const told: unknown[] = [];
  const notified = Promise.withResolvers<void>();
  const channel = await connectChannel(path, {
    onRequest: () => undefined,
    onNotify(method, params) {
      told.push([method, params]);
      if (method === "instance-gone") notified.resolve();
    },
    onClose: () => undefined,
  });
  cleanUps.push(() => {
    channel.close();
    server.close();
    rmSync(dir, { recursive: true });
  });
  const ask = async (method: string, params: unknown = {}) => {
    try {
      return await channel.request(method, params, 5000);
    } catch (error) {
      return meshErrorCode(error);
    }
  };
  return { channel, ask, calls, holders, gone, gaveBack, told, notified };
}

const everyMethod = ["activate", "release", "check", "instances", "schedules", "logs"];

test("before hello nothing is allowed, and hello takes nothing but a good token", async () => {
  const { ask, calls } = await open();
  for (const method of everyMethod) expect(await ask(method)).toBe("not-permitted");
  const bad = [
    "nonsense",
    await token("waypoint", { key: foreign.privateKey }),
    await token("waypoint", { audience: "other" }),
    await token("waypoint", { expired: true }),
    await token("stranger"),
  ];
  for (const each of bad) expect(await ask("hello", { token: each })).toBe("not-permitted");
  expect(await ask("hello", {})).toBe("bad-input");
  for (const method of everyMethod) expect(await ask(method)).toBe("not-permitted");
  expect(calls).toEqual([]);
});

const allowed: [string, string[]][] = [
  ["waypoint", ["activate", "release"]],
  ["control-plane", ["check", "instances", "schedules", "logs"]],
  ["admin", ["instances", "schedules", "logs"]],
  ["ztunnel", []],
  ["edge", []],
];
test.each(allowed)("%s may call %j and nothing else", async (name, methods) => {
  const { ask } = await open();
  await ask("hello", { token: await token(name) });
  const refused: string[] = [];
  for (const method of [...everyMethod, "unknown"]) {
    if ((await ask(method)) === "not-permitted") refused.push(method);
  }
  expect(refused).toEqual([...everyMethod.filter((method) => !methods.includes(method)), "unknown"]);
});

test("a waypoint activates, is told when the instance is gone, and gives its leases back by leaving", async () => {
  const { channel, ask, calls, holders, gone, gaveBack, told, notified } = await open();
  await ask("hello", { token: await token("waypoint") });
  expect(await ask("activate", { revision: "shop/cart-v1", further: true })).toEqual({
    instance: "cart-v1-x",
    address: "10.244.0.2",
    port: 8080,
    identity: "spiffe://cluster.local/ns/shop/sa/cart",
    rung: "pooled",
  });
  expect(await ask("activate", { revision: "shop/gone" })).toBe("not-found");
  expect(await ask("activate", { revision: 7 })).toBe("bad-input");
  expect(await ask("release", { instance: "cart-v1-x", idle: true })).toEqual({});
  expect(calls).toEqual([
    ["activate", "shop/cart-v1", true],
    ["activate", "shop/gone", false],
    ["release", "cart-v1-x", true],
  ]);
  holders[0]?.onComing({ id: "cart-v1-y", revision: instance.revision, address: "10.244.0.9" });
  holders[0]?.onGone(instance, "crash");
  await notified.promise;
  expect(told).toEqual([
    [
      "instance-coming",
      {
        instance: "cart-v1-y",
        revision: "shop/cart-v1",
        address: "10.244.0.9",
        port: 8080,
        identity: "spiffe://cluster.local/ns/shop/sa/cart",
      },
    ],
    ["instance-gone", { instance: "cart-v1-x", revision: "shop/cart-v1", reason: "crash" }],
  ]);
  channel.close();
  await gaveBack.promise;
  expect(gone).toEqual(holders.slice(0, 1));
  expect(holders[0]?.isOpen).toBe(false);
});

test("the control plane checks revisions and reads logs", async () => {
  const { ask, calls } = await open();
  await ask("hello", { token: await token("control-plane") });
  expect(await ask("check", { revision: { namespace: "shop", name: "cart-v2", spec: {} } })).toEqual({
    loaded: false,
    reason: "cart-v2 is broken",
  });
  expect(await ask("check", { revision: {} })).toBe("bad-input");
  await ask("logs", { namespace: "shop", function: "cart", tailLines: 5, cursor: null });
  expect(calls).toEqual([{ namespace: "shop", function: "cart", tailLines: 5 }]);
  expect(await ask("logs", { namespace: "shop", function: "cart", sinceMs: -1 })).toBe("bad-input");
});

test("no more callers than are bounded are taken", async () => {
  const { channel, ask } = await open();
  const callers = [channel];
  const path = join(dirs.at(-1) ?? "", "node.sock");
  const refused = Promise.withResolvers<string>();
  const handlers = { onRequest: () => undefined, onNotify: () => undefined, onClose: refused.resolve };
  for (let i = 0; i < 256; i++) callers.push(await connectChannel(path, handlers));
  expect(await refused.promise).toContain("ended");
  expect(await ask("hello", { token: await token("admin") })).toEqual({});
  for (const caller of callers) caller.close();
});
