import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Channel } from "#host/channel.ts";
import { serveChannels } from "#host/channel-socket.ts";
import { systemClock } from "#host/clock.ts";
import { MeshError } from "#host/mesh-error.ts";
import { type NodeClient, openNodeClient } from "./node-client.ts";

const answer = {
  instance: "i1",
  address: "10.244.0.9",
  port: 8080,
  identity: "spiffe://cluster.local/ns/shop/sa/web",
  rung: "pooled",
};

/** A served `node.sock` and a client of it. */
class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), "node-client-"));
  readonly asked: [string, unknown][] = [];
  readonly told: string[] = [];
  readonly channels: Channel[] = [];
  respond: (method: string) => unknown = (method) => (method === "activate" ? answer : {});
  #server: { close(): void } | undefined;
  readonly client: NodeClient;

  constructor() {
    writeFileSync(join(this.folder, "token"), "secret\n");
    this.client = openNodeClient({
      socketPath: join(this.folder, "node.sock"),
      tokenPath: join(this.folder, "token"),
      clock: systemClock,
      onInstanceGone: (instance) => void this.told.push(`gone ${instance}`),
      onInstanceComing: ({ ip, port }, identity) => void this.told.push(`coming ${ip}:${port} ${identity}`),
      onLost: () => void this.told.push("lost"),
    });
  }

  serve(): void {
    this.#server = serveChannels(join(this.folder, "node.sock"), (channel) => {
      this.channels.push(channel);
      return {
        onRequest: (method, params) => {
          this.asked.push([method, params]);
          return this.respond(method);
        },
        onNotify() {},
        onClose() {},
      };
    });
  }

  close(): void {
    this.client.close();
    for (const channel of this.channels) channel.close();
    this.#server?.close();
    rmSync(this.folder, { recursive: true });
  }
}

let bench = new Bench();
afterEach(() => {
  bench.close();
  bench = new Bench();
});

test("the first call says who asks, then activates; the connection is kept", async () => {
  bench.serve();
  expect(await bench.client.activate("shop/web-v1", false, 1000)).toMatchObject({
    instance: "i1",
    address: { ip: "10.244.0.9", port: 8080 },
    rung: "pooled",
  });
  await bench.client.activate("shop/web-v1", true, 1000);
  expect(bench.asked).toEqual([
    ["hello", { token: "secret" }],
    ["activate", { revision: "shop/web-v1", further: false }],
    ["activate", { revision: "shop/web-v1", further: true }],
  ]);
});

test("a node runtime that comes later is waited for", async () => {
  const asked = bench.client.activate("shop/web-v1", false, 5000);
  bench.serve();
  expect((await asked).instance).toBe("i1");
});

test("one that never comes is a timeout", async () => {
  const failed = await bench.client.activate("shop/web-v1", false, 120).catch((error: unknown) => error);
  expect(failed).toMatchObject({ code: "timeout" });
});

test.each(["not-found", "limit-reached", "unavailable"] as const)("its %s comes through", async (code) => {
  bench.serve();
  bench.respond = (method) => {
    if (method === "activate") throw new MeshError(code, "scripted");
    return {};
  };
  const failed = await bench.client.activate("shop/web-v1", false, 1000).catch((error: unknown) => error);
  expect(failed).toMatchObject({ code, message: "scripted" });
});

test("a connection that is lost in the midst of an activation is made again", async () => {
  bench.serve();
  const first = Promise.withResolvers<void>();
  bench.respond = (method) => {
    if (method !== "activate") return {};
    if (bench.channels.length > 1) return answer;
    first.resolve();
    return new Promise(() => {});
  };
  const asked = bench.client.activate("shop/web-v1", false, 5000);
  await first.promise;
  bench.channels[0]?.close();
  expect((await asked).instance).toBe("i1");
  expect(bench.told).toEqual(["lost"]);
});

test.each([
  [{ ...answer, address: "nowhere" }],
  [{ ...answer, port: 0 }],
  [{ ...answer, identity: "x" }],
  [{ ...answer, rung: "golden" }],
  [{ ...answer, instance: 7 }],
  [null],
])("an answer that is none is refused: %j", async (given) => {
  bench.serve();
  bench.respond = () => given;
  const failed = await bench.client.activate("shop/web-v1", false, 1000).catch((error: unknown) => error);
  expect(failed).toMatchObject({ code: "protocol-violation" });
});

test("instances that are gone are told, releases are sent", async () => {
  bench.serve();
  await bench.client.activate("shop/web-v1", false, 1000);
  const released = Promise.withResolvers<unknown>();
  bench.respond = (method) => {
    if (method === "release") released.resolve(bench.asked.at(-1)?.[1]);
    return {};
  };
  bench.client.release("i1");
  expect(await released.promise).toEqual({ instance: "i1", idle: true });
  bench.channels[0]?.notify("instance-gone", { instance: "i1", revision: "shop/web-v1", reason: "x" });
  bench.channels[0]?.notify("instance-gone", "nonsense");
  bench.channels[0]?.notify("instance-coming", { ...answer, instance: "i2", revision: "shop/web-v1" });
  bench.channels[0]?.notify("instance-coming", { ...answer, identity: "nobody" });
  await bench.client.activate("shop/web-v1", false, 1000).catch(() => undefined);
  expect(bench.told).toEqual(["gone i1", "coming 10.244.0.9:8080 spiffe://cluster.local/ns/shop/sa/web"]);
});
