import { expect, test } from "bun:test";
import type { BodySink, BodySource } from "./body.ts";
import { FakeStream } from "./fake/fake-stream.ts";
import { UpstreamConnection, type UpstreamRequest } from "./upstream-connection.ts";

const context = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", sampled: false };

/** A connection with everything it tells, in order. */
class Bench {
  readonly stream = new FakeStream();
  readonly told: string[] = [];
  body: BodySource | undefined;
  /** Whether the response's body is taken at once. */
  pipesAtOnce = true;
  readonly connection = new UpstreamConnection(this.stream, context, {
    onIdle: () => void this.told.push("idle"),
    onClosed: () => void this.told.push("closed"),
  });

  send(request: Partial<UpstreamRequest> = {}): void {
    this.connection.send(
      {
        head: { method: "GET", target: "/", version: "1.1", headers: [["host", "x"]] },
        framing: { kind: "none" },
        body: undefined,
        mayUpgrade: false,
        ...request,
      },
      {
        onInformational: ({ status }) => void this.told.push(`${status}`),
        onHead: ({ status }, _, body) => {
          this.told.push(`head ${status}`);
          this.body = body;
          if (this.pipesAtOnce) this.pipe();
        },
        onUpgrade: (_, __, rest) => void this.told.push(`upgrade ${Buffer.from(rest).toString()}`),
        onFailure: ({ kind, error }) => void this.told.push(`${kind}: ${error.message}`),
        onOver: () => void this.told.push("over"),
      },
    );
  }

  pipe(): void {
    const sink: BodySink = {
      onData: (bytes) => void this.told.push(Buffer.from(bytes).toString()),
      onPause() {},
      onEnd: (trailers) => void this.told.push(`end ${trailers.length}`),
      onAbort: (error) => void this.told.push(`abort: ${error.message}`),
    };
    this.body?.pipe(sink);
  }
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

test("a response is read, and the connection takes the next request", () => {
  const bench = new Bench();
  bench.send();
  expect(bench.stream.take()).toBe("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  expect(bench.connection.isIdle).toBe(false);
  bench.stream.receive(ok);
  expect(bench.told).toEqual(["head 200", "hi", "end 0", "over", "idle"]);
  expect(bench.connection.isIdle).toBe(true);
  bench.send();
  expect(bench.stream.take()).toStartWith("GET / ");
});

test("a body waits for whoever takes it, without the stream running on", () => {
  const bench = new Bench();
  bench.pipesAtOnce = false;
  bench.send();
  bench.stream.receive(ok);
  expect([bench.told, bench.stream.isPaused]).toEqual([["head 200"], true]);
  bench.pipe();
  expect(bench.told).toEqual(["head 200", "hi", "end 0", "over", "idle"]);
  expect(bench.stream.isPaused).toBe(false);
});

test("a whole response that waits is given out though the peer has closed since", () => {
  const bench = new Bench();
  bench.pipesAtOnce = false;
  bench.send();
  bench.stream.receive(ok);
  bench.stream.close();
  bench.pipe();
  expect(bench.told).toEqual(["head 200", "hi", "end 0", "closed", "over"]);
});

test("pausing stops the stream, resuming gives what waited", () => {
  const bench = new Bench();
  bench.send();
  bench.stream.receive("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na");
  bench.body?.pause();
  bench.stream.receive("b");
  expect([bench.told, bench.stream.isPaused]).toEqual([["head 200", "a"], true]);
  bench.body?.resume();
  bench.stream.receive("cd");
  expect(bench.told).toEqual(["head 200", "a", "b", "cd", "end 0", "over", "idle"]);
});

test.each<[string, string, string[]]>([
  [
    "Connection: close",
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    ["closed", "over"],
  ],
  ["HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", ["closed", "over"]],
  ["HTTP/1.1", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ["over", "idle"]],
])("after %s", (_, response, want) => {
  const bench = new Bench();
  bench.send();
  bench.stream.receive(response);
  expect(bench.told.slice(2)).toEqual(want);
});

test("a body until close ends with the peer", () => {
  const bench = new Bench();
  bench.send();
  bench.stream.receive("HTTP/1.1 200 OK\r\n\r\nabc");
  bench.stream.peerEnd();
  expect(bench.told).toEqual(["head 200", "abc", "end 0", "closed", "over"]);
});

test("failures before the head are told, after it they abort the body", () => {
  const before = new Bench();
  before.send();
  before.stream.close(new Error("reset"));
  expect(before.told).toEqual(["closed", "closed: reset", "over"]);
  const quiet = new Bench();
  quiet.send();
  quiet.stream.peerEnd();
  expect(quiet.told).toEqual(["closed", "closed: the instance closed the connection", "over"]);
  const wrong = new Bench();
  wrong.send();
  wrong.stream.receive("220 smtp\r\n\r\n");
  expect(wrong.told).toEqual(["closed", "protocol: a bad status line", "over"]);
  const midst = new Bench();
  midst.send();
  midst.stream.receive("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na");
  midst.stream.close(new Error("reset"));
  expect(midst.told).toEqual(["head 200", "a", "closed", "abort: reset", "over"]);
});

test("a connection that served before and ends in order without a byte is told apart", () => {
  const idle = new Bench();
  idle.send();
  idle.stream.receive(ok);
  idle.send();
  idle.stream.peerEnd();
  expect(idle.told.slice(-2)).toEqual(["ended: the instance closed the connection", "over"]);
  const midst = new Bench();
  midst.send();
  midst.stream.receive(ok);
  midst.send();
  midst.stream.receive("HTTP/1.1 2");
  midst.stream.peerEnd();
  expect(midst.told.slice(-2)).toEqual(["closed: the instance closed the connection", "over"]);
});

test("a failure while nobody has taken the body reaches who takes it", () => {
  const bench = new Bench();
  bench.pipesAtOnce = false;
  bench.send();
  bench.stream.receive("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
  bench.stream.close(new Error("reset"));
  bench.pipe();
  expect(bench.told.at(-1)).toBe("over");
  expect(bench.told).toContain("abort: reset");
});

test("what comes without a request closes the connection", () => {
  const bench = new Bench();
  bench.send();
  bench.stream.receive(`${ok}HTTP/1.1 200 OK\r\n\r\n`);
  expect(bench.told).toEqual(["head 200", "hi", "end 0", "over", "idle", "closed"]);
  expect(bench.connection.isIdle).toBe(false);
});

test("a request's body is sent in its framing, with back-pressure", () => {
  const bench = new Bench();
  let sink: BodySink | undefined;
  const flow: string[] = [];
  bench.send({
    head: { method: "POST", target: "/", version: "1.1", headers: [["host", "x"]] },
    framing: { kind: "chunked" },
    body: {
      pipe: (given) => void (sink = given),
      pause: () => void flow.push("pause"),
      resume: () => void flow.push("resume"),
    },
  });
  expect(bench.stream.take()).toBe("POST / HTTP/1.1\r\nhost: x\r\n\r\n");
  bench.stream.room = 4;
  sink?.onData(Buffer.from("abc"));
  sink?.onPause();
  expect([bench.stream.take(), flow]).toEqual(["3\r\na", ["pause"]]);
  bench.stream.drain();
  expect([bench.stream.take(), flow]).toEqual(["bc\r\n", ["pause", "resume"]]);
  sink?.onEnd([["x-sum", "1"]]);
  expect(bench.stream.take()).toBe("0\r\nx-sum: 1\r\n\r\n");
  bench.stream.receive(ok);
  expect(bench.told.at(-1)).toBe("idle");
});

test("a response before the request was sent closes the connection", () => {
  const bench = new Bench();
  bench.send({
    framing: { kind: "length", bytes: 9 },
    body: { pipe() {}, pause() {}, resume() {} },
  });
  bench.stream.receive("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
  expect(bench.told).toEqual(["head 413", "end 0", "closed", "over"]);
});

test("a request whose caller breaks off is cut", () => {
  const bench = new Bench();
  let sink: BodySink | undefined;
  bench.send({
    framing: { kind: "length", bytes: 9 },
    body: { pipe: (given) => void (sink = given), pause() {}, resume() {} },
  });
  sink?.onAbort(new Error("the caller went away"));
  expect([bench.stream.isReset, bench.told]).toEqual([true, ["closed", "over"]]);
});

test("abort() resets, but not what is through already", () => {
  const bench = new Bench();
  bench.send();
  bench.connection.abort();
  expect([bench.stream.isReset, bench.told]).toEqual([true, ["closed", "over"]]);
  const through = new Bench();
  through.send();
  through.stream.receive(ok);
  through.connection.abort();
  expect(through.stream.isReset).toBe(false);
});

test("a 101 that was asked for gives the stream away; one that was not is a failure", () => {
  const switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nraw";
  const asked = new Bench();
  asked.send({ mayUpgrade: true });
  asked.stream.receive(switching);
  expect(asked.told).toEqual(["closed", "upgrade raw"]);
  const notAsked = new Bench();
  notAsked.send();
  notAsked.stream.receive(switching);
  expect(notAsked.told).toEqual(["closed", "protocol: a 101 that was not asked for", "over"]);
});
