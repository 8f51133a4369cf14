import { expect, test } from "bun:test";
import type { Framing } from "#core/http1/head.ts";
import { problem } from "#core/http1/head.ts";
import { FakeClock } from "#host/fake/fake-clock.ts";
import type { BodySink, BodySource } from "./body.ts";
import type { ReceivedRequest } from "./connection-ports.ts";
import type { Exchange } from "./exchange.ts";
import { FakeStream, settled } from "./fake/fake-stream.ts";
import { makeExchange } from "./fake/make-exchange.ts";
import { HttpConnection } from "./http-connection.ts";

/** A connection whose pipeline is the test. */
class Bench {
  readonly stream = new FakeStream();
  readonly clock = new FakeClock();
  readonly exchanges: Exchange[] = [];
  readonly finished: string[] = [];
  readonly problems: string[] = [];
  isClosed = false;
  refusesWith: { status: number; reason: string } | undefined;
  readonly connection: HttpConnection;
  /** What each exchange gets; by default an answer of our own. */
  respond: (exchange: Exchange) => void | Promise<void> = (exchange) => {
    exchange.response = new Response(`for ${exchange.received.target}`);
  };

  constructor() {
    this.connection = new HttpConnection(this.stream, {
      clock: this.clock,
      begin: (request) => this.refusesWith ?? this.#begin(request),
      run: async (exchange) => await this.respond(exchange),
      finish: ({ received, status, flag }) => void this.finished.push(`${received.target} ${status} ${flag}`),
      onProblem: ({ status, reason }) => void this.problems.push(`${status} ${reason}`),
      onClose: () => void (this.isClosed = true),
    });
  }

  #begin(request: ReceivedRequest): Exchange {
    const { head, framing, body, port } = request;
    const exchange = makeExchange({ received: head, framing, body, port });
    this.exchanges.push(exchange);
    return exchange;
  }

  /** The bodies of the responses written so far. */
  async bodies(): Promise<string[]> {
    await settled();
    return this.stream.written.match(/for \S+?(?=HTTP|$)/g) ?? [];
  }
}

/** An upstream body whose flow is the test. */
class ScriptedBody implements BodySource {
  sink: BodySink | undefined;
  isPaused = false;
  pipe(sink: BodySink): void {
    this.sink = sink;
  }
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
  give(text: string): void {
    this.sink?.onData(Buffer.from(text));
    this.sink?.onPause();
  }
}

function answering(body: ScriptedBody, framing: Framing, headers: [string, string][] = []) {
  return (exchange: Exchange): void => {
    const marker = new Response(null);
    exchange.answer = { head: { status: 200, reason: "OK", version: "1.1", headers }, framing, body, marker };
    exchange.response = marker;
  };
}

const get = (path: string, rest = ""): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n${rest}\r\n`;

test("pipelined requests are served one after the other, in order", async () => {
  const bench = new Bench();
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  bench.respond = async (exchange) => {
    await gates[bench.exchanges.length - 1]?.promise;
    exchange.response = new Response(`for ${exchange.received.target}`);
  };
  bench.stream.receive(get("/1") + get("/2"));
  await settled();
  expect(bench.exchanges.map(({ received }) => received.target)).toEqual(["/1"]);
  expect(bench.stream.isPaused).toBe(true);
  gates[1]?.resolve();
  gates[0]?.resolve();
  expect(await bench.bodies()).toEqual(["for /1", "for /2"]);
  expect(bench.stream.isPaused).toBe(false);
  expect(bench.finished).toEqual(["/1 200 -", "/2 200 -"]);
});

test.each<[string, string, string, boolean]>([
  ["HTTP/1.1", get("/"), "HTTP/1.1 200 OK", false],
  ["close", get("/", "Connection: close\r\n"), "connection: close", true],
  ["HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "connection: close", true],
  ["1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "connection: keep-alive", false],
])("after the response to %s the connection stays or ends", async (_, request, line, isEnded) => {
  const bench = new Bench();
  bench.stream.receive(request);
  await settled();
  expect(bench.stream.written).toContain(line);
  expect(bench.stream.isEnded).toBe(isEnded);
});

test("HEAD and 204 have no body, HEAD its length", async () => {
  const bench = new Bench();
  bench.respond = (exchange) => {
    exchange.response =
      exchange.received.method === "HEAD" ? new Response("12345") : new Response(null, { status: 204 });
  };
  bench.stream.receive(get("/").replace("GET", "HEAD"));
  await settled();
  expect(bench.stream.take()).toMatch(/content-length: 5\r\n[^]*\r\n\r\n$/);
  bench.stream.receive(get("/"));
  await settled();
  expect(bench.stream.take()).not.toContain("content-length");
});

test("an answer streams: chunks, trailers, back-pressure", async () => {
  const bench = new Bench();
  const body = new ScriptedBody();
  bench.respond = answering(body, { kind: "chunked" }, [
    ["x-a", "1"],
    ["connection", "x-a2"],
    ["x-a2", "dropped"],
  ]);
  bench.stream.receive(get("/"));
  await settled();
  body.give("abc");
  expect(bench.stream.take()).toBe(
    "HTTP/1.1 200 OK\r\nx-a: 1\r\ntransfer-encoding: chunked\r\n" +
      "traceresponse: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n\r\n3\r\nabc\r\n",
  );
  bench.stream.room = 2;
  body.give("defgh");
  expect([body.isPaused, bench.stream.take()]).toEqual([true, "5\r"]);
  bench.stream.drain();
  expect([body.isPaused, bench.stream.take()]).toEqual([false, "\ndefgh\r\n"]);
  body.sink?.onEnd([["x-sum", "8"]]);
  expect(bench.stream.take()).toBe("0\r\nx-sum: 8\r\n\r\n");
  expect(bench.finished).toEqual(["/ 200 -"]);
  expect(bench.exchanges[0]?.bytesSent).toBe(8);
});

test("an answer of unknown length: chunked for HTTP/1.1, until close for 1.0", async () => {
  for (const [request, framed] of [
    [get("/"), "3\r\nabc\r\n0\r\n\r\n"],
    ["GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "abc"],
  ] as const) {
    const bench = new Bench();
    const body = new ScriptedBody();
    bench.respond = answering(body, { kind: "until-close" });
    bench.stream.receive(request);
    await settled();
    body.give("abc");
    body.sink?.onEnd([]);
    expect(bench.stream.written).toEndWith(`\r\n\r\n${framed}`);
    expect(bench.stream.isEnded).toBe(framed === "abc");
  }
});

test("an answer that is cut short resets the connection", async () => {
  const bench = new Bench();
  const body = new ScriptedBody();
  bench.respond = answering(body, { kind: "length", bytes: 10 });
  bench.stream.receive(get("/"));
  await settled();
  body.give("abc");
  body.sink?.onAbort(new Error("the instance died"));
  expect(bench.stream.isReset).toBe(true);
  expect([bench.finished, bench.exchanges[0]?.detail]).toEqual([["/ 200 UC"], "the instance died"]);
});

test("a request's body flows once there is a sink, and stops while that is full", async () => {
  const bench = new Bench();
  bench.respond = () => new Promise(() => {});
  bench.stream.receive("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc");
  expect(bench.stream.isPaused).toBe(true);
  const seen: string[] = [];
  const body = bench.exchanges[0]?.body;
  let isFull = false;
  body?.pipe({
    onData: (bytes) => void seen.push(Buffer.from(bytes).toString()),
    onPause: () => {
      if (isFull) body.pause();
    },
    onEnd: () => void seen.push("end"),
    onAbort: () => void seen.push("abort"),
  });
  expect([seen, bench.stream.isPaused]).toEqual([["abc"], false]);
  isFull = true;
  bench.stream.receive("def");
  expect([seen, bench.stream.isPaused]).toEqual([["abc", "def"], true]);
  isFull = false;
  body?.resume();
  bench.stream.receive("ghi");
  expect(seen).toEqual(["abc", "def", "ghi", "end"]);
  expect(bench.exchanges[0]?.bytesReceived).toBe(9);
});

test("trailers go on, but for those that speak of identity", () => {
  const bench = new Bench();
  bench.respond = () => new Promise(() => {});
  bench.stream.receive("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  const seen: unknown[] = [];
  bench.exchanges[0]?.body?.pipe({
    onData() {},
    onPause() {},
    onEnd: (trailers) => void seen.push(...trailers),
    onAbort() {},
  });
  bench.stream.receive(
    "0\r\nX-Sum: 1\r\nX-Forwarded-Client-Cert: URI=spiffe://x\r\nLambient-Caller: y\r\n\r\n",
  );
  expect(seen).toEqual([["x-sum", "1"]]);
});

test("a response before its request was read ends the connection", async () => {
  const bench = new Bench();
  bench.stream.receive("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc");
  await settled();
  expect(bench.stream.written).toContain("connection: close");
  expect([bench.stream.isEnded, bench.stream.isPaused]).toEqual([true, false]);
  bench.clock.advance(2000);
  expect(bench.stream.isReset).toBe(true);
});

test("a body that breaks its framing cuts the exchange", async () => {
  const bench = new Bench();
  bench.respond = () => new Promise(() => {});
  bench.stream.receive("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  const seen: string[] = [];
  bench.exchanges[0]?.body?.pipe({
    onData() {},
    onPause() {},
    onEnd() {},
    onAbort: (error) => void seen.push(error.message),
  });
  bench.stream.receive("zz\r\n");
  expect([seen, bench.finished, bench.stream.isReset]).toEqual([
    ["a chunk without a size"],
    ["/ 0 DPE"],
    true,
  ]);
});

test("a caller that goes away ends its exchange", async () => {
  const bench = new Bench();
  bench.respond = () => new Promise(() => {});
  bench.stream.receive(get("/"));
  let isOver = false;
  bench.exchanges[0]?.ending.onOver(() => (isOver = true));
  bench.stream.close(new Error("gone"));
  expect([isOver, bench.finished, bench.isClosed]).toEqual([true, ["/ 0 DC"], true]);
});

test("a caller that half-closes gets its response, then the end", async () => {
  const bench = new Bench();
  bench.stream.receive(get("/"));
  bench.stream.peerEnd();
  expect(await bench.bodies()).toEqual(["for /"]);
  expect(bench.stream.isEnded).toBe(true);
});

test("an end in the midst of a head is a problem, between requests it is none", async () => {
  const cut = new Bench();
  cut.stream.receive("GET / HT");
  cut.stream.peerEnd();
  expect(cut.problems).toEqual(["400 a request that was cut short"]);
  const whole = new Bench();
  whole.stream.receive(get("/"));
  await settled();
  whole.stream.peerEnd();
  expect([whole.problems, whole.stream.isEnded]).toEqual([[], true]);
});

test("drain() closes an idle connection now, a busy one after its response, a half-read request after its own", async () => {
  const idle = new Bench();
  idle.connection.drain();
  expect(idle.stream.isEnded).toBe(true);
  const busy = new Bench();
  busy.stream.receive(get("/"));
  busy.connection.drain();
  await settled();
  expect(busy.stream.written).toContain("connection: close");
  const half = new Bench();
  half.stream.receive("GET / HTTP/1.1\r\n");
  half.connection.drain();
  expect(half.stream.isEnded).toBe(false);
  half.stream.receive("Host: x\r\n\r\n");
  await settled();
  expect(half.stream.written).toContain("for /");
  expect(half.stream.isEnded).toBe(true);
});

test("expire() closes what is idle and answers half a head with 408", () => {
  const half = new Bench();
  half.stream.receive("GET /");
  half.connection.expire();
  expect(half.stream.written).toStartWith("HTTP/1.1 408 Request Timeout\r\n");
  const idle = new Bench();
  idle.connection.expire();
  expect([idle.stream.written, idle.stream.isEnded]).toEqual(["", true]);
  const busy = new Bench();
  busy.respond = () => new Promise(() => {});
  busy.stream.receive(get("/"));
  expect(busy.connection.idleSinceMs).toBeUndefined();
});

test("a body that stalls is cut, one that its instance does not take is not", () => {
  const bench = new Bench();
  bench.respond = () => new Promise(() => {});
  bench.stream.receive("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n");
  const body = bench.exchanges[0]?.body;
  body?.pipe({ onData() {}, onPause() {}, onEnd() {}, onAbort() {} });
  bench.clock.advance(100);
  bench.stream.receive("abc");
  expect(bench.connection.idleSinceMs).toBe(bench.clock.monotonicMs());
  body?.pause();
  expect(bench.connection.idleSinceMs).toBeUndefined();
  body?.resume();
  bench.connection.expire();
  expect([bench.stream.isReset, bench.finished, bench.exchanges[0]?.detail]).toEqual([
    true,
    ["/ 0 DPE"],
    "the request's body stalled",
  ]);
});

test("a request that may not begin is answered and the connection closed", async () => {
  const bench = new Bench();
  bench.refusesWith = problem(503, "too many requests are under way");
  bench.stream.receive(get("/"));
  expect(bench.stream.written).toStartWith("HTTP/1.1 503 Service Unavailable\r\n");
  expect(bench.stream.isEnded).toBe(true);
});

test("an upgrade gives the stream away with the bytes behind the request", async () => {
  const bench = new Bench();
  const given: string[] = [];
  bench.respond = (exchange) => {
    exchange.isUpgraded = true;
    const { rest } = exchange.port.upgrade({
      status: 101,
      reason: "",
      version: "1.1",
      headers: [["upgrade", "x"]],
    });
    given.push(Buffer.from(rest).toString());
  };
  bench.stream.receive(`${get("/", "Connection: upgrade\r\nUpgrade: x\r\n")}early`);
  await settled();
  expect(bench.stream.written).toBe("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n");
  expect(given).toEqual(["early"]);
  bench.exchanges[0]?.port.upgradeOver();
  expect([bench.finished, bench.isClosed]).toEqual([["/ 0 -"], true]);
});

test("1xx go on to HTTP/1.1 callers only", async () => {
  for (const [request, want] of [
    [get("/"), "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"],
    ["GET / HTTP/1.0\r\n\r\n", ""],
  ] as const) {
    const bench = new Bench();
    bench.respond = () => new Promise(() => {});
    bench.stream.receive(request);
    bench.exchanges[0]?.port.informational({
      status: 103,
      reason: "Early Hints",
      version: "1.1",
      headers: [["link", "x"]],
    });
    expect(bench.stream.written).toBe(want);
  }
});

test("a stage's own response counts when it replaced the answer", async () => {
  const bench = new Bench();
  const body = new ScriptedBody();
  bench.respond = (exchange) => {
    answering(body, { kind: "length", bytes: 3 })(exchange);
    exchange.response = new Response("instead", { status: 418 });
  };
  bench.stream.receive(get("/"));
  await settled();
  expect(bench.stream.written).toStartWith("HTTP/1.1 418 \r\n");
  expect(bench.stream.written).toEndWith("instead");
});
