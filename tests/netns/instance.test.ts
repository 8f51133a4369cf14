/** Functions in real slots: how they start, serve, fail and end, and what is left of them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { putSocket } from "#host/linux/bpf.ts";
import { openCgroup } from "#host/linux/cgroup.ts";
import { withNamespace } from "#host/linux/namespaces.ts";
import { localEndpoint, startListen } from "#host/linux/sockets.ts";
import { MeshError } from "#host/mesh-error.ts";
import type { SlotPool } from "#isolate/pool.ts";
import type { SlotNetwork } from "#isolate/slot-network.ts";
import { ip } from "./support/linux.ts";
import { askSlot } from "./support/slot-client.ts";
import { openTestSlots, testNameserver, type TestSlots } from "./support/slots.ts";
import { startTestInstance, type TestInstance } from "./support/test-instance.ts";

let slots: TestSlots;
let pool: SlotPool;

beforeAll(async () => {
  slots = await openTestSlots();
  pool = slots.pool({ size: 2, quarantineMs: 0 });
  pool.start();
}, 60_000);

afterAll(async () => {
  await slots[Symbol.asyncDispose]();
}, 60_000);

const start = (
  source: string,
  options: Parameters<typeof startTestInstance>[3] = {},
): Promise<TestInstance> => startTestInstance(slots.host, pool, source, options);

const ask = (it: TestInstance, request: Parameters<typeof askSlot>[2] = {}): ReturnType<typeof askSlot> =>
  askSlot(slots.host.libc, it.instance.slot, request);

describe("starting", () => {
  test.each([
    [
      "a plain handler",
      `export default { fetch: (r, env) => new Response(new URL(r.url).pathname + env.NAME) }`,
    ],
    [
      "a method that uses this",
      `export default { p: (r) => new URL(r.url).pathname, fetch(r, env) { return new Response(this.p(r) + env.NAME) } }`,
    ],
    [
      "variables in process.env",
      `export default { fetch: (r) => new Response(new URL(r.url).pathname + process.env.NAME) }`,
    ],
    [
      "a top-level await",
      `const n = await Promise.resolve("/x"); export default { fetch: (r, env) => new Response(n + env.NAME) }`,
    ],
  ])("%s serves", async (_, source) => {
    const it = await start(source, { env: { NAME: "cart" } });
    expect([await ask(it, { path: "/x" }), it.instance.exports]).toEqual([
      { status: 200, body: "/xcart" },
      ["fetch"],
    ]);
    await it.instance.stop("test", 1000);
  });

  test("a Hono app serves as the default export", async () => {
    const entry = `import { Hono } from "hono"; const app = new Hono(); app.get("/hi/:name", (c) => c.text("hello " + c.req.param("name"))); export default app;`;
    const it = await startTestInstance(slots.host, pool, await bundle(entry));
    expect(await ask(it, { path: "/hi/you" })).toEqual({ status: 200, body: "hello you" });
    await it.instance.stop("test", 1000);
  });

  test.each([
    ["a syntax error", "export default {{", "Cannot parse the bundle"],
    [
      "an exception at import",
      "throw new Error('no database')",
      "Cannot import the bundle: it threw: Error: no database",
    ],
    ["a module that is not there", "import 'left-pad'; export default {}", "left-pad"],
    ["no default export", "export const a = 1", "Cannot find a fetch handler: there is no default export"],
    [
      "no handler",
      "export default { a: 1 }",
      "Cannot find a fetch handler: the default export is an object with a, without fetch",
    ],
    [
      "an exit at import",
      "process.exit(7)",
      "Cannot load the function: its process exited with 7 while loading",
    ],
    ["a rejection at import", "await Promise.reject(new Error('late'))", "it threw: Error: late"],
  ])("%s is told, and the slot is thrown away", async (_, source, message) => {
    const { error, reason } = await failToStart(source, {});
    expect([error instanceof MeshError && error.code, String(error)]).toEqual([
      "unavailable",
      expect.stringContaining(message),
    ]);
    expect(["load-failed", "crashed"]).toContain(reason);
  });

  test.each([
    ["a module that never ends", "await new Promise(() => {})"],
    ["a module that spins", "for (;;) {}"],
  ])("%s is ended when its time is over", async (_, source) => {
    const { error } = await failToStart(source, { activationTimeoutMs: 100 });
    expect(error instanceof MeshError && error.code).toBe("timeout");
  });
});

describe("serving", () => {
  test.each([
    ["an exception", `throw new Error("boom")`, "boom"],
    ["a rejection", `return Promise.reject(new Error("boom"))`, "boom"],
    ["no response", `return undefined`, "undefined is not a Response"],
  ])("%s is answered 500 and logged, and the next call is served", async (_, body, logged) => {
    const it = await start(
      `let n = 0; export default { async fetch() { if (n++ === 0) { ${body} } return new Response("ok") } }`,
    );
    expect(await ask(it)).toEqual({ status: 500, body: "The function failed\n" });
    expect(await ask(it)).toEqual({ status: 200, body: "ok" });
    await it.instance.stop("test", 1000);
    expect(it.lines.some((line) => line.startsWith("stderr") && line.includes(logged))).toBe(true);
  });

  test("standard output and error arrive as lines", async () => {
    const it = await start(
      `export default { fetch() { console.log("one\\ntwo"); console.error("three"); return new Response("ok") } }`,
    );
    await ask(it);
    await it.instance.stop("test", 1000);
    expect(it.lines.toSorted()).toEqual(["stderr three", "stdout one", "stdout two"]);
  });

  test("a schedule runs its handler with what it waits for, and reports failure", async () => {
    const it = await start(
      `export default { async scheduled(event, env, ctx) {
      if (event.cron === "bad") throw new Error("no luck");
      ctx.waitUntil(new Promise((done) => setTimeout(() => { console.log("ran", event.cron, event.scheduledTime, event.type, env.NAME); done() }, 20)));
    } }`,
      { env: { NAME: "report" } },
    );
    const run = (cron: string): Promise<unknown> =>
      it.instance.runScheduled({ cron, scheduledTime: 1234 }, 5000);
    expect([it.instance.exports, await run("* * * * *"), await run("bad")]).toEqual([
      ["scheduled"],
      { kind: "done" },
      { kind: "failed", message: "Error: no luck" },
    ]);
    expect((await ask(it)).status).toBe(501);
    await it.instance.stop("test", 1000);
    expect(it.lines).toContain("stdout ran * * * * * 1234 scheduled report");
  });

  test("writing beyond the files' limit fails inside, not outside", async () => {
    const it = await start(`import { writeFileSync } from "node:fs"; export default { fetch() {
      try { for (let i = 0; i < 100; i++) writeFileSync("/tmp/" + i, new Uint8Array(1 << 20)); return new Response("wrote") } catch (e) { return new Response(e.code) } } }`);
    expect((await ask(it)).body).toBe("ENOSPC");
    await it.instance.stop("test", 1000);
  });
});

describe("the mesh from inside", () => {
  test("fetch resolves a bare name at the nameserver, is captured, and carries the request's context", async () => {
    const it = await start(`export default { async fetch(request, env) {
      const plain = await (await fetch("http://price/a?b=c")).text();
      const bound = await (await env.CART.fetch("/items")).text();
      return new Response(plain + bound);
    } }`);
    const { network } = it.instance.slot;
    const { libc } = slots.host;
    const asked: string[] = [];
    await using dns = await fakeNameserver(network, asked);
    const reached: string[] = [];
    const fd = startListen(libc, network.namespace.fd, { address: ip("127.0.0.1"), port: 0 });
    putSocket(libc, network.mapFd, 0, fd);
    const options = {
      fd,
      socket: {
        data(socket: Bun.Socket & { readonly fd?: number }, bytes: Buffer): void {
          const { address, port } = localEndpoint(libc, socket.fd ?? -1);
          const head = bytes.toString();
          reached.push(
            `${address}:${port} ${head.split("\r\n")[0]} ${/^host: (.*)$/im.exec(head)?.[1] ?? ""} ${/^traceparent: (.*)$/im.exec(head)?.[1] ?? ""}`,
          );
          socket.end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
        },
      },
    };
    const listener = Bun.listen(options as unknown as Bun.TCPSocketListenOptions);
    const traceId = "0af7651916cd43dd8448eb211c80319c";
    const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
    expect(await ask(it, { headers })).toEqual({ status: 200, body: "okok" });
    await until(() => it.spans.length === 1);
    const [span] = it.spans;
    const own = `00-${traceId}-${span?.spanId}-01`;
    expect(reached).toEqual([
      `10.96.7.7:80 GET /a?b=c HTTP/1.1 price ${own}`,
      `10.96.7.7:80 GET /items HTTP/1.1 cart.shop ${own}`,
    ]);
    expect(span).toMatchObject({
      traceId,
      parentSpanId: "b7ad6b7169203331",
      name: "GET /",
      status: 200,
      droppedBefore: 0,
    });
    expect([...new Set(asked)]).toEqual(["price", "cart.shop"]);
    listener.stop(true);
    dns.close();
    await it.instance.stop("test", 1000);
  });

  test("background work beyond its bound is said not to be waited for", async () => {
    const it = await start(`export default { fetch(request, env, ctx) {
      for (let n = 0; n < 10_001; n++) ctx.waitUntil(new Promise((done) => setTimeout(done, 20)));
      return new Response("ok") } }`);
    await ask(it);
    await it.instance.stop("test", 5000);
    expect(it.lines).toEqual(["stderr Cannot wait for more than 10000 promises: one is not waited for"]);
  });

  test("a request without a context makes no span", async () => {
    const it = await start(`export default { fetch: () => new Response("ok") }`);
    await ask(it);
    await ask(it, { headers: { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00" } });
    await it.instance.stop("test", 1000);
    expect(it.spans).toEqual([]);
  });
});

describe("ending", () => {
  test.each([
    ["an exit", `process.exit(3)`, { kind: "crashed", status: { kind: "exited", code: 3 } }],
    [
      "an exception outside a request",
      `setTimeout(() => { throw new Error("late") }, 0); return new Promise(() => {})`,
      { kind: "crashed", status: { kind: "exited", code: 1 } },
    ],
    [
      "a rejection that nobody handles",
      `Promise.reject(new Error("late")); return new Promise(() => {})`,
      { kind: "crashed", status: { kind: "exited", code: 1 } },
    ],
  ])("%s is told as a crash, and nothing is left", async (_, body, want) => {
    const it = await start(`export default { fetch() { ${body} } }`);
    const answer = ask(it).catch(() => undefined);
    expect(await it.exited).toEqual(want as never);
    await answer;
    expectGone(it);
  });

  test("stopping lets the request at work and its background work end", async () => {
    const it = await start(`export default { async fetch(request, env, ctx) {
      ctx.waitUntil(new Promise((done) => setTimeout(() => { console.log("background done"); done() }, 60)));
      console.log("at work"); await new Promise((done) => setTimeout(done, 30)); return new Response("whole") } }`);
    const answer = ask(it);
    await until(() => it.lines.includes("stdout at work"));
    await it.instance.stop("idle", 5000);
    expect((await answer).body).toBe("whole");
    expect([await it.exited, it.lines]).toEqual([
      { kind: "stopped", why: "idle" },
      ["stdout at work", "stdout background done"],
    ]);
    expectGone(it);
  });

  test("a function that spins or ignores the signal is ended after the grace", async () => {
    for (const body of [
      "for (;;) {}",
      `process.removeAllListeners("SIGTERM"); return new Promise(() => {})`,
    ]) {
      const it = await start(`export default { fetch() { console.log("in"); ${body} } }`);
      const answer = ask(it).catch(() => undefined);
      await until(() => it.lines.includes("stdout in"));
      await it.instance.stop("idle", 50);
      await answer;
      expect(await it.exited).toEqual({ kind: "stopped", why: "idle" });
      expectGone(it);
    }
  });

  test("a function that takes too much memory is ended for it", async () => {
    const it = await start(
      `const kept = []; export default { fetch() { for (;;) kept.push(new Uint8Array(1 << 20).fill(1)) } }`,
      { memoryBytesMax: 96 << 20 },
    );
    const answer = ask(it).catch(() => undefined);
    expect(await it.exited).toEqual({ kind: "out-of-memory" });
    await answer;
    expectGone(it);
  });

  test.each([
    ["nonsense", `writeSync(3, "hello\\n")`, "a line is not a message"],
    [
      "a request",
      `writeSync(3, JSON.stringify({ id: 1, method: "activate", params: {} }) + "\\n")`,
      `the request "activate"`,
    ],
    [
      "a notification that the engine does not make",
      `writeSync(3, JSON.stringify({ method: "x" }) + "\\n")`,
      `the notification "x"`,
    ],
    [
      "a malformed span",
      `writeSync(3, JSON.stringify({ method: "span", params: { traceId: 1 } }) + "\\n")`,
      `the notification "span"`,
    ],
    ["a line without end", `flood("x".repeat(1 << 16))`, "a line is longer than"],
    [
      "a flood of spans",
      `flood(JSON.stringify({ method: "booted", params: {} }) + "\\n")`,
      "messages in a second",
    ],
  ])("%s on the owner's socket ends the instance", async (_, body, want) => {
    const it = await start(`import { writeSync } from "node:fs";
      const flood = (text) => { for (let n = 0; n < 5000; ) { try { writeSync(3, text); n++ } catch (e) { if (e.code !== "EAGAIN") throw e } } };
      export default { fetch() { ${body}; return new Response("ok") } }`);
    const answer = ask(it).catch(() => undefined);
    const reason = await it.exited;
    await answer;
    expect(reason).toEqual({ kind: "protocol-violation", what: expect.stringContaining(want) as never });
    expectGone(it);
  });

  test("descriptors that the process sends along are not taken", async () => {
    const it = await start(`import { dlopen, ptr } from "bun:ffi";
      const { symbols } = dlopen("libc.so.6", { sendmsg: { args: ["i32", "ptr", "i32"], returns: "i64" } });
      export default { fetch() {
        const data = Buffer.from(JSON.stringify({ method: "booted", params: {} }) + "\\n"), vector = Buffer.alloc(16), control = Buffer.alloc(24), message = Buffer.alloc(56);
        vector.writeBigUInt64LE(BigInt(ptr(data)), 0); vector.writeBigUInt64LE(BigInt(data.length), 8);
        control.writeBigUInt64LE(20n, 0); control.writeInt32LE(1, 8); control.writeInt32LE(1, 12); control.writeInt32LE(0, 16);
        message.writeBigUInt64LE(BigInt(ptr(vector)), 16); message.writeBigUInt64LE(1n, 24);
        message.writeBigUInt64LE(BigInt(ptr(control)), 32); message.writeBigUInt64LE(24n, 40);
        let sent = 0; for (let i = 0; i < 50; i++) if (symbols.sendmsg(3, ptr(message), 0x40) > 0n) sent++;
        return new Response(String(sent)) } }`);
    await until(() => pool.readyCount === 2);
    const fds = openFds();
    expect((await ask(it)).body).toBe("50");
    expect((await ask(it)).body).toBe("50");
    expect([it.instance.slot.channel.isOpen, openFds() <= fds]).toEqual([true, true]);
    await it.instance.stop("test", 1000);
  });

  test("a call by the 32-bit numbers ends the process", async () => {
    const it = await start(`import { CFunction, dlopen, toArrayBuffer } from "bun:ffi";
      export default { fetch() {
        const { symbols } = dlopen("libc.so.6", { mmap: { args: ["ptr", "u64", "i32", "i32", "i32", "u64"], returns: "ptr" } });
        const at = symbols.mmap(null, 4096, 7, 0x22, -1, 0);
        new Uint8Array(toArrayBuffer(at, 0, 4096)).set([0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xc3]);
        return new Response(String(new CFunction({ ptr: at, args: [], returns: "i32" })()));
      } }`);
    const answer = ask(it).catch(() => undefined);
    const badSystemCall = 31;
    expect(await it.exited).toEqual({ kind: "crashed", status: { kind: "signaled", signal: badSystemCall } });
    await answer;
  });
});

describe("an owner that is killed", () => {
  test("takes its slots with it, also one that spins", async () => {
    const owner = Bun.spawn([process.execPath, `${import.meta.dir}/fixtures/slot-owner.ts`], {
      stdout: "pipe",
    });
    const reader = owner.stdout.getReader();
    let text = "";
    while (!text.includes("\n")) text += new TextDecoder().decode((await reader.read()).value);
    const { pids, cgroupPath } = JSON.parse(text) as { pids: number[]; cgroupPath: string };
    const alive = (): number[] => pids.filter((pid) => existsSync(`/proc/${pid}`));
    expect(alive()).toEqual(pids);
    owner.kill("SIGKILL");
    await owner.exited;
    await until(() => alive().length === 0);
    await openCgroup(slots.host.cgroupMounts, cgroupPath).remove(5000);
  });
});

describe("the pool", () => {
  test("hands out what is ready, replaces it, and never uses a slot or an address twice within the quarantine", async () => {
    const own = slots.pool({ size: 2, quarantineMs: 60_000 });
    own.start();
    await until(() => own.readyCount === 2);
    const first = await own.take(1000);
    await until(() => own.readyCount === 2);
    const second = await own.take(1000);
    await first.slot.close();
    const third = await own.take(20_000);
    expect([first.rung, second.rung, third.rung]).toEqual(["pooled", "pooled", "pooled"]);
    expect(new Set([first, second, third].map(({ slot }) => slot.network.address)).size).toBe(3);
    await own.close();
    expect(own.openCount).toBe(0);
  });

  test("makes one for whoever waits", async () => {
    const own = slots.pool({ size: 0 });
    const { slot, rung } = await own.take(20_000);
    expect([rung, own.readyCount]).toEqual(["new", 0]);
    await slot.close();
    await own.close();
  });

  test("replaces a slot that ends in reserve", async () => {
    const own = slots.pool({ size: 1 });
    own.start();
    await until(() => own.readyCount === 1);
    const before = readdirSync(`${slots.host.cgroupMounts.unified}/${slots.host.cgroupPath}`, {
      withFileTypes: true,
    });
    const uids = before.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    for (const uid of uids) {
      const procs = `${slots.host.cgroupMounts.unified}/${slots.host.cgroupPath}/${uid}/cgroup.procs`;
      for (const pid of readFileSync(procs, "utf8").trim().split("\n")) process.kill(Number(pid), "SIGKILL");
    }
    await until(() => own.readyCount === 0);
    await until(() => own.readyCount === 1);
    const { slot } = await own.take(20_000);
    expect(uids).not.toContain(slot.network.uid);
    await own.close();
  });

  test("hands out a slot only once its listener is in place, and tells when it is gone", async () => {
    const told: string[] = [];
    const placed = Promise.withResolvers<void>();
    const own = slots.pool(
      { size: 1 },
      {
        prepare: async ({ address }) => {
          told.push(`prepare ${address}`);
          await placed.promise;
        },
        gone: ({ address }) => told.push(`gone ${address}`),
      },
    );
    const taking = own.take(20_000);
    await until(() => told.length === 1);
    placed.resolve();
    const { slot } = await taking;
    await slot.close();
    await until(() => told.includes("gone 10.244.0.2"));
    expect(told[0]).toBe("prepare 10.244.0.2");
    await own.close();
  });

  test("a slot whose listener is refused is thrown away", async () => {
    const own = slots.pool(
      { size: 1, retryMs: 10_000 },
      { prepare: () => Promise.reject(new Error("no ztunnel")), gone: () => undefined },
    );
    const thrown: unknown = await own.take(500).catch((error: unknown) => error);
    expect(thrown instanceof MeshError && thrown.code).toBe("timeout");
    expect(own.openCount).toBe(0);
    await own.close();
  });

  test("refuses a caller when as many wait as may", async () => {
    const own = slots.pool(
      { size: 0, waitingMax: 1, retryMs: 10_000 },
      { prepare: () => Promise.reject(new Error("no ztunnel")), gone: () => undefined },
    );
    const first: Promise<unknown> = own.take(300).catch((error: unknown) => error);
    const second: unknown = await own.take(300).catch((error: unknown) => error);
    expect(second instanceof MeshError && second.code).toBe("limit-reached");
    expect(String(await first)).toContain("none was made within 300 ms");
    await own.close();
  });

  test("refuses a slot when every address is in use or rests", async () => {
    const full = slots.pool({ size: 1, reservedFirst: 127, retryMs: 10_000 });
    const { slot } = await full.take(20_000);
    expect(slot.network.address).toBe(ip("10.244.0.127"));
    const thrown: unknown = await full.take(200).catch((error: unknown) => error);
    expect(thrown instanceof MeshError && thrown.code).toBe("timeout");
    await full.close();
  });

  test("closing leaves nothing: no process, group, namespace or descriptor", async () => {
    await until(() => pool.readyCount === 2);
    const fds = openFds();
    const own = slots.pool({ size: 3 });
    own.start();
    await until(() => own.readyCount === 3);
    const { slot } = await own.take(1000);
    const { pid } = slot.child;
    await own.close();
    expect([existsSync(`/proc/${pid}`), openFds() <= fds]).toEqual([false, true]);
    expect(await own.take(1).catch((error: unknown) => String(error))).toBe(
      "MeshError: Cannot take a slot: the pool is closed",
    );
  });
});

async function failToStart(
  source: string,
  options: Parameters<typeof startTestInstance>[3],
): Promise<{ error: unknown; reason: string }> {
  const ended = Promise.withResolvers<string>();
  const error: unknown = await start(source, { ...options, onExit: ({ kind }) => ended.resolve(kind) }).catch(
    (thrown: unknown) => thrown,
  );
  return { error, reason: await ended.promise };
}

function expectGone(it: TestInstance): void {
  const { slot } = it.instance;
  const { unified } = slots.host.cgroupMounts;
  expect([existsSync(`/proc/${slot.child.pid}`), existsSync(`${unified}/${slot.cgroup.path}`)]).toEqual([
    false,
    false,
  ]);
}

async function bundle(entry: string): Promise<Uint8Array> {
  const built = await Bun.build({
    entrypoints: [`${import.meta.dir}/entry.ts`],
    files: { [`${import.meta.dir}/entry.ts`]: entry },
    target: "bun",
  });
  return new Uint8Array((await built.outputs[0]?.arrayBuffer()) ?? new ArrayBuffer(0));
}

/** Answers every A question in the slot with one address. */
async function fakeNameserver(
  network: SlotNetwork,
  asked: string[],
): Promise<AsyncDisposable & { close(): void }> {
  const answer = (query: Buffer): Buffer => {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString("latin1", at + 1, at + 1 + length));
      at += length + 1;
    }
    asked.push(labels.join("."));
    const isA = query.readUInt16BE(at + 1) === 1;
    const reply = Buffer.concat([
      query.subarray(0, at + 5),
      isA ? Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 10, 96, 7, 7]) : Buffer.alloc(0),
    ]);
    reply.writeUInt16BE(0x8180, 2);
    reply.writeUInt16BE(isA ? 1 : 0, 6);
    reply.fill(0, 8, 12);
    return reply;
  };
  const socket = await withNamespace(slots.host.libc, network.namespace.fd, () =>
    Bun.udpSocket({
      hostname: testNameserver,
      port: 53,
      socket: { data: (us, query, port, address) => void us.send(answer(query), port, address) },
    }),
  );
  return { close: () => socket.close(), [Symbol.asyncDispose]: async () => socket.close() };
}

function openFds(): number {
  return readdirSync("/proc/self/fd").length;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(1);
}
