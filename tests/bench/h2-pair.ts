/** Measures a bare tunnel pair on loopback: two processes, mutual TLS, no policy and no capture; not the mesh's own bench. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseIp } from "#core/address/ip.ts";
import type { HeaderField } from "#core/h2/header-field.ts";
import { connectStream, listenStreams } from "#host/tunnel/socket-stream.ts";
import { splice } from "#host/tunnel/splice.ts";
import { listenTunnels } from "#host/tunnel/tunnel-listener.ts";
import type { TunnelKey } from "#host/tunnel/tunnel-key.ts";
import { makeTunnelPool } from "#host/tunnel/tunnel-pool.ts";
import type { TunnelCertificate } from "#host/tunnel/tunnel.ts";
import { makeTestCa } from "../support/test-ca.ts";

/** What a child is told. */
interface Part {
  readonly role: "inbound" | "outbound" | "sink";
  readonly certificate: TunnelCertificate;
  readonly peer: TunnelCertificate["identity"];
  readonly toPort: number;
}

if (process.argv[2] === "part") runPart(JSON.parse(process.argv[3] ?? "") as Part);
else await measure();

function runPart(part: Part): void {
  const port =
    part.role === "inbound" ? runInbound(part) : part.role === "outbound" ? runOutbound(part) : runSink();
  process.stdout.write(`${port}\n`);
  process.on("SIGTERM", () => {
    const { user, system } = process.cpuUsage();
    const rss = Math.round(process.memoryUsage.rss() / 1e6);
    process.stderr.write(`${part.role}: ${((user + system) / 1e6).toFixed(2)} CPU s, ${rss} MB resident\n`);
    process.exit();
  });
}

function runInbound({ certificate, toPort }: Part): number {
  const listener = listenTunnels({
    target: { kind: "address", hostname: "127.0.0.1", port: 0 },
    choose: () => ({
      certificate,
      onConnect: (_request, responder) => {
        connectStream({ kind: "address", hostname: "127.0.0.1", port: toPort }).then(
          (stream) => splice(responder.accept(), stream),
          () => responder.refuse(503),
        );
      },
    }),
  });
  return listener.port ?? 0;
}

function runOutbound({ certificate, peer, toPort }: Part): number {
  const pool = makeTunnelPool();
  const ip = parseIp("127.0.0.1");
  if (!ip.ok) throw new Error(ip.error);
  const key: TunnelKey = {
    source: certificate.identity,
    sourceAddress: ip.value,
    destinations: [peer],
    destinationAddress: { ip: ip.value, port: toPort },
  };
  const route = {
    certificate,
    dial: () => ({ kind: "address", hostname: "127.0.0.1", port: toPort }) as const,
  };
  const listener = listenStreams({ kind: "address", hostname: "127.0.0.1", port: 0 }, (stream) => {
    const { peerAddress } = stream;
    const headers: HeaderField[] = [
      [":method", "CONNECT"],
      [":authority", "127.0.0.1:80"],
      ["baggage", "k8s.cluster.name=Kubernetes,k8s.namespace.name=shop,k8s.pod.name=web,service.name=web"],
      ["forwarded", `for="${peerAddress.ip}:${peerAddress.port}"`],
      ["traceparent", `00-${crypto.randomUUID().replaceAll("-", "")}-00f067aa0ba902b7-00`],
    ];
    pool.connect(key, route, headers).then(
      (outcome) => {
        if (outcome.kind === "opened") splice(stream, outcome.stream);
        else stream.reset();
      },
      () => stream.reset(),
    );
  });
  return listener.port ?? 0;
}

/** Takes everything and answers with the count at the end. */
function runSink(): number {
  const listener = listenStreams({ kind: "address", hostname: "127.0.0.1", port: 0 }, (stream) => {
    let bytes = 0;
    stream.handle({
      onData: (data) => {
        bytes += data.length;
      },
      onDrain: () => undefined,
      onEnd: () => {
        stream.write(new TextEncoder().encode(String(bytes)));
        stream.end();
      },
      onClose: () => undefined,
    });
  });
  return listener.port ?? 0;
}

/** What is measured; the second argument picks some. */
const kinds = ["busy", "close", "one", "bulk"] as const;

async function measure(): Promise<void> {
  const seconds = process.argv[2] ?? "5";
  const wanted = (process.argv[3] ?? kinds.join()).split(",");
  const ca = makeTestCa();
  const web = ca.issue("ns/shop/sa/web");
  const cart = ca.issue("ns/shop/sa/cart");
  const folder = mkdtempSync(join(tmpdir(), "h2-pair-"));
  const upstream = await startNginx(folder);
  const toPort = async (port: number, use: (port: number) => Promise<void>): Promise<void> => {
    const inbound = await start({ role: "inbound", certificate: cart, peer: web.identity, toPort: port });
    const outbound = await start({
      role: "outbound",
      certificate: web,
      peer: cart.identity,
      toPort: inbound.port,
    });
    await use(outbound.port);
    await stop([outbound, inbound]);
  };
  await toPort(upstream.port, async (port) => {
    const url = `http://127.0.0.1:${port}/`;
    const wrk = ["wrk", "-t1", `-d${seconds}s`, "--latency", url];
    if (wanted.includes("busy")) await run([...wrk, "-c32"]);
    if (wanted.includes("close")) await run([...wrk, "-c32", "-H", "Connection: close"]);
    if (wanted.includes("one")) await run([...wrk, "-c1"]);
  });
  if (wanted.includes("bulk")) {
    const sink = await start({ role: "sink", certificate: cart, peer: web.identity, toPort: 0 });
    await toPort(sink.port, (port) => sendBulk(port, 4 * 2 ** 30));
    await stop([sink]);
  }
  upstream.process.kill();
  await upstream.process.exited;
  rmSync(folder, { recursive: true });
}

interface RunningPart {
  readonly port: number;
  readonly process: Bun.Subprocess;
}

/** Starts a part as a process; `PROFILE=<folder>` profiles it. */
async function start(part: Part): Promise<RunningPart> {
  const profile = process.env["PROFILE"];
  const flags = profile === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", profile];
  const child = Bun.spawn(["bun", ...flags, import.meta.path, "part", JSON.stringify(part)], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const { value } = await child.stdout.getReader().read();
  return { port: Number(new TextDecoder().decode(value)), process: child };
}

async function stop(parts: readonly RunningPart[]): Promise<void> {
  for (const part of parts) part.process.kill("SIGTERM");
  await Promise.all(parts.map((part) => part.process.exited));
}

async function sendBulk(port: number, bytes: number): Promise<void> {
  const block = new Uint8Array(256 << 10);
  const stream = await connectStream({ kind: "address", hostname: "127.0.0.1", port });
  const { promise, resolve } = Promise.withResolvers<string>();
  let sent = 0;
  const pump = (): void => {
    while (sent < bytes) {
      const taken = stream.write(block.subarray(0, Math.min(block.length, bytes - sent)));
      sent += taken;
      if (taken < block.length && sent < bytes) return;
    }
    stream.end();
  };
  const startedAt = performance.now();
  stream.handle({
    onData: (data) => resolve(new TextDecoder().decode(data)),
    onDrain: pump,
    onEnd: () => undefined,
    onClose: (error) => resolve(error?.message ?? "closed"),
  });
  pump();
  const answer = await promise;
  const elapsedS = (performance.now() - startedAt) / 1000;
  process.stdout.write(
    `bulk: ${(bytes / 1e6 / elapsedS).toFixed(0)} MB/s, the sink got ${answer} of ${bytes} bytes\n`,
  );
}

async function startNginx(
  folder: string,
): Promise<{ readonly port: number; readonly process: Bun.Subprocess }> {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
  const { port } = probe;
  probe.stop();
  await Bun.write(
    join(folder, "nginx.conf"),
    `daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr error;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 1000000; client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p;
fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
server { listen 127.0.0.1:${port} backlog=1024; location / { return 200 "hello\\n"; } } }`,
  );
  const nginx = Bun.spawn(["nginx", "-c", join(folder, "nginx.conf"), "-p", folder], { stderr: "inherit" });
  for (let turn = 0; turn < 100; turn++) {
    const isUp = await fetch(`http://127.0.0.1:${port}/`).then(
      (response) => response.ok,
      () => false,
    );
    if (isUp) return { port, process: nginx };
    await Bun.sleep(20);
  }
  throw new Error("Cannot start nginx: it does not answer");
}

async function run(command: string[]): Promise<void> {
  const child = Bun.spawn(command, { stdout: "inherit", stderr: "inherit" });
  await child.exited;
}
