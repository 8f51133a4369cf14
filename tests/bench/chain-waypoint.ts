/** What one request costs a waypoint by itself: tunnel in, layer 7, tunnel out, its neighbours scripted in this process. Run it directly. */
import { readFileSync } from "node:fs";
import type { ByteStream } from "#host/byte-stream.ts";
import type { IpAddress } from "#core/address/ip.ts";
import { listenTunnels } from "#host/tunnel/tunnel-listener.ts";
import { openTunnel } from "#host/tunnel/open-tunnel.ts";
import { spiffeId } from "../support/test-ca.ts";
import { Neighbours } from "../direct/waypoint-neighbours.ts";
import { priceVip, revision } from "../direct/waypoint-objects.ts";

const requestBytes = Buffer.from(
  "GET /a/b HTTP/1.1\r\nHost: price.shop.svc.cluster.local\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n",
);
const responseBytes = Buffer.from(
  "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Tue, 24 Nov 2026 12:00:00 GMT\r\nContent-Length: 12\r\n\r\nHello world\n",
);

/** What one measurement gave. */
export interface WaypointCost {
  readonly requestsPerSecond: number;
  readonly cpuMicrosPerRequest: number;
  readonly rssMb: number;
}

/** Measures with so many connections for so long. */
export async function measureWaypoint(connections: number, seconds: number): Promise<WaypointCost> {
  await using mesh = await Neighbours.start();
  mesh.configure([{ name: "default", backends: [revision("price-v1")] }]);
  const destination = serveAnswers(mesh);
  mesh.node.answer = () => ({
    instance: "i1",
    address: destination.address,
    port: 8080,
    identity: spiffeId("ns/shop/sa/price"),
    rung: "pooled",
  });
  const waypoint = await mesh.startWaypoint(["--access-log", process.env["ACCESS_LOG"] ?? "off"]);
  const tunnel = await openTunnel({
    dial: { kind: "address", hostname: waypoint, port: 15008 },
    certificate: mesh.ads.ca.issue("ns/shop/sa/cart"),
    expectedPeers: new Set([spiffeId("ns/shop/sa/waypoint")]),
  });
  const state = { answered: 0, isOver: false };
  for (let i = 0; i < connections; i++) {
    const outcome = await tunnel.connect([
      [":method", "CONNECT"],
      [":authority", priceVip],
    ]);
    if (outcome.kind === "refused") throw new Error(`Cannot open a stream: ${outcome.status}`);
    askForEver(outcome.stream, state);
  }
  await Bun.sleep(1500);
  const pid = mesh.process.pid;
  const before = { answered: state.answered, cpuMs: cpuMs(pid), atMs: performance.now() };
  await Bun.sleep(seconds * 1000);
  const requests = state.answered - before.answered;
  const cost = {
    requestsPerSecond: Math.round((requests / (performance.now() - before.atMs)) * 1000),
    cpuMicrosPerRequest: Math.round(((cpuMs(pid) - before.cpuMs) * 10_000) / requests) / 10,
    rssMb: Math.round(rssMb(pid)),
  };
  state.isOver = true;
  destination.close();
  return cost;
}

function askForEver(stream: ByteStream, state: { answered: number; isOver: boolean }): void {
  let left = 0;
  stream.handle({
    onData(bytes) {
      // Every response here has the same tail, so its end is known without a parser.
      left += bytes.length;
      if (bytes.at(-1) !== 0x0a || left < 100) return;
      left = 0;
      state.answered++;
      if (!state.isOver) stream.write(requestBytes);
    },
    onDrain() {},
    onEnd() {},
    onClose() {},
  });
  stream.write(requestBytes);
}

function serveAnswers(mesh: Neighbours): { readonly address: IpAddress; close(): void } {
  const address = mesh.nextAddress();
  const certificate = mesh.ads.ca.issue("ns/shop/sa/price");
  const listener = listenTunnels({
    target: { kind: "address", hostname: address, port: 15008 },
    choose: () => ({
      certificate,
      onConnect(_, responder) {
        const stream = responder.accept();
        stream.handle({
          onData: () => void stream.write(responseBytes),
          onDrain() {},
          onEnd() {},
          onClose() {},
        });
      },
    }),
  });
  return { address, close: () => listener.close() };
}

function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function rssMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

if (import.meta.main) {
  const connections = Number(process.argv[2] ?? 32);
  console.log(JSON.stringify(await measureWaypoint(connections, 4)));
  process.exit(0);
}
