/** Our end of a tunnel in a process of its own, so that its memory can be measured: slow at first, then free. */
import { createHash } from "node:crypto";
import type { H2Stream } from "#core/h2/h2-stream.ts";
import type { ByteStream } from "#host/byte-stream.ts";
import type { ClientTunnel } from "#host/tunnel/client-tunnel.ts";
import { openTunnel } from "#host/tunnel/open-tunnel.ts";
import { listenTunnels } from "#host/tunnel/tunnel-listener.ts";
import type { TunnelCertificate } from "#host/tunnel/tunnel.ts";

/** What the test asks of it. */
export interface TunnelEnd {
  readonly role: "client" | "server";
  readonly certificate: TunnelCertificate;
  readonly peer: TunnelCertificate["identity"];
  /** Where the server is, for a client. */
  readonly port: number;
  readonly bytes: number;
  /** How long it reads at about 1 MB/s. */
  readonly slowMs: number;
}

const end = JSON.parse(process.argv[2] ?? "") as TunnelEnd;
const blockBytes = 65_536;
let outputBytes = (): number => 0;

if (end.role === "server") {
  const listener = listenTunnels({
    target: { kind: "address", hostname: "127.0.0.1", port: 0 },
    choose: () => ({
      certificate: end.certificate,
      onConnect: ({ authority, peer }, responder) => {
        if (authority !== "10.0.0.1:80" || peer !== end.peer) responder.refuse(403, [["x-extra", "no"]]);
        else run(responder.accept());
      },
    }),
  });
  say({ port: listener.port });
} else {
  const tunnel = await openTunnel({
    dial: { kind: "address", hostname: "127.0.0.1", port: end.port },
    certificate: end.certificate,
    expectedPeers: new Set([end.peer]),
  });
  // Sound: it is what openTunnel() makes; the test looks at more than users may.
  outputBytes = () => (tunnel as ClientTunnel).session.connection.outputBytes;
  const outcome = await tunnel.connect([
    [":method", "CONNECT"],
    [":authority", "10.0.0.1:80"],
  ]);
  if (outcome.kind === "opened") run(outcome.stream);
  else say({ status: outcome.status });
}

function run(stream: ByteStream): void {
  const sent = createHash("sha256");
  const got = createHash("sha256");
  const peaks = { heldBytes: 0, outputBytes: 0, rssBytes: 0 };
  const rssBeforeBytes = process.memoryUsage.rss();
  let received = 0;
  let left = end.bytes;
  let isSent = false;
  let directionsOpen = 2;
  let piece = new Uint8Array(0);
  const pump = (): void => {
    for (;;) {
      if (piece.length === 0) {
        if (left === 0) break;
        piece = new Uint8Array(Math.min(blockBytes, left));
        new DataView(piece.buffer).setUint32(0, left);
        sent.update(piece);
        left -= piece.length;
      }
      const taken = stream.write(piece);
      piece = piece.subarray(taken);
      if (piece.length > 0) return;
    }
    if (isSent) return;
    isSent = true;
    stream.end();
    finish();
  };
  const sample = (): void => {
    // Sound: tunnels' streams are these; the test looks at more than users may.
    const { heldBytes } = stream as unknown as H2Stream;
    peaks.heldBytes = Math.max(peaks.heldBytes, heldBytes);
    peaks.outputBytes = Math.max(peaks.outputBytes, outputBytes());
    peaks.rssBytes = Math.max(peaks.rssBytes, process.memoryUsage.rss());
  };
  const sampler = setInterval(sample, 20);
  const finish = (): void => {
    if (--directionsOpen > 0) return;
    sample();
    clearInterval(sampler);
    say({ received, got: got.digest("hex"), sent: sent.digest("hex"), peaks, rssBeforeBytes });
  };
  const startedAt = performance.now();
  stream.handle({
    onData: (bytes) => {
      got.update(bytes);
      received += bytes.length;
      if (performance.now() - startedAt > end.slowMs) return;
      stream.pause();
      setTimeout(() => stream.resume(), bytes.length / 1000);
    },
    onDrain: pump,
    onEnd: () => finish(),
    onClose: (error) => {
      if (error !== undefined) say({ error: error.message });
      setTimeout(() => process.exit(), 50);
    },
  });
  pump();
}

function say(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
