/** Who gets past a tunnel's handshake, shown with openssl and with our own ends: both sides refuse what they must. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import { makeTestCa, spiffeId } from "../../../tests/support/test-ca.ts";
import { openTunnel } from "./open-tunnel.ts";
import type { TunnelError } from "./tunnel-error.ts";
import { listenTunnels } from "./tunnel-listener.ts";
import type { TunnelCertificate } from "./tunnel.ts";

const ca = makeTestCa();
const otherCa = makeTestCa();
const web = ca.issue("ns/shop/sa/web");
const cart = ca.issue("ns/shop/sa/cart");
const hourMs = 3_600_000;
/** How a server's SETTINGS begin: 24 bytes of them. */
const firstFrame = "\0\0\u0018\u0004";
const hasOpenssl = Bun.which("openssl") !== null;
if (!hasOpenssl)
  console.warn("skipped: the handshakes with openssl, for there is no openssl on this machine");

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tunnel-tls-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A listener that notes how its one tunnel ended, and whom it saw. */
function serveOnce(certificate: TunnelCertificate): {
  readonly port: number;
  readonly ended: Promise<{ readonly error: TunnelError | undefined; readonly peer: SpiffeId | undefined }>;
  readonly close: () => void;
} {
  const { promise, resolve } = Promise.withResolvers<{
    readonly error: TunnelError | undefined;
    readonly peer: SpiffeId | undefined;
  }>();
  let peer: SpiffeId | undefined;
  const listener = listenTunnels({
    target: { kind: "address", hostname: "127.0.0.1", port: 0 },
    choose: () => ({
      certificate,
      onConnect: (request, responder) => {
        peer = request.peer;
        responder.refuse(403);
      },
      onClose: (error) => resolve({ error, peer }),
    }),
  });
  return { port: listener.port ?? 0, ended: promise, close: () => listener.close() };
}

/** Writes a certificate for openssl's command line. */
function files(name: string, certificate: Pick<TunnelCertificate, "keyPem" | "chainPem">): string[] {
  writeFileSync(join(folder, `${name}.key`), certificate.keyPem);
  writeFileSync(join(folder, `${name}.pem`), certificate.chainPem);
  return ["-cert", join(folder, `${name}.pem`), "-key", join(folder, `${name}.key`)];
}

async function sClient(port: number, args: readonly string[]): Promise<string> {
  const child = Bun.spawn(["openssl", "s_client", "-connect", `127.0.0.1:${port}`, "-ign_eof", ...args], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    timeout: 10_000,
  });
  const [out, problems] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  await child.exited;
  return out + problems;
}

describe.skipIf(!hasOpenssl)("serveTunnel() refuses openssl", () => {
  interface Row {
    readonly name: string;
    readonly args: () => string[];
    /** What our end says of it. */
    readonly want: RegExp;
  }
  const rows: readonly Row[] = [
    {
      name: "with TLS 1.2",
      args: () => ["-tls1_2", "-alpn", "h2", ...files("a", web)],
      want: /^tls .*protocol/i,
    },
    { name: "without ALPN", args: () => ["-tls1_3", ...files("b", web)], want: /^tls .*ALPN/ },
    {
      name: "with ALPN of HTTP/1.1 only",
      args: () => ["-tls1_3", "-alpn", "http/1.1", ...files("c", web)],
      want: /^tls .*application.protocol/i,
    },
    {
      name: "without a client certificate",
      args: () => ["-tls1_3", "-alpn", "h2"],
      want: /^tls .*certificate/i,
    },
    {
      name: "with a certificate of another root",
      args: () => ["-tls1_3", "-alpn", "h2", ...files("d", otherCa.issue("ns/shop/sa/web"))],
      want: /^tls .*UNABLE_TO_VERIFY_LEAF_SIGNATURE/,
    },
    {
      name: "with an expired certificate",
      args: () => [
        "-tls1_3",
        "-alpn",
        "h2",
        ...files(
          "e",
          ca.issue("ns/shop/sa/web", {
            notBeforeMs: Date.now() - 2 * hourMs,
            notAfterMs: Date.now() - hourMs,
          }),
        ),
      ],
      want: /^tls .*CERT_HAS_EXPIRED/,
    },
    {
      name: "with a certificate that names no SPIFFE id",
      args: () => ["-tls1_3", "-alpn", "h2", ...files("f", ca.issueServer(["web.shop"]))],
      want: /^identity .*one URI/,
    },
    {
      name: "with a certificate of another trust domain",
      args: () => [
        "-tls1_3",
        "-alpn",
        "h2",
        ...files("g", ca.issue("spiffe://other.example/ns/shop/sa/web")),
      ],
      want: /^identity .*trust domain/,
    },
  ];
  test.each([...rows])("$name", async ({ args, want }) => {
    const served = serveOnce(cart);
    const output = await sClient(served.port, args());
    const { error, peer } = await served.ended;
    served.close();
    expect({ failed: error !== undefined, peer, saysSettings: output.includes(firstFrame) }).toEqual({
      failed: true,
      peer: undefined,
      saysSettings: false,
    });
    expect(`${error?.code} ${error?.message}`).toMatch(want);
  });
});

describe.skipIf(!hasOpenssl)("serveTunnel() and openssl", () => {
  test("speak TLS 1.3 with ALPN h2, and no session can be resumed", async () => {
    const served = serveOnce(cart);
    const session = join(folder, "session.pem");
    const child = Bun.spawn(
      [
        "openssl",
        "s_client",
        "-connect",
        `127.0.0.1:${served.port}`,
        "-tls1_3",
        "-alpn",
        "h2",
        "-sess_out",
        session,
        ...files("ok", web),
      ],
      { stdin: "pipe", stdout: "pipe", stderr: "pipe", timeout: 10_000 },
    );
    // SETTINGS are the server's first bytes: the handshake, as it sees it, is over.
    let output = "";
    for await (const chunk of child.stdout) {
      output += new TextDecoder("latin1").decode(chunk);
      if (output.includes(firstFrame)) break;
    }
    child.kill();
    await child.exited;
    await served.ended;
    served.close();
    expect(output).toMatch(/ALPN protocol: h2/);
    expect(output).toMatch(/TLSv1.3/);
    expect(output).not.toMatch(/New Session Ticket arrived/);
    expect(await Bun.file(session).exists()).toBe(false);
  });
});

describe("openTunnel() refuses a server", () => {
  interface Row {
    readonly name: string;
    readonly certificate: TunnelCertificate;
    readonly expected: readonly SpiffeId[];
    readonly code: TunnelError["code"];
  }
  const rows: readonly Row[] = [
    {
      name: "with another identity",
      certificate: ca.issue("ns/shop/sa/price"),
      expected: [cart.identity],
      code: "identity",
    },
    {
      name: "of another root",
      certificate: { ...otherCa.issue("ns/shop/sa/cart"), rootsPem: ca.rootsPem },
      expected: [cart.identity],
      code: "tls",
    },
    {
      name: "whose certificate has expired",
      certificate: ca.issue("ns/shop/sa/cart", {
        notBeforeMs: Date.now() - 2 * hourMs,
        notAfterMs: Date.now() - hourMs,
      }),
      expected: [cart.identity],
      code: "tls",
    },
    {
      name: "whose certificate is not valid yet",
      certificate: ca.issue("ns/shop/sa/cart", {
        notBeforeMs: Date.now() + hourMs,
        notAfterMs: Date.now() + 2 * hourMs,
      }),
      expected: [cart.identity],
      code: "tls",
    },
    { name: "that nobody is expected to be", certificate: cart, expected: [], code: "identity" },
  ];
  test.each([...rows])("$name, and sends it nothing", async ({ certificate, expected, code }) => {
    const heard: number[] = [];
    const ended = Promise.withResolvers<void>();
    const listener = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      tls: {
        key: certificate.keyPem,
        cert: certificate.chainPem,
        ca: ca.rootsPem,
        requestCert: true,
        rejectUnauthorized: false,
        ALPNProtocols: Uint8Array.of(2, 0x68, 0x32),
      },
      socket: {
        data: (_socket, bytes) => {
          heard.push(bytes.length);
        },
        close: () => ended.resolve(),
      },
    });
    const opened = openTunnel({
      dial: { kind: "address", hostname: "127.0.0.1", port: listener.port },
      certificate: web,
      expectedPeers: new Set(expected),
    });
    expect(await codeOf(opened)).toBe(code);
    await ended.promise;
    listener.stop(true);
    expect(heard).toEqual([]);
  });

  const servers: readonly (readonly [name: string, args: readonly string[]])[] = [
    ["that speaks only TLS 1.2", ["-tls1_2", "-alpn", "h2"]],
    ["without ALPN", ["-tls1_3"]],
    ["that chooses HTTP/1.1", ["-tls1_3", "-alpn", "http/1.1"]],
  ];
  test.skipIf(!hasOpenssl).each(servers)("%s", async (name, args) => {
    const child = Bun.spawn(
      ["openssl", "s_server", "-accept", "127.0.0.1:0", ...args, ...files(name.replaceAll(/\W/g, ""), cart)],
      { stdin: "pipe", stdout: "pipe", stderr: "pipe", timeout: 10_000 },
    );
    let output = "";
    for await (const chunk of child.stdout) {
      output += new TextDecoder().decode(chunk);
      if (/ACCEPT \S+:\d+/.test(output)) break;
    }
    const port = Number(/ACCEPT \S+:(\d+)/.exec(output)?.[1]);
    const opened = openTunnel({
      dial: { kind: "address", hostname: "127.0.0.1", port },
      certificate: web,
      expectedPeers: new Set([cart.identity]),
    });
    expect(["tls", "connect"]).toContain(await codeOf(opened));
    child.kill();
    await child.exited;
  });
});

describe("openTunnel()", () => {
  test("says connect when nobody listens", async () => {
    const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
    const { port } = probe;
    probe.stop(true);
    const opened = openTunnel({
      dial: { kind: "address", hostname: "127.0.0.1", port },
      certificate: web,
      expectedPeers: new Set([cart.identity]),
    });
    expect(await codeOf(opened)).toBe("connect");
  });

  test("trusts each root of a bundle, as while one is being replaced", async () => {
    const bundle = otherCa.rootsPem + ca.rootsPem;
    const served = serveOnce({ ...otherCa.issue("ns/shop/sa/cart"), rootsPem: bundle });
    const tunnel = await openTunnel({
      dial: { kind: "address", hostname: "127.0.0.1", port: served.port },
      certificate: { ...web, rootsPem: bundle },
      expectedPeers: new Set([cart.identity]),
    });
    const outcome = await tunnel.connect([
      [":method", "CONNECT"],
      [":authority", "10.0.0.1:80"],
    ]);
    expect(outcome.kind).toBe("refused");
    tunnel.close();
    expect(await served.ended).toEqual({ error: undefined, peer: web.identity });
    served.close();
  });

  test("shows each end whom it speaks to", async () => {
    const served = serveOnce(cart);
    const tunnel = await openTunnel({
      dial: { kind: "address", hostname: "127.0.0.1", port: served.port },
      certificate: web,
      expectedPeers: new Set([spiffeId("ns/shop/sa/other"), cart.identity]),
    });
    expect(tunnel.peer).toBe(cart.identity);
    const outcome = await tunnel.connect([
      [":method", "CONNECT"],
      [":authority", "10.0.0.1:80"],
    ]);
    expect(outcome).toEqual({ kind: "refused", status: 403, headers: [[":status", "403"]] });
    tunnel.close();
    expect(await served.ended).toEqual({ error: undefined, peer: web.identity });
    served.close();
  });
});

async function codeOf(opened: Promise<unknown>): Promise<string> {
  return await opened.then(
    () => "opened",
    (error: TunnelError) => error.code,
  );
}
