/** The edge and a waypoint as real processes: from a plain connection outside to an instance's tunnel. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { openLibc } from "#host/linux/libc.ts";
import { connectStream } from "#host/tunnel/socket-stream.ts";
import type { ScriptedInstance } from "./scripted-instance.ts";
import { Neighbours } from "./waypoint-neighbours.ts";
import { revision } from "./waypoint-objects.ts";

const libc = openLibc();
// Each test starts processes of its own; on a busy machine that takes its time.
setDefaultTimeout(30_000);
let neighbours: Neighbours | undefined;
afterEach(async () => {
  await neighbours?.[Symbol.asyncDispose]();
  neighbours = undefined;
});

interface Outside {
  readonly mesh: Neighbours;
  readonly url: string;
  readonly port: number;
  readonly instance: ScriptedInstance;
}

async function start(handler: (request: Request) => Response | Promise<Response>): Promise<Outside> {
  const mesh = await Neighbours.start();
  neighbours = mesh;
  mesh.configure([{ name: "default", backends: [revision("price-v1")] }]);
  const instance = mesh.startInstance("i1", handler);
  mesh.node.answer = () => instance.answer;
  mesh.configureEdge(await mesh.startWaypoint());
  const port = await mesh.startEdge(libc);
  return { mesh, port, url: `http://${mesh.edgeAddress}:${port}`, instance };
}

function echoHead(request: Request): Response {
  return Response.json(Object.fromEntries(request.headers));
}

test.each(["price.shop", "PRICE.shop:8080", "price.shop.svc.cluster.local", "price.shop.localhost"])(
  "Host %s reaches the function; the edge is its caller in the mesh",
  async (host) => {
    const { url, instance, mesh } = await start(echoHead);
    const response = await fetch(`${url}/x`, { headers: { host } });
    const headers = (await response.json()) as Record<string, string>;
    expect(response.status).toBe(200);
    expect(headers["host"]).toBe(host);
    expect(headers["x-forwarded-client-cert"]).toBe(
      "By=spiffe://cluster.local/ns/shop/sa/waypoint;URI=spiffe://cluster.local/ns/lambient-system/sa/edge",
    );
    expect(Object.fromEntries(instance.connects[0] ?? [])["lambient-caller"]).toBe(
      `spiffe://cluster.local/ns/lambient-system/sa/edge;${mesh.edgeAddress}`,
    );
  },
);

test("what outsiders say of identity, earlier hops and the mesh is dropped", async () => {
  const { url } = await start(echoHead);
  const lies = {
    "x-forwarded-client-cert": "URI=spiffe://cluster.local/ns/shop/sa/admin",
    "x-forwarded-for": "10.1.1.1",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "admin",
    forwarded: "for=10.1.1.1",
    "x-real-ip": "10.1.1.1",
    "x-envoy-original-path": "/admin",
    "x-istio-source": "gateway",
    "lambient-caller": "spiffe://cluster.local/ns/shop/sa/admin;10.1.1.1",
    "x-lambient-instance": "i9",
  };
  const response = await fetch(url, { headers: { ...lies, host: "price.shop", "x-mine": "1" } });
  const headers = (await response.json()) as Record<string, string>;
  expect(headers["x-forwarded-for"]).toBe("127.0.0.1");
  expect(headers["x-forwarded-proto"]).toBe("http");
  expect(headers["x-mine"]).toBe("1");
  expect(JSON.stringify(headers)).not.toContain("admin");
  expect(JSON.stringify(headers)).not.toContain("10.1.1.1");
  for (const name of ["lambient-caller", "x-lambient-instance", "x-istio-source", "x-real-ip"])
    expect(headers[name]).toBeUndefined();
});

test("a Host that names no function is a 404 with the form it should have", async () => {
  const { url } = await start(echoHead);
  for (const host of ["127.0.0.1", "price", "price.other", "nothing.shop"]) {
    const response = await fetch(url, { headers: { host } });
    expect([response.status, await response.text()]).toEqual([
      404,
      "no such function: ask with the Host <function>.<namespace>, as in curl -H 'Host: web.shop'\n",
    ]);
  }
});

test("the edge starts a sampled trace, and both say it in their lines and headers", async () => {
  const { url, mesh } = await start(echoHead);
  const response = await fetch(url, { headers: { host: "price.shop" } });
  const { traceparent } = (await response.json()) as Record<string, string>;
  const traceId = traceparent?.slice(3, 35) ?? "";
  expect(traceparent).toEndWith("-01");
  expect(response.headers.get("traceresponse")).toStartWith(`00-${traceId}-`);
  expect(response.headers.get("server-timing")).toBe('rung;desc="pooled"');
  await mesh.seen("request complete");
  expect(mesh.lines.filter((line) => line.includes(traceId)).length).toBeGreaterThan(0);
  const asked = await fetch(url, {
    headers: { host: "price.shop", traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00" },
  });
  const unsampled = (await asked.json()) as Record<string, string>;
  expect(unsampled["traceparent"]).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-00$/);
});

test("bodies stream through both, and connections are reused", async () => {
  const { url, instance } = await start((request) => new Response(request.body));
  const sent = new Uint8Array(4 << 20).map((_, i) => i);
  for (let i = 0; i < 5; i++) {
    const response = await fetch(url, { method: "POST", headers: { host: "price.shop" }, body: sent });
    expect(Bun.hash(await response.bytes())).toBe(Bun.hash(sent));
  }
  expect(instance.connects.length).toBe(1);
});

test("a WebSocket goes through both", async () => {
  const mesh = await Neighbours.start();
  neighbours = mesh;
  mesh.configure([{ name: "default", backends: [revision("price-v1")] }]);
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, self) => (self.upgrade(request) ? undefined : new Response("no", { status: 400 })),
    websocket: { message: (socket, message) => void socket.send(`echo ${String(message)}`) },
  });
  const instance = mesh.startRawInstance("ws", server.port ?? 0);
  mesh.node.answer = () => instance.answer;
  mesh.configureEdge(await mesh.startWaypoint());
  const port = await mesh.startEdge(libc);
  const socket = new WebSocket(`ws://${mesh.edgeAddress}:${port}/`, {
    headers: { host: "price.shop" },
  } as unknown as string[]);
  const answered = Promise.withResolvers<string>();
  socket.addEventListener("message", (event) => answered.resolve(String(event.data)));
  socket.addEventListener("error", () => answered.reject(new Error("no WebSocket")));
  socket.addEventListener("open", () => socket.send("hello"));
  expect(await answered.promise).toBe("echo hello");
  socket.close();
  await server.stop(true);
});

test("a connection that sends half a head is closed when its time is over", async () => {
  const mesh = await Neighbours.start();
  neighbours = mesh;
  mesh.configureEdge(mesh.nextAddress());
  const port = await mesh.startEdge(libc, ["--connection-idle-ms", "200"]);
  const stream = await connectStream({ kind: "address", hostname: mesh.edgeAddress ?? "", port });
  const ended = Promise.withResolvers<void>();
  let text = "";
  stream.handle({
    onData: (bytes) => void (text += Buffer.from(bytes).toString("latin1")),
    onDrain() {},
    onEnd: () => ended.resolve(),
    onClose: () => ended.resolve(),
  });
  stream.write(Buffer.from("GET / HTTP/1.1\r\nHost: pri"));
  await ended.promise;
  expect(text).toStartWith("HTTP/1.1 408 ");
});

test("the waypoint out of reach is a 503, and the edge serves on", async () => {
  const mesh = await Neighbours.start();
  neighbours = mesh;
  mesh.configureEdge(mesh.nextAddress());
  const port = await mesh.startEdge(libc);
  const response = await fetch(`http://${mesh.edgeAddress}:${port}/`, { headers: { host: "price.shop" } });
  expect(response.status).toBe(503);
  expect(await mesh.seen('response_flags="UF"')).toContain("attempts=3");
});
