/** Tunnels and TCP streams on sockets made by system calls and still connecting: adopted, refused, silent; listeners made elsewhere. */
import { describe, expect, test } from "bun:test";
import { parseIp } from "#core/address/ip.ts";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { openLibc } from "#host/linux/libc.ts";
import { type Endpoint, localEndpoint, startConnect, startListen } from "#host/linux/sockets.ts";
import { openTunnel } from "#host/tunnel/open-tunnel.ts";
import { connectStream, listenStreams } from "#host/tunnel/socket-stream.ts";
import type { SocketStream } from "#host/tunnel/tcp-stream.ts";
import type { TunnelError } from "#host/tunnel/tunnel-error.ts";
import { listenTunnels } from "#host/tunnel/tunnel-listener.ts";
import { makeTestCa } from "../support/test-ca.ts";

const libc = openLibc();
const home = libc.homeNamespace;
const ca = makeTestCa();
const web = ca.issue("ns/shop/sa/web");
const cart = ca.issue("ns/shop/sa/cart");

const at = (address: string, port = 0): Endpoint => {
  const ip = parseIp(address);
  if (!ip.ok) throw new Error(ip.error);
  return { address: ip.value, port };
};

/** A listening socket on loopback, and where it is. */
function listening(backlog = 16): { readonly fd: number; readonly endpoint: Endpoint } {
  const fd = startListen(libc, home, at("127.0.0.1"), { backlog });
  return { fd, endpoint: localEndpoint(libc, fd) };
}

const codeOf = async (made: Promise<unknown>): Promise<string> =>
  await made.then(
    () => "made",
    (error: TunnelError) => error.code,
  );

describe("a socket that is still connecting", () => {
  test("becomes a stream with the source it was bound to", async () => {
    const { fd, endpoint } = listening();
    const accepted = Promise.withResolvers<SocketStream>();
    const listener = listenStreams({ kind: "fd", fd }, accepted.resolve);
    const connecting = startConnect(libc, home, { to: endpoint, from: at("127.0.0.77") });
    const near = await connectStream({ kind: "fd", fd: connecting });
    const far = await accepted.promise;
    expect([near.localAddress.ip, far.peerAddress.ip, far.localAddress.port]).toEqual([
      at("127.0.0.77").address,
      at("127.0.0.77").address,
      endpoint.port,
    ]);
    const ended = Promise.withResolvers<string>();
    let text = "";
    far.handle({
      onData: (bytes) => {
        text += new TextDecoder().decode(bytes);
      },
      onDrain: () => undefined,
      onEnd: () => ended.resolve(text),
      onClose: () => undefined,
    });
    near.write(new TextEncoder().encode("hello"));
    near.end();
    expect(await ended.promise).toBe("hello");
    near.reset();
    listener.close();
  });

  test("is a connect error when it is refused, as a stream and as a tunnel", async () => {
    const { fd, endpoint } = listening();
    listenStreams({ kind: "fd", fd }, () => undefined).close();
    const dial = () => ({ kind: "fd", fd: startConnect(libc, home, { to: endpoint }) }) as const;
    expect(await codeOf(connectStream(dial()))).toBe("connect");
    const tunnel = openTunnel({ dial: dial(), certificate: web, expectedPeers: new Set([cart.identity]) });
    expect(await codeOf(tunnel)).toBe("connect");
  });

  test("is a timeout when nobody answers, as a stream and as a tunnel", async () => {
    const { endpoint } = listening(0);
    // With its queue full the kernel drops what else comes: a peer that says nothing.
    for (let i = 0; i < 2; i++) startConnect(libc, home, { to: endpoint });
    const dial = () => ({ kind: "fd", fd: startConnect(libc, home, { to: endpoint }) }) as const;
    const clock = new FakeClock();
    const stream = connectStream(dial(), { clock, timeoutMs: 1000 });
    const tunnel = openTunnel({
      dial: dial(),
      certificate: web,
      expectedPeers: new Set([cart.identity]),
      clock,
    });
    // The engine has said "open" of both by now, without a connection.
    await new Promise(setImmediate);
    clock.advance(10_000);
    expect([await codeOf(stream), await codeOf(tunnel)]).toEqual(["timeout", "timeout"]);
    expect(clock.pending).toBe(0);
  });

  test("checks the server as a dialled one does", async () => {
    const hourMs = 3_600_000;
    const past = { notBeforeMs: Date.now() - 2 * hourMs, notAfterMs: Date.now() - hourMs };
    const servers = [
      { certificate: ca.issue("ns/shop/sa/price"), want: "identity" },
      { certificate: { ...makeTestCa().issue("ns/shop/sa/cart"), rootsPem: ca.rootsPem }, want: "tls" },
      { certificate: ca.issue("ns/shop/sa/cart", past), want: "tls" },
    ];
    for (const { certificate, want } of servers) {
      const { fd, endpoint } = listening();
      const listener = listenTunnels({
        target: { kind: "fd", fd },
        choose: () => ({ certificate, onConnect: (_request, responder) => responder.refuse(599) }),
      });
      const connecting = startConnect(libc, home, { to: endpoint });
      const tunnel = openTunnel({
        dial: { kind: "fd", fd: connecting },
        certificate: web,
        expectedPeers: new Set([cart.identity]),
      });
      expect(await codeOf(tunnel)).toBe(want);
      listener.close();
    }
  });

  test("carries a tunnel, whose listener was made elsewhere too", async () => {
    const { fd, endpoint } = listening();
    const listener = listenTunnels({
      target: { kind: "fd", fd },
      choose: (local, peer) => ({
        certificate: cart,
        onConnect: (request, responder) =>
          responder.refuse(
            request.localAddress === local && peer.ip === at("127.0.0.78").address ? 599 : 500,
          ),
      }),
    });
    const connecting = startConnect(libc, home, { to: endpoint, from: at("127.0.0.78") });
    const tunnel = await openTunnel({
      dial: { kind: "fd", fd: connecting },
      certificate: web,
      expectedPeers: new Set([cart.identity]),
    });
    const outcome = await tunnel.connect([
      [":method", "CONNECT"],
      [":authority", "10.0.0.1:80"],
    ]);
    expect([outcome.kind, tunnel.localAddress.ip]).toEqual(["refused", at("127.0.0.78").address]);
    tunnel.close();
    listener.close();
  });
});
