/** Our HTTP/2 and tunnels against Node's `http2` over mutual TLS, both roles: outcomes, and bulk with slow readers in bounded memory. */
import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { Subprocess } from "bun";
import { openTunnel } from "#host/tunnel/open-tunnel.ts";
import type { TunnelError } from "#host/tunnel/tunnel-error.ts";
import { serverLimits } from "#host/tunnel/tunnel-limits.ts";
import { listenTunnels } from "#host/tunnel/tunnel-listener.ts";
import type { Tunnel, TunnelCertificate, TunnelRequest } from "#host/tunnel/tunnel.ts";
import { makeTestCa } from "../support/test-ca.ts";
import type { TunnelEnd } from "./h2-tunnel-end.ts";

const node = Bun.which("node");
if (node === null)
  console.warn("skipped: everything against Node's http2, for there is no node on this machine");

const ca = makeTestCa();
const web = ca.issue("ns/shop/sa/web");
const cart = ca.issue("ns/shop/sa/cart");
const bulkBytes = 256 << 20;
const slowMs = 3000;

const children: Subprocess[] = [];
afterEach(async () => {
  for (const child of children) child.kill();
  await Promise.all(children.splice(0).map((child) => child.exited));
});

/** A child that speaks JSON lines. */
class Child {
  readonly #lines: AsyncGenerator;

  constructor(command: string[]) {
    const child = Bun.spawn(command, { stdout: "pipe", stderr: "inherit" });
    children.push(child);
    this.#lines = jsonLines(child.stdout);
  }

  async next<Said>(): Promise<Said> {
    const { value } = await this.#lines.next();
    // Sound as far as a test needs: a child that says something else fails the comparison.
    return value as Said;
  }
}

async function* jsonLines(stream: ReadableStream<Uint8Array>): AsyncGenerator {
  let text = "";
  for await (const chunk of stream) {
    text += new TextDecoder().decode(chunk);
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) yield JSON.parse(line) as unknown;
  }
}

interface Transfer {
  readonly received: number;
  readonly got: string;
  readonly sent: string;
  readonly peaks: { readonly heldBytes: number; readonly outputBytes: number; readonly rssBytes: number };
  readonly rssBeforeBytes: number;
}

function startNode(
  role: "client" | "server",
  certificate: TunnelCertificate,
  options: { readonly port?: number; readonly bytes?: number; readonly slowMs?: number } = {},
): Child {
  const told = {
    role,
    port: options.port ?? 0,
    bytes: options.bytes ?? 0,
    slowMs: options.slowMs ?? 0,
    pem: { key: certificate.keyPem, cert: certificate.chainPem, ca: certificate.rootsPem },
  };
  return new Child([node ?? "node", join(import.meta.dir, "h2-node-peer.mjs"), JSON.stringify(told)]);
}

function startOurs(end: Omit<TunnelEnd, "bytes" | "slowMs">): Child {
  const told: TunnelEnd = { ...end, bytes: bulkBytes, slowMs };
  return new Child([process.execPath, join(import.meta.dir, "h2-tunnel-end.ts"), JSON.stringify(told)]);
}

function checkTransfer(ours: Transfer, theirs: Transfer): void {
  expect({ ours: ours.received, theirs: theirs.received }).toEqual({ ours: bulkBytes, theirs: bulkBytes });
  expect({ ours: ours.got, theirs: theirs.got }).toEqual({ ours: theirs.sent, theirs: ours.sent });
  // The slow reader fills its window, and not a byte more is held.
  expect(ours.peaks.heldBytes).toBeGreaterThan(serverLimits.streamWindowBytes / 2);
  expect(ours.peaks.heldBytes).toBeLessThanOrEqual(serverLimits.streamWindowBytes);
  expect(ours.peaks.outputBytes).toBeLessThanOrEqual(serverLimits.outputBytesMax + 4096);
  expect(ours.peaks.rssBytes - ours.rssBeforeBytes).toBeLessThan(96 << 20);
}

describe.skipIf(node === null)("against Node's http2", () => {
  test("as a server: 256 MiB each way at once, slow readers at both ends", async () => {
    const ours = startOurs({ role: "server", certificate: cart, peer: web.identity, port: 0 });
    const { port } = await ours.next<{ port: number }>();
    const theirs = startNode("client", web, { port, bytes: bulkBytes, slowMs: 1000 });
    checkTransfer(await ours.next(), await theirs.next());
  }, 60_000);

  test("as a client: 256 MiB each way at once, slow readers at both ends", async () => {
    const theirs = startNode("server", cart, { bytes: bulkBytes, slowMs: 1000 });
    const { port } = await theirs.next<{ port: number }>();
    const ours = startOurs({ role: "client", certificate: web, peer: cart.identity, port });
    checkTransfer(await ours.next(), await theirs.next());
  }, 60_000);

  test("as a server: tells the caller's identity, and refuses with a status", async () => {
    const requests: TunnelRequest[] = [];
    const listener = listenTunnels({
      target: { kind: "address", hostname: "127.0.0.1", port: 0 },
      choose: () => ({
        certificate: cart,
        onConnect: (request, responder) => {
          requests.push(request);
          responder.refuse(401, [["x-extra", "denied"]]);
        },
      }),
    });
    const theirs = startNode("client", web, { port: listener.port ?? 0 });
    expect(await theirs.next<object>()).toEqual({ status: 401, extra: "denied" });
    expect(requests.map(({ authority, peer, headers }) => ({ authority, peer, headers }))).toEqual([
      {
        authority: "10.0.0.1:80",
        peer: web.identity,
        headers: [
          [":method", "CONNECT"],
          [":authority", "10.0.0.1:80"],
          ["baggage", "service.name=web"],
        ],
      },
    ]);
    listener.close();
  });

  const outcomes: readonly (readonly [authority: string, want: string])[] = [
    ["refuse.me:80", "refused 403"],
    ["reset.me:80", "unprocessed"],
  ];
  test.each(outcomes)("as a client: CONNECT to %s is %s", async (authority, want) => {
    const theirs = startNode("server", cart);
    const { port } = await theirs.next<{ port: number }>();
    const tunnel = await openTunnel({
      dial: { kind: "address", hostname: "127.0.0.1", port },
      certificate: web,
      expectedPeers: new Set([cart.identity]),
    });
    expect(await outcomeOf(tunnel, authority)).toBe(want);
    expect([tunnel.isReady, tunnel.streamsOpen]).toEqual([true, 0]);
    tunnel.close();
  });
});

async function outcomeOf(tunnel: Tunnel, authority: string): Promise<string> {
  return await tunnel
    .connect([
      [":method", "CONNECT"],
      [":authority", authority],
    ])
    .then(
      (outcome) => (outcome.kind === "refused" ? `refused ${outcome.status}` : "opened"),
      (error: TunnelError) => error.code,
    );
}
