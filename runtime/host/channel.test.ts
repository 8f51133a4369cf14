import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Channel, ChannelHandlers } from "./channel.ts";
import { connectChannel, serveChannels } from "./channel-socket.ts";
import { MeshError } from "./mesh-error.ts";

const small = { lineBytesMax: 1024, pendingMax: 4, queuedBytesMax: 64 << 10 };
const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

const quiet: ChannelHandlers = { onRequest: () => null, onNotify() {}, onClose() {} };

async function pair(
  server: Partial<ChannelHandlers>,
  client: Partial<ChannelHandlers> = {},
): Promise<{ client: Channel; server: Channel }> {
  const folder = mkdtempSync(join(tmpdir(), "channel-"));
  const path = join(folder, "s.sock");
  const accepted = Promise.withResolvers<Channel>();
  const listening = serveChannels(
    path,
    (channel) => {
      accepted.resolve(channel);
      return { ...quiet, ...server };
    },
    small,
  );
  const near = await connectChannel(path, { ...quiet, ...client }, small);
  cleanups.push(() => {
    near.close();
    listening.close();
    rmSync(folder, { recursive: true });
  });
  return { client: near, server: await accepted.promise };
}

test("a request gets its answer, in both directions", async () => {
  const both = await pair(
    { onRequest: (method, params) => ({ method, params }) },
    { onRequest: () => "from the client" },
  );
  expect(await both.client.request("ask", { a: 1 }, 1000)).toEqual({ method: "ask", params: { a: 1 } });
  expect(await both.server.request("x", null, 1000)).toBe("from the client");
});

test("a thrown MeshError crosses with its code", async () => {
  const both = await pair({
    onRequest() {
      throw new MeshError("not-found", "no such thing");
    },
  });
  expect(await both.client.request("ask", 1, 1000).catch((error: unknown) => error)).toMatchObject({
    code: "not-found",
    message: "no such thing",
  });
});

test("a request without an answer times out", async () => {
  const both = await pair({ onRequest: () => new Promise(() => {}) });
  expect(await both.client.request("ask", 1, 5).catch((error: unknown) => error)).toMatchObject({
    code: "timeout",
  });
});

test("more requests than the bound are refused here, before they are sent", async () => {
  const both = await pair({ onRequest: () => new Promise(() => {}) });
  const waiting = [1, 2, 3, 4].map((n) => both.client.request("ask", n, 60_000).catch(() => {}));
  expect(await both.client.request("ask", 5, 1000).catch((error: unknown) => error)).toMatchObject({
    code: "limit-reached",
  });
  both.client.close();
  await Promise.all(waiting);
});

test("closing rejects what waits and tells the peer", async () => {
  const closed = Promise.withResolvers<string>();
  const both = await pair({ onRequest: () => new Promise(() => {}), onClose: closed.resolve });
  const waiting = both.client.request("ask", 1, 60_000).catch((error: unknown) => error);
  both.client.close();
  expect(await waiting).toMatchObject({ code: "unavailable" });
  expect(await closed.promise).toContain("the peer");
});

test.each([["not json\n"], ["[1]\n"], ['{"id":"x","method":"m"}\n'], ["x".repeat(2000)]])(
  "a hostile line closes the channel: %.20s",
  async (line) => {
    const folder = mkdtempSync(join(tmpdir(), "channel-"));
    const path = join(folder, "s.sock");
    const closed = Promise.withResolvers<string>();
    using _listening = serveChannels(path, () => ({ ...quiet, onClose: closed.resolve }), small);
    const socket = await Bun.connect({ unix: path, socket: { data() {}, error() {} } });
    socket.write(line);
    expect(await closed.promise).toContain("protocol violation");
    socket.end();
    rmSync(folder, { recursive: true });
  },
);

test("notifications to a peer that does not read are dropped at the bound, not piled up", async () => {
  const folder = mkdtempSync(join(tmpdir(), "channel-"));
  const path = join(folder, "s.sock");
  const opened = Promise.withResolvers<Channel>();
  using _listening = serveChannels(
    path,
    (channel) => {
      opened.resolve(channel);
      return quiet;
    },
    small,
  );
  const socket = await Bun.connect({
    unix: path,
    socket: { open: (s) => s.pause(), data() {}, error() {} },
  });
  const channel = await opened.promise;
  let sent = 0;
  while (channel.notify("n", "x".repeat(900)) && sent < 100_000) sent++;
  expect(sent).toBeGreaterThan(10);
  expect(sent).toBeLessThan(100_000);
  socket.terminate();
  rmSync(folder, { recursive: true });
});
