/** A real waypoint process among scripted neighbours: what it lets through, what it refuses, and with whom it speaks. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { ipBytes } from "#core/address/ip.ts";
import { type Authorization, AuthorizationSchema, Scope } from "#core/proto/istio/authorization_pb.js";
import { Action } from "#core/proto/istio/authorization_pb.js";
import { AddressSchema, TunnelProtocol } from "#core/proto/istio/workload_pb.js";
import { PathMatch_Kind } from "#core/proto/lambient/discovery_pb.js";
import { MeshError } from "#host/mesh-error.ts";
import { listenStreams } from "#host/tunnel/socket-stream.ts";
import { waitUntil } from "../support/wait-until.ts";
import { Neighbours } from "./waypoint-neighbours.ts";
import { revision } from "./waypoint-objects.ts";
import { exchangeRaw, openRaw } from "./waypoint-raw.ts";

// Each test starts processes of its own; on a busy machine that takes its time.
setDefaultTimeout(30_000);
let neighbours: Neighbours | undefined;
afterEach(async () => {
  await neighbours?.[Symbol.asyncDispose]();
  neighbours = undefined;
});

async function start(): Promise<Neighbours> {
  neighbours = await Neighbours.start();
  return neighbours;
}

const toV1 = [{ name: "shop/price/0", backends: [revision("price-v1")] }];
const cart = "ns/shop/sa/cart";

function denying(name: string, principal: string): Authorization {
  return create(AuthorizationSchema, {
    name,
    namespace: "shop",
    scope: Scope.WORKLOAD_SELECTOR,
    action: Action.DENY,
    groups: [
      { rules: [{ matches: [{ principals: [{ matchType: { case: "exact", value: principal } }] }] }] },
    ],
  });
}

test("a request goes from its caller's tunnel to an instance's, with the caller named by its certificate", async () => {
  const mesh = await start();
  mesh.configure(toV1);
  const instance = mesh.startInstance("i1", (request) =>
    Response.json({ url: new URL(request.url).pathname, headers: Object.fromEntries(request.headers) }),
  );
  mesh.node.answer = () => instance.answer;
  const waypoint = await mesh.startWaypoint();
  const caller = await mesh.openCaller(waypoint, cart);
  const ask = (): Promise<Response> =>
    fetch(`${caller.url}/a/%2e%2e/b?c=d`, {
      headers: {
        "x-forwarded-client-cert": "URI=spiffe://cluster.local/ns/shop/sa/admin",
        "x-lambient-caller": "spiffe://cluster.local/ns/shop/sa/admin",
        "lambient-caller": "spiffe://cluster.local/ns/shop/sa/admin;10.0.0.1",
        "x-keep": "1",
      },
    });
  const response = await ask();
  const body = (await response.json()) as { url: string; headers: Record<string, string> };
  expect([response.status, body.url, body.headers["x-keep"]]).toEqual([200, "/b", "1"]);
  expect(body.headers["x-forwarded-client-cert"]).toBe(
    "By=spiffe://cluster.local/ns/shop/sa/waypoint;URI=spiffe://cluster.local/ns/shop/sa/cart",
  );
  expect(Object.keys(body.headers).filter((name) => name.includes("lambient"))).toEqual([]);
  expect(response.headers.get("server-timing")).toBe('rung;desc="pooled"');
  expect(response.headers.get("traceresponse")).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  expect(Object.fromEntries(instance.connects[0] ?? [])).toMatchObject({
    ":authority": `${instance.address}:8080`,
    "lambient-caller": "spiffe://cluster.local/ns/shop/sa/cart;127.0.0.1",
  });
  expect((await ask()).headers.get("server-timing")).toBe('rung;desc="running"');
  const line = await mesh.seen("request complete");
  expect(line).toContain('path="/b?c=d" protocol="HTTP/1.1" response_code=200 response_flags="-"');
  expect(line).toContain('src.identity="spiffe://cluster.local/ns/shop/sa/cart"');
  expect(line).toContain('route_name="shop/price/0"');
  const metrics = await fetch("http://admin/metrics", {
    unix: `${mesh.runDir}/admin/waypoint.shop.waypoint.sock`,
  });
  expect(await metrics.text()).toMatch(
    /istio_requests_total\{reporter="waypoint",.*source_principal="cluster.local\/ns\/shop\/sa\/cart".*destination_workload="price-v1".*response_code="200".*\} 2\n/,
  );
});

test("two callers never share an upstream connection, one caller reuses its own", async () => {
  const mesh = await start();
  mesh.configure(toV1);
  const instance = mesh.startInstance("i1", () => new Response("ok"));
  mesh.node.answer = () => instance.answer;
  const waypoint = await mesh.startWaypoint();
  const [one, other] = [
    await mesh.openCaller(waypoint, cart),
    await mesh.openCaller(waypoint, "ns/shop/sa/web"),
  ];
  for (const caller of [one, other, one, other, one])
    expect(await (await fetch(caller.url)).text()).toBe("ok");
  const callers = instance.connects.map((fields) => Object.fromEntries(fields)["lambient-caller"]);
  expect(callers).toEqual([
    "spiffe://cluster.local/ns/shop/sa/cart;127.0.0.1",
    "spiffe://cluster.local/ns/shop/sa/web;127.0.0.1",
  ]);
});

test("policy: a denied caller gets 403 and no name, an unknown key denies, a change holds from the next request", async () => {
  const mesh = await start();
  const policies = [denying("no-cart", "cluster.local/ns/shop/sa/cart")];
  mesh.configure(toV1, { policies, policyKeys: ["shop/no-cart"] });
  const instance = mesh.startInstance("i1", () => new Response("ok"));
  mesh.node.answer = () => instance.answer;
  const waypoint = await mesh.startWaypoint();
  const caller = await mesh.openCaller(waypoint, cart);
  const refused = await fetch(caller.url);
  expect([refused.status, await refused.text()]).toEqual([403, "access denied\n"]);
  expect(await mesh.seen("response_code=403")).toContain('policy="shop/no-cart"');
  expect(mesh.node.activations).toEqual([]);
  mesh.configure(toV1);
  await waitUntil("the change is there", async () => (await fetch(caller.url)).status === 200);
  mesh.configure(toV1, { policyKeys: ["shop/not-held"] });
  await waitUntil("the unknown key denies", async () => (await fetch(caller.url)).status === 403);
  expect(await mesh.seen("shop/not-held")).toContain("policies not known yet");
});

test("a response that streams is cut when its caller is no longer allowed", async () => {
  const mesh = await start();
  mesh.configure(toV1);
  const instance = mesh.startInstance(
    "i1",
    () => new Response(new ReadableStream({ start: (controller) => controller.enqueue("first") })),
  );
  mesh.node.answer = () => instance.answer;
  const waypoint = await mesh.startWaypoint();
  const caller = await mesh.openCaller(waypoint, cart);
  const reader = (await fetch(caller.url)).body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe("first");
  mesh.configure(toV1, {
    policies: [denying("no-cart", "cluster.local/ns/shop/sa/cart")],
    policyKeys: ["shop/no-cart"],
  });
  expect(await reader?.read().catch(() => "cut")).toBe("cut");
  expect(await mesh.seen('response_flags="DP"')).toContain('policy="shop/no-cart"');
});

test("routes: by path and header, no route 404, an invalid backend 500", async () => {
  const mesh = await start();
  mesh.configure([
    {
      name: "a",
      matches: [{ path: { kind: PathMatch_Kind.PREFIX, value: "/a" } }],
      backends: [revision("price-v1")],
    },
    { name: "b", matches: [{ headers: [{ name: "x-v", value: "2" }] }], backends: [revision("price-v2")] },
    {
      name: "c",
      matches: [{ path: { kind: PathMatch_Kind.EXACT, value: "/c" } }],
      backends: [{ weight: 1, target: { case: "invalid", value: "no such service" } }],
    },
  ]);
  const instances = new Map(
    ["price-v1", "price-v2"].map((name) => [
      `shop/${name}`,
      mesh.startInstance(name, () => new Response(name)),
    ]),
  );
  mesh.node.answer = (uid) => instances.get(uid)?.answer;
  const caller = await mesh.openCaller(await mesh.startWaypoint(), cart);
  const ask = async (path: string, headers: Record<string, string> = {}): Promise<string> => {
    const response = await fetch(`${caller.url}${path}`, { headers });
    return `${response.status} ${(await response.text()).trim()}`;
  };
  expect(await ask("/a/x")).toBe("200 price-v1");
  expect(await ask("/x/../a")).toBe("200 price-v1");
  expect(await ask("/", { "X-V": "2" })).toBe("200 price-v2");
  expect(await ask("/c")).toBe("500 invalid backend");
  expect(await ask("/ab")).toBe("404 no route");
});

test("an address that is no service's is refused with 404", async () => {
  const mesh = await start();
  mesh.configure(toV1);
  const waypoint = await mesh.startWaypoint();
  const { tunnel } = await mesh.openCaller(waypoint, cart);
  const outcome = await tunnel.connect([
    [":method", "CONNECT"],
    [":authority", "10.96.0.77:80"],
  ]);
  expect(outcome).toMatchObject({ kind: "refused", status: 404 });
});

test("10 000 requests through the process are split 90/10 within five standard deviations", async () => {
  const mesh = await start();
  mesh.configure([{ name: "split", backends: [revision("price-v1", 90), revision("price-v2", 10)] }]);
  const counts = new Map<string, number>();
  const instances = new Map(
    ["price-v1", "price-v2"].map((name) => [
      `shop/${name}`,
      mesh.startInstance(name, () => {
        counts.set(name, (counts.get(name) ?? 0) + 1);
        return new Response(name);
      }),
    ]),
  );
  mesh.node.answer = (uid) => instances.get(uid)?.answer;
  const caller = await mesh.openCaller(await mesh.startWaypoint(["--access-log", "off"]), cart);
  const requests = 10_000;
  const worker = async (): Promise<void> => {
    for (let i = 0; i < requests / 20; i++) await (await fetch(caller.url)).text();
  };
  await Promise.all(Array.from({ length: 20 }, worker));
  const second = counts.get("price-v2") ?? 0;
  expect((counts.get("price-v1") ?? 0) + second).toBe(requests);
  // 900 is the variance of 10 000 draws of one in ten: outside of five deviations once in two million runs.
  expect(Math.abs(second - requests * 0.1)).toBeLessThan(5 * Math.sqrt(900));
});

test("no connection: another instance is tried; when none connects 503 with Retry-After", async () => {
  const mesh = await start();
  mesh.configure(toV1);
  const broken = mesh.startRawInstance("broken", 9);
  broken.refuseWith = 503;
  const good = mesh.startInstance("good", () => new Response("ok"));
  mesh.node.answer = () => (mesh.node.activations.length === 1 ? broken.answer : good.answer);
  const caller = await mesh.openCaller(await mesh.startWaypoint(), cart);
  const response = await fetch(caller.url, { method: "POST", body: "not sent twice" });
  expect([response.status, await response.text()]).toEqual([200, "ok"]);
  expect(mesh.node.released).toEqual(["broken"]);
  expect(await mesh.seen("attempts=2")).toContain('instance="good"');
  good.refuseWith = 503;
  mesh.node.answer = () => broken.answer;
  // A fresh caller, since the first one's connection to the good instance is kept.
  const other = await mesh.openCaller(
    mesh.lines.length > 0 ? caller.tunnel.peerAddress.ip : good.address,
    "ns/shop/sa/web",
  );
  const failed = await fetch(other.url);
  expect([failed.status, failed.headers.get("retry-after")]).toEqual([503, "1"]);
  expect(await mesh.seen('response_flags="UF"')).toContain("answered the tunnel's CONNECT with 503");
});

test("an instance of another identity is not spoken to", async () => {
  const mesh = await start();
  mesh.configure(toV1);
  const impostor = mesh.startRawInstance("impostor", 9, "ns/other/sa/evil");
  mesh.node.answer = () => ({
    ...impostor.answer,
    identity: "spiffe://cluster.local/ns/shop/sa/price",
  });
  const caller = await mesh.openCaller(await mesh.startWaypoint(), cart);
  expect((await fetch(caller.url)).status).toBe(503);
  expect(impostor.connects).toEqual([]);
});

test("the destination's refusal of the caller is a 403", async () => {
  const mesh = await start();
  mesh.configure(toV1);
  const instance = mesh.startInstance("i1", () => new Response("ok"));
  instance.refuseWith = 401;
  mesh.node.answer = () => instance.answer;
  const caller = await mesh.openCaller(await mesh.startWaypoint(), cart);
  expect((await fetch(caller.url)).status).toBe(403);
  expect(instance.connects.length).toBe(1);
});

test("a crash in the midst of a request is a 502, and the next call is served by a new instance", async () => {
  const mesh = await start();
  mesh.configure(toV1);
  const arrived = Promise.withResolvers<void>();
  const first = mesh.startInstance("first", () => {
    arrived.resolve();
    return new Promise(() => {});
  });
  const second = mesh.startInstance("second", () => new Response("from the second"));
  mesh.node.answer = () => (mesh.node.activations.length === 1 ? first.answer : second.answer);
  const caller = await mesh.openCaller(await mesh.startWaypoint(), cart);
  const asked = fetch(caller.url);
  await arrived.promise;
  first.crash();
  expect((await asked).status).toBe(502);
  mesh.node.gone("first");
  expect(await (await fetch(caller.url)).text()).toBe("from the second");
  expect(await mesh.seen("response_code=502")).toContain('response_flags="UC"');
});

test("a crash in the midst of a response cuts it, and does not look like its end", async () => {
  const mesh = await start();
  mesh.configure(toV1);
  const instance = mesh.startInstance(
    "i1",
    () => new Response(new ReadableStream({ start: (controller) => controller.enqueue("half") })),
  );
  mesh.node.answer = () => instance.answer;
  const caller = await mesh.openCaller(await mesh.startWaypoint(), cart);
  const response = await fetch(caller.url);
  const reader = response.body?.getReader();
  await reader?.read();
  instance.crash();
  expect(await reader?.read().catch(() => "cut")).toBe("cut");
});

test("concurrent requests for a cold revision share one activation", async () => {
  const mesh = await start();
  // Two revisions, so that nothing is started ahead of the requests.
  mesh.configure([{ name: "cold", backends: [revision("price-v1", 1000), revision("price-v2", 1)] }]);
  const instance = mesh.startInstance("i1", () => new Response("ok"));
  const held = Promise.withResolvers<object>();
  mesh.node.answer = () => held.promise;
  const caller = await mesh.openCaller(await mesh.startWaypoint(), cart);
  const asked = Array.from({ length: 8 }, () => fetch(caller.url, { headers: { "x-cold": "1" } }));
  await waitUntil("an activation", () => mesh.node.activations.length > 0);
  held.resolve(instance.answer);
  const statuses = (await Promise.all(asked)).map(({ status }) => status);
  expect(statuses).toEqual(Array.from({ length: 8 }, () => 200));
  const perRevision = mesh.node.activations.filter(({ revision: uid }) => uid === "shop/price-v1");
  expect(perRevision).toEqual([{ revision: "shop/price-v1", further: false }]);
});

test("concurrency: a further instance only when all are full; at the maximum the queue is bounded", async () => {
  const mesh = await start();
  const limits = { concurrency: 1, maxInstances: 2 };
  mesh.configure([{ name: "small", backends: [revision("price-v1", 1, limits)] }]);
  const gate = Promise.withResolvers<void>();
  const instances = ["i1", "i2"].map((id) =>
    mesh.startInstance(id, async () => {
      await gate.promise;
      return new Response(id);
    }),
  );
  mesh.node.answer = () => instances[mesh.node.activations.length - 1]?.answer;
  const caller = await mesh.openCaller(await mesh.startWaypoint(["--queue-max", "2"]), cart);
  const asked = [fetch(caller.url), fetch(caller.url)];
  await waitUntil("both are busy", () => instances.every(({ connects }) => connects.length === 1));
  asked.push(fetch(caller.url), fetch(caller.url));
  const overflow = await waitUntil("the queue is full", async () => {
    const response = await fetch(caller.url, { signal: AbortSignal.timeout(200) }).catch(() => undefined);
    return response?.status === 503 ? response : undefined;
  });
  expect(overflow.headers.get("retry-after")).toBe("1");
  expect(mesh.node.activations.map(({ further }) => further)).toEqual([false, true]);
  gate.resolve();
  const bodies = await Promise.all(asked.map(async (ask) => (await ask).text()));
  expect(new Set(bodies)).toEqual(new Set(["i1", "i2"]));
});

test("activation: its timeout is a 504, its failure a 503", async () => {
  const mesh = await start();
  mesh.configure([{ name: "slow", backends: [revision("price-v1", 1, { activationTimeoutMs: 200n })] }]);
  mesh.node.answer = () => new Promise(() => {});
  const caller = await mesh.openCaller(await mesh.startWaypoint(), cart);
  expect((await fetch(caller.url)).status).toBe(504);
  mesh.configure([{ name: "bad", backends: [revision("price-v3")] }]);
  mesh.node.answer = () => {
    throw new MeshError("unavailable", "Cannot load the bundle: it exports no fetch");
  };
  const failed = await waitUntil("the new route", async () => {
    const response = await fetch(caller.url);
    return response.status === 503 ? response : undefined;
  });
  expect(await failed.text()).toBe("no instance can be started\n");
  expect(await mesh.seen('response_flags="UH"')).toContain("it exports no fetch");
});

test("a route's timeout is a 504, and the instance is free again", async () => {
  const mesh = await start();
  mesh.configure([{ ...toV1[0], timeoutMs: 100n }]);
  const ended = Promise.withResolvers<void>();
  const instance = mesh.startInstance("i1", (request) => {
    request.signal.addEventListener("abort", () => ended.resolve());
    return new URL(request.url).pathname === "/slow" ? new Promise(() => {}) : new Response("ok");
  });
  mesh.node.answer = () => instance.answer;
  const caller = await mesh.openCaller(await mesh.startWaypoint(), cart);
  expect((await fetch(`${caller.url}/slow`)).status).toBe(504);
  await ended.promise;
  expect((await fetch(caller.url)).status).toBe(200);
});

test("a caller that goes away takes its request with it", async () => {
  const mesh = await start();
  mesh.configure(toV1);
  const [arrived, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const instance = mesh.startInstance("i1", (request) => {
    arrived.resolve();
    request.signal.addEventListener("abort", () => ended.resolve());
    return new Promise(() => {});
  });
  mesh.node.answer = () => instance.answer;
  const caller = await mesh.openCaller(await mesh.startWaypoint(), cart);
  const abort = new AbortController();
  const asked = fetch(caller.url, { signal: abort.signal }).catch(() => "gone");
  await arrived.promise;
  abort.abort();
  expect(await asked).toBe("gone");
  await ended.promise;
  expect(await mesh.seen('response_flags="DC"')).toContain("request complete");
});

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

test("bodies stream both ways at once, chunked", async () => {
  const mesh = await start();
  mesh.configure(toV1);
  const instance = mesh.startInstance("echo", (request) => new Response(request.body));
  mesh.node.answer = () => instance.answer;
  const caller = await mesh.openCaller(await mesh.startWaypoint(), cart);
  const sends = new TransformStream<Uint8Array, Uint8Array>();
  const writer = sends.writable.getWriter();
  const asked = fetch(caller.url, { method: "POST", body: sends.readable });
  await writer.write(encode("one"));
  const reader = (await asked).body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe("one");
  await writer.write(encode("two"));
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe("two");
  await writer.close();
  expect((await reader?.read())?.done).toBe(true);
});

test("16 MiB each way arrive whole", async () => {
  const mesh = await start();
  mesh.configure(toV1);
  const instance = mesh.startInstance("echo", async (request) => {
    const bytes = await request.bytes();
    return new Response(bytes, { headers: { "x-hash": String(Bun.hash(bytes)) } });
  });
  mesh.node.answer = () => instance.answer;
  const caller = await mesh.openCaller(await mesh.startWaypoint(), cart);
  const sent = new Uint8Array(16 << 20).map((_, i) => (i * 2_654_435_761) >> 13);
  const response = await fetch(caller.url, { method: "POST", body: sent });
  expect(response.headers.get("x-hash")).toBe(String(Bun.hash(sent)));
  expect(String(Bun.hash(await response.bytes()))).toBe(String(Bun.hash(sent)));
});

test("a slow reader holds its sender back: what the waypoint keeps stays bounded", async () => {
  const mesh = await start();
  mesh.configure(toV1);
  const totalBytes = 256 << 20;
  const server = serveEndless(totalBytes);
  const instance = mesh.startRawInstance("i1", server.port);
  mesh.node.answer = () => instance.answer;
  const waypoint = await mesh.startWaypoint();
  const raw = await openRaw(mesh, waypoint, cart);
  raw.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await waitUntil("the response has begun", () => raw.received > 0);
  raw.pause();
  // The kernel's and the tunnels' windows fill, then nothing moves any more.
  let before = -1;
  await waitUntil("the flow stands still", async () => {
    const standing = server.sentBytes === before;
    before = server.sentBytes;
    await Bun.sleep(100);
    return standing;
  });
  const kept = raw.receivedBytes;
  expect(server.sentBytes).toBeLessThan(totalBytes / 2);
  expect(mesh.rssMb()).toBeLessThan(250);
  raw.resume();
  await waitUntil("the rest arrives", () => raw.receivedBytes > kept + (200 << 20), 20_000);
  expect(mesh.rssMb()).toBeLessThan(300);
  server.close();
});

test("a slow instance holds an upload back: what the waypoint keeps stays bounded", async () => {
  const mesh = await start();
  mesh.configure(toV1);
  const gate = Promise.withResolvers<void>();
  let taken = 0;
  const listener = listenStreams({ kind: "address", hostname: "127.0.0.1", port: 0 }, (stream) => {
    stream.handle({
      onData(bytes) {
        taken += bytes.length;
        stream.pause();
      },
      onDrain() {},
      onEnd() {},
      onClose() {},
    });
    void gate.promise.then(() => {
      stream.handle({
        onData: (bytes) => void (taken += bytes.length),
        onDrain() {},
        onEnd() {},
        onClose() {},
      });
      return stream.resume();
    });
  });
  const instance = mesh.startRawInstance("i1", listener.port ?? 0);
  mesh.node.answer = () => instance.answer;
  const raw = await openRaw(mesh, await mesh.startWaypoint(), cart);
  const totalBytes = 128 << 20;
  raw.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${totalBytes}\r\n\r\n`);
  raw.pour(totalBytes);
  let before = -1;
  await waitUntil("the flow stands still", async () => {
    const standing = raw.pouredBytes === before && before > 0;
    before = raw.pouredBytes;
    await Bun.sleep(100);
    return standing;
  });
  expect(raw.pouredBytes).toBeLessThan(totalBytes / 2);
  expect(mesh.rssMb()).toBeLessThan(250);
  gate.resolve();
  await waitUntil("the whole upload arrives", () => taken > totalBytes, 20_000);
  listener.close();
});

/** Answers a request with so many bytes, as fast as they are taken. */
function serveEndless(totalBytes: number): {
  readonly port: number;
  readonly sentBytes: number;
  close(): void;
} {
  const chunk = new Uint8Array(256 << 10);
  const state = { sent: 0, isAsked: false };
  const listener = listenStreams({ kind: "address", hostname: "127.0.0.1", port: 0 }, (stream) => {
    const fill = (): void => {
      if (!state.isAsked) return;
      for (let taken = chunk.length; taken === chunk.length && state.sent < totalBytes;) {
        taken = stream.write(chunk.subarray(0, Math.min(chunk.length, totalBytes - state.sent)));
        state.sent += taken;
      }
    };
    stream.handle({
      onData() {
        stream.write(Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${totalBytes}\r\n\r\n`));
        state.isAsked = true;
        fill();
      },
      onDrain: fill,
      onEnd() {},
      onClose() {},
    });
  });
  return {
    port: listener.port ?? 0,
    get sentBytes() {
      return state.sent;
    },
    close: () => listener.close(),
  };
}

test("HEAD, 1xx, trailers and pipelining are kept", async () => {
  const mesh = await start();
  mesh.configure(toV1);
  const answers = [
    "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n",
  ];
  const seen: string[] = [];
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket, bytes) {
        for (const line of bytes.toString("latin1").match(/^[A-Z]+ \S+ HTTP\/1.1/gm) ?? []) {
          seen.push(line);
          socket.write(answers[seen.length - 1] ?? "");
        }
      },
    },
  });
  const instance = mesh.startRawInstance("raw", server.port);
  mesh.node.answer = () => instance.answer;
  const waypoint = await mesh.startWaypoint();
  const text = await exchangeRaw(
    await openRaw(mesh, waypoint, cart),
    "HEAD /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\nTE: trailers\r\n\r\nGET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
  );
  server.stop(true);
  expect(seen).toEqual(["HEAD /1 HTTP/1.1", "GET /2 HTTP/1.1", "GET /3 HTTP/1.1"]);
  const clean = text.replace(/^(?:traceresponse|server-timing): .*\r\n/gm, "");
  expect(clean).toBe(
    "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n" +
      "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" +
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n" +
      "HTTP/1.1 304 Not Modified\r\netag: x\r\nconnection: close\r\n\r\n",
  );
});

test.each<[string, string, string]>([
  [
    "both lengths",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "400",
  ],
  ["no Host", "GET / HTTP/1.1\r\n\r\n", "400"],
  ["a long head", `GET / HTTP/1.1\r\nHost: x\r\nA: ${"b".repeat(70_000)}\r\n\r\n`, "431"],
  ["CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "405"],
])("%s is answered and the connection closed; nothing reaches an instance", async (_, request, status) => {
  const mesh = await start();
  // Two revisions, so that nothing is started ahead.
  mesh.configure([{ name: "two", backends: [revision("price-v1"), revision("price-v2")] }]);
  const waypoint = await mesh.startWaypoint();
  const text = await exchangeRaw(await openRaw(mesh, waypoint, cart), request);
  expect(text).toStartWith(`HTTP/1.1 ${status} `);
  expect(text).toContain("connection: close\r\n");
  expect(await mesh.seen('response_flags="DPE"')).toContain(`response_code=${status}`);
  expect(mesh.node.activations).toEqual([]);
});

test("an instance that does not answer in HTTP gives a 502", async () => {
  const mesh = await start();
  mesh.configure(toV1);
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (socket) => void socket.write("220 smtp ready\r\n\r\n") },
  });
  const instance = mesh.startRawInstance("smtp", server.port);
  mesh.node.answer = () => instance.answer;
  const caller = await mesh.openCaller(await mesh.startWaypoint(), cart);
  expect((await fetch(caller.url)).status).toBe(502);
  expect(await mesh.seen('response_flags="UPE"')).toContain("a bad status line");
  server.stop(true);
});

test("a WebSocket is spliced, and its closing ends the exchange", async () => {
  const mesh = await start();
  mesh.configure(toV1);
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, self) => (self.upgrade(request) ? undefined : new Response("no", { status: 400 })),
    websocket: { message: (socket, message) => void socket.send(`echo ${String(message)}`) },
  });
  const instance = mesh.startRawInstance("ws", server.port ?? 0);
  mesh.node.answer = () => instance.answer;
  const caller = await mesh.openCaller(await mesh.startWaypoint(), cart);
  const socket = new WebSocket(`ws://127.0.0.1:${caller.port}/chat`);
  const answered = Promise.withResolvers<string>();
  socket.addEventListener("message", (event) => answered.resolve(String(event.data)));
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve);
    socket.addEventListener("error", reject);
  });
  socket.send("hello");
  expect(await answered.promise).toBe("echo hello");
  socket.close();
  expect(await mesh.seen("response_code=101")).toContain('path="/chat"');
  await server.stop(true);
});

test("an upgrade to h2c is not asked for upstream", async () => {
  const mesh = await start();
  mesh.configure(toV1);
  const instance = mesh.startInstance(
    "i1",
    (request) => new Response(request.headers.get("upgrade") ?? "none"),
  );
  mesh.node.answer = () => instance.answer;
  const waypoint = await mesh.startWaypoint();
  const text = await exchangeRaw(
    await openRaw(mesh, waypoint, cart),
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade, http2-settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n",
  );
  expect(text).toEndWith("none");
});

test("Expect: 100-continue is answered by the instance, and the body follows", async () => {
  const mesh = await start();
  mesh.configure(toV1);
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket, bytes) {
        const text = bytes.toString("latin1");
        if (/^expect: 100-continue\r$/m.test(text)) socket.write("HTTP/1.1 100 Continue\r\n\r\n");
        if (text.endsWith("body")) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      },
    },
  });
  const instance = mesh.startRawInstance("i1", server.port);
  mesh.node.answer = () => instance.answer;
  const raw = await openRaw(mesh, await mesh.startWaypoint(), cart);
  raw.write(
    "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n",
  );
  await waitUntil("the go-ahead", () => raw.text === "HTTP/1.1 100 Continue\r\n\r\n");
  raw.write("body");
  await raw.closed;
  expect(raw.text).toEndWith("ok");
  server.stop(true);
});

test("another service is reached through its own waypoint, and plainly where it has none", async () => {
  const mesh = await start();
  const plain = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("plain") });
  const other = mesh.startInstance("other-waypoint", () => new Response("through its waypoint"));
  const loopback = Uint8Array.of(127, 0, 0, 1);
  const target = { namespace: "other", hostname: "x.other", address: loopback };
  mesh.configure([
    {
      name: "tunnelled",
      matches: [{ path: { value: "/tunnelled" } }],
      backends: [
        {
          weight: 1,
          target: {
            case: "service",
            value: {
              ...target,
              port: 80,
              waypointAddress: ipBytes(other.address),
              waypointIdentity: "spiffe://cluster.local/ns/shop/sa/price",
            },
          },
        },
      ],
    },
    {
      name: "plain",
      backends: [{ weight: 1, target: { case: "service", value: { ...target, port: plain.port ?? 0 } } }],
    },
  ]);
  const caller = await mesh.openCaller(await mesh.startWaypoint(), cart);
  expect(await (await fetch(`${caller.url}/tunnelled`)).text()).toBe("through its waypoint");
  expect(await (await fetch(caller.url)).text()).toBe("plain");
  const fields = Object.fromEntries(other.connects[0] ?? []);
  expect([fields[":authority"], fields["lambient-caller"]]).toEqual(["127.0.0.1:80", undefined]);
  await plain.stop(true);
});

test("a service that is no function is reached at its own endpoints, which are learnt once a route needs them", async () => {
  const mesh = await start();
  const other = mesh.startInstance("endpoint", () => new Response("from an endpoint"));
  const hostname = "plain.shop.svc.cluster.local";
  const key = `shop/${hostname}`;
  const endpoint = create(AddressSchema, {
    type: {
      case: "workload",
      value: {
        uid: "Kubernetes//Pod/shop/plain-1",
        name: "plain-1",
        namespace: "shop",
        serviceAccount: "price",
        addresses: [ipBytes(other.address)],
        tunnelProtocol: TunnelProtocol.HBONE,
        services: { [key]: { ports: [{ servicePort: 80, targetPort: 8080 }] } },
      },
    },
  });
  const service = create(AddressSchema, {
    type: { case: "service", value: { namespace: "shop", hostname } },
  });
  mesh.ads.set(AddressSchema, { "Kubernetes//Pod/shop/plain-1": endpoint, [key]: service });
  const direct = { namespace: "shop", hostname, direct: true };
  mesh.configure([
    { name: "default", backends: [{ weight: 1, target: { case: "service", value: direct } }] },
  ]);
  const caller = await mesh.openCaller(await mesh.startWaypoint(), cart);
  expect(await (await fetch(caller.url)).text()).toBe("from an endpoint");
  expect(Object.fromEntries(other.connects[0] ?? [])).toMatchObject({
    ":authority": `${other.address}:8080`,
    "lambient-caller": "spiffe://cluster.local/ns/shop/sa/cart;127.0.0.1",
  });
  mesh.ads.set(AddressSchema, { [key]: service });
  await waitUntil("there is no endpoint left", async () => (await fetch(caller.url)).status === 503);
});

test("HTTP is known by its first bytes where an ordinary service's port declares nothing", async () => {
  const mesh = await start();
  const instance = mesh.startInstance("i1", () => new Response("known"));
  mesh.node.answer = () => instance.answer;
  mesh.configure(toV1, { appProtocol: "", direct: true });
  const talk = await openRaw(mesh, await mesh.startWaypoint(), cart);
  talk.write("GE");
  talk.write("T / HTTP/1.1\r\nHost: price\r\n\r\n");
  await waitUntil("it is answered", () => talk.text.endsWith("known"));
  talk.write("GET / HTTP/1.1\r\nHost: price\r\n\r\n");
  await waitUntil("the next one too", () => talk.text.split("known").length === 3);
});

test.each([
  ["declared", "tcp"],
  ["undeclared", ""],
])("what is not HTTP goes on to an ordinary service's endpoint as it is, %s", async (_name, appProtocol) => {
  const mesh = await start();
  const echo = listenStreams({ kind: "address", hostname: "127.0.0.1", port: 0 }, (stream) =>
    stream.handle({
      onData: (bytes) => void stream.write(bytes),
      onDrain() {},
      onEnd: () => stream.end(),
      onClose() {},
    }),
  );
  const { address } = mesh.startRawInstance("endpoint", echo.port ?? 0);
  const hostname = "price.shop.svc.cluster.local";
  const key = `shop/${hostname}`;
  const value = {
    uid: "pod",
    name: "price-1",
    namespace: "shop",
    serviceAccount: "price",
    addresses: [ipBytes(address)],
    tunnelProtocol: TunnelProtocol.HBONE,
    services: { [key]: { ports: [{ servicePort: 80, targetPort: 8080 }] } },
  };
  mesh.ads.set(AddressSchema, {
    pod: create(AddressSchema, { type: { case: "workload", value } }),
    [key]: create(AddressSchema, { type: { case: "service", value: { namespace: "shop", hostname } } }),
  });
  mesh.configure([], { appProtocol, direct: true });
  const talk = await openRaw(mesh, await mesh.startWaypoint(), cart);
  const said = "*1\r\n$4\r\nPING\r\n";
  talk.write(said);
  await waitUntil("it comes back", () => talk.text === said);
  expect(mesh.lines.filter((line) => line.includes("request complete"))).toEqual([]);
  echo.close();
});

test("spans: one a request, linked to the streams it came and left on; what is not sampled makes none", async () => {
  const mesh = await start();
  mesh.configure(toV1);
  const spans = mesh.serveSpans();
  const instance = mesh.startInstance("i1", (request) => new Response(request.headers.get("traceparent")));
  mesh.node.answer = () => instance.answer;
  const connectSpan = "00-11111111111111111111111111111111-2222222222222222-01";
  const caller = await mesh.openCaller(await mesh.startWaypoint(), cart, [["traceparent", connectSpan]]);
  const ask = async (flags: string): Promise<string> => {
    const traceparent = `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-${flags}`;
    return await (await fetch(caller.url, { headers: { traceparent } })).text();
  };
  const [, , upstreamParent] = (await ask("01")).split("-");
  await ask("00");
  const request = await waitUntil("the request's span", () => spans.find(({ name }) => name === "GET price"));
  const stream = await waitUntil("the stream's span", () =>
    spans.find(({ name }) => name.startsWith("CONNECT")),
  );
  expect(request).toMatchObject({
    service: "waypoint",
    traceId: "0af7651916cd43dd8448eb211c80319c",
    spanId: upstreamParent,
    parentSpanId: "b7ad6b7169203331",
  });
  expect(request.links).toEqual([
    { traceId: "11111111111111111111111111111111", spanId: "2222222222222222" },
    { traceId: stream.traceId, spanId: stream.spanId },
  ]);
  expect(Object.fromEntries(instance.connects[0] ?? [])["traceparent"]).toBe(
    `00-${stream.traceId}-${stream.spanId}-01`,
  );
  mesh.process.kill("SIGTERM");
  await mesh.process.exited;
  expect(spans.length).toBe(2);
});

test("idle instances are released, then the waypoint sleeps: it says so and exits in order", async () => {
  const mesh = await start();
  mesh.configure([{ name: "idle", backends: [revision("price-v1", 1, { idleMs: 100n })] }], { idleMs: 200 });
  const instance = mesh.startInstance("i1", () => new Response("ok"));
  mesh.node.answer = () => instance.answer;
  const caller = await mesh.openCaller(await mesh.startWaypoint(), cart);
  expect((await fetch(caller.url)).status).toBe(200);
  expect(await mesh.process.exited).toBe(0);
  expect(mesh.node.released).toEqual(["i1"]);
  expect(caller.tunnel.isReady).toBe(false);
  await mesh.seen("asleep");
});

test("SIGTERM: a request under way is finished, then the process ends in order", async () => {
  const mesh = await start();
  mesh.configure(toV1);
  const [arrived, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const instance = mesh.startInstance("i1", async () => {
    arrived.resolve();
    await gate.promise;
    return new Response("finished");
  });
  mesh.node.answer = () => instance.answer;
  const caller = await mesh.openCaller(await mesh.startWaypoint(), cart);
  const asked = fetch(caller.url);
  await arrived.promise;
  mesh.process.kill("SIGTERM");
  await waitUntil("no new stream is taken", () => !caller.tunnel.isReady);
  gate.resolve();
  expect(await (await asked).text()).toBe("finished");
  expect(await mesh.process.exited).toBe(0);
});
