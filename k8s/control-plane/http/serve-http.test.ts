import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "#host/clock.ts";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { waitUntil } from "../../../tests/support/wait-until.ts";
import { openRoot } from "../authority/open-root.ts";
import { issueServerCertificate } from "../authority/server-certificate.ts";
import { type HttpServer, serveHttp } from "./serve-http.ts";
import { UpgradeResponse } from "./upgrade-response.ts";

const folder = mkdtempSync(join(tmpdir(), "lambient-http-"));
const bodyBytesMax = 1 << 20;
let server: HttpServer;
/** Paths of requests whose caller went away. */
const aborted: string[] = [];
/** Where `/slow` waits. */
let release = Promise.withResolvers<void>();

async function handle(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  request.signal.addEventListener("abort", () => aborted.push(pathname));
  switch (pathname) {
    case "/text":
      return new Response(`${request.method} ${request.headers.get("x-one") ?? "none"}`);
    case "/body":
      return new Response(String((await request.bytes()).length));
    case "/ignored":
      return new Response("not read");
    case "/lines":
      return new Response(lines());
    case "/watch":
      return new Response(watch(request.signal));
    case "/slow":
      await release.promise;
      return new Response("slow");
    case "/broken":
      return new Response(broken());
    case "/nothing":
      return new Response(null, { status: 204 });
    case "/upgrade":
      return new UpgradeResponse({
        protocol: "shout",
        headers: { "x-version": "1" },
        take(stream, rest) {
          stream.handle({
            onData: (bytes) => void stream.write(upper(bytes)),
            onDrain() {},
            onEnd: () => stream.end(),
            onClose: () => aborted.push("shout"),
          });
          stream.write(upper(rest));
          stream.resume();
        },
      });
    default:
      return new Response("", { status: 404 });
  }
}

function upper(bytes: Uint8Array): Uint8Array {
  return Buffer.from(Buffer.from(bytes).toString("latin1").toUpperCase());
}

async function* sentences(): AsyncGenerator<Uint8Array> {
  for (const line of ["one\n", "", "two\n"]) {
    await Bun.sleep(0);
    yield Buffer.from(line);
  }
}

function lines(): ReadableStream<Uint8Array> {
  const source = sentences();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await source.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
  });
}

function watch(signal: AbortSignal): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start: (controller) => controller.enqueue(Buffer.from("first\n")),
    pull: () => new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve())),
    cancel: () => void aborted.push("cancelled"),
  });
}

function broken(): ReadableStream<Uint8Array> {
  let isBegun = false;
  return new ReadableStream({
    async pull(controller) {
      await Bun.sleep(0);
      if (isBegun) throw new Error("the source broke");
      isBegun = true;
      controller.enqueue(Buffer.from("begun"));
    },
  });
}

beforeAll(() => {
  const issuer = openRoot(folder, "cluster.local", Date.now());
  const certificate = issueServerCertificate(issuer, Date.now());
  server = serveHttp({ port: 0, ...certificate, bodyBytesMax, handle, clock: systemClock });
});

afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

interface RawClient extends AsyncDisposable {
  send(text: string | Uint8Array): void;
  /** Everything received, without the hour. */
  text(): string;
  readonly isClosed: boolean;
  close(): void;
}

async function connect(to = server): Promise<RawClient> {
  const chunks: Buffer[] = [];
  let isClosed = false;
  const ready = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port: to.port,
    tls: { rejectUnauthorized: false },
    socket: {
      handshake: () => ready.resolve(),
      data: (_, bytes) => void chunks.push(Buffer.from(bytes)),
      close: () => void (isClosed = true),
      error() {},
    },
  });
  await ready.promise;
  return {
    send: (text) => void socket.write(text),
    text: () =>
      Buffer.concat(chunks)
        .toString("latin1")
        .replaceAll(/date: [^\r]*\r\n/g, ""),
    get isClosed() {
      return isClosed;
    },
    close: () => socket.end(),
    async [Symbol.asyncDispose]() {
      socket.terminate();
    },
  };
}

const rows: [string, string, string][] = [
  [
    "a body that is known has its length",
    "GET /text HTTP/1.1\r\nhost: a\r\nx-one: 1\r\nx-one: 2\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nGET 1, 2",
  ],
  ["HEAD has no body", "HEAD /text HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"],
  ["204 has no body", "GET /nothing HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"],
  [
    "a stream comes in chunks, none of them empty",
    "GET /lines HTTP/1.1\r\nhost: a\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\none\n\r\n4\r\ntwo\n\r\n0\r\n\r\n",
  ],
  [
    "two requests in one piece are answered in order",
    "POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabcGET /text HTTP/1.1\r\nhost: a\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n3HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nGET none",
  ],
  [
    "a chunked body, asked for",
    "POST /body HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n3",
  ],
];

test.each(rows)("%s", async (_, request, wanted) => {
  await using client = await connect();
  client.send(request);
  await waitUntil("the answer is whole", () => client.text().length >= wanted.length);
  expect(client.text()).toBe(wanted);
  // The connection serves on.
  client.send("GET /text HTTP/1.1\r\nhost: a\r\n\r\n");
  await waitUntil("the next answer", () => client.text().length > wanted.length);
  expect(client.isClosed).toBe(false);
});

const closing: [string, string, RegExp][] = [
  [
    "a client of HTTP/1.0",
    "GET /text HTTP/1.0\r\n\r\n",
    /^HTTP\/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n/,
  ],
  ["a stream for HTTP/1.0", "GET /lines HTTP/1.0\r\n\r\n", /connection: close\r\n\r\none\ntwo\n$/],
  [
    "Connection: close",
    "GET /text HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    /connection: close\r\n/,
  ],
  ["an unknown method", "BREW /text HTTP/1.1\r\nhost: a\r\n\r\n", /^HTTP\/1.1 501 /],
  ["no Host", "GET /text HTTP/1.1\r\n\r\n", /^HTTP\/1.1 400 /],
  [
    "a body that is said to be too large",
    "PUT /body HTTP/1.1\r\nhost: a\r\ncontent-length: 1048577\r\n\r\n",
    /^HTTP\/1.1 413 /,
  ],
  [
    "a long body that nobody reads",
    "PUT /ignored HTTP/1.1\r\nhost: a\r\ncontent-length: 1048576\r\n\r\nabc",
    /connection: close\r\n\r\nnot read$/,
  ],
  ["a body that breaks", "GET /broken HTTP/1.1\r\nhost: a\r\n\r\n", /chunked\r\n\r\n5\r\nbegun\r\n$/],
];

test.each(closing)("%s ends the connection", async (_, request, wanted) => {
  await using client = await connect();
  client.send(request);
  await waitUntil("the connection is closed", () => client.isClosed);
  expect(client.text()).toMatch(wanted);
});

test("a chunked body that outgrows the bound cuts the connection", async () => {
  await using client = await connect();
  client.send("PUT /body HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
  const chunk = Buffer.concat([Buffer.from("8000\r\n"), Buffer.alloc(0x8000), Buffer.from("\r\n")]);
  for (let i = 0; i < 64 && !client.isClosed; i++) {
    client.send(chunk);
    await Bun.sleep(0);
  }
  await waitUntil("the connection is closed", () => client.isClosed);
});

test("a long body comes whole", async () => {
  const url = `https://127.0.0.1:${server.port}/body`;
  const tls = { rejectUnauthorized: false };
  for (const bytes of [70_000, bodyBytesMax]) {
    const response = await fetch(url, { method: "PUT", body: new Uint8Array(bytes), tls, keepalive: false });
    expect(await response.text()).toBe(String(bytes));
  }
});

test("a client that leaves is told to the handler, whether it answers or is about to", async () => {
  await using watching = await connect();
  watching.send("GET /watch HTTP/1.1\r\nhost: a\r\n\r\n");
  await waitUntil("the watch has begun", () => watching.text().includes("first"));
  watching.close();
  await waitUntil("the watch ends", () => aborted.includes("/watch") && aborted.includes("cancelled"));
  await using waiting = await connect();
  waiting.send("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n");
  await waitUntil("both are connected", () => server.connectionsOpen > 0);
  waiting.close();
  await waitUntil("the handler is told", () => aborted.includes("/slow"));
  release.resolve();
  release = Promise.withResolvers<void>();
  await waitUntil("nothing is left", () => server.connectionsOpen === 0);
});

test.each(["GET", "POST"])(
  "%s can ask for another protocol, which then has the connection",
  async (method) => {
    await using client = await connect();
    const head = `${method} /upgrade HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: shout\r\n`;
    client.send(`${head}${method === "POST" ? "content-length: 0\r\n" : ""}\r\nearly `);
    await waitUntil("it has switched", () => client.text().includes("EARLY"));
    client.send("and late");
    await waitUntil("it shouts", () => client.text().includes("LATE"));
    expect(client.text()).toBe(
      "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: shout\r\nx-version: 1\r\n\r\nEARLY AND LATE",
    );
    client.close();
    await waitUntil("its end is told", () => aborted.includes("shout"));
    await waitUntil("nothing is left", () => server.connectionsOpen === 0);
  },
);

test("a connection without a request is closed in time, half a request is told so, and one that answers stays", async () => {
  const clock = new FakeClock();
  const issuer = openRoot(folder, "cluster.local", Date.now());
  const patient = serveHttp({
    port: 0,
    ...issueServerCertificate(issuer, Date.now()),
    bodyBytesMax,
    handle,
    clock,
  });
  const [idle, half, body, busy, deaf] = await Promise.all([1, 2, 3, 4, 5].map(() => connect(patient)));
  half?.send("GET /text HTTP/1.1\r\nho");
  body?.send("POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc");
  busy?.send("GET /watch HTTP/1.1\r\nhost: a\r\n\r\n");
  await waitUntil("the watch has begun", () => busy?.text().includes("first"));
  clock.advance(70_000);
  await waitUntil("half a request is over", () => half?.isClosed === true && body?.isClosed === true);
  expect([half?.text(), body?.text()]).toEqual([
    expect.stringMatching(/^HTTP\/1\.1 408 /),
    expect.stringMatching(/^HTTP\/1\.1 408 /),
  ]);
  expect([idle?.isClosed, busy?.isClosed]).toEqual([false, false]);
  clock.advance(200_000);
  await waitUntil("the idle one is over", () => idle?.isClosed === true && deaf?.isClosed === true);
  expect(busy?.isClosed).toBe(false);
  patient.close();
  await waitUntil("nothing is left", () => busy?.isClosed === true && patient.connectionsOpen === 0);
});

test("connections that break off in the midst of TLS, or speak none, harm nobody", async () => {
  // The beginning of a TLS record that says hello, and what is none.
  const beginnings = [
    Buffer.alloc(0),
    Buffer.from("160301020001", "hex"),
    Buffer.from("GET / HTTP/1.1\r\n\r\n"),
  ];
  let over = 0;
  const socket = { data() {}, close: () => void over++, error() {} };
  for (let round = 0; round < 20; round++) {
    for (const bytes of beginnings) {
      const raw = await Bun.connect({ hostname: "127.0.0.1", port: server.port, socket });
      raw.write(bytes);
      if (round % 2 === 0) await Bun.sleep(0);
      raw.terminate();
      // One that goes while the server is about to answer its hello.
      const whole = Bun.connect({
        hostname: "127.0.0.1",
        port: server.port,
        tls: { rejectUnauthorized: false },
        socket: { ...socket, open: (opened) => void setImmediate(() => opened.terminate()) },
      });
      await whole.catch(() => undefined);
    }
  }
  await waitUntil("all are over", () => over >= 60 && server.connectionsOpen === 0);
  await using client = await connect();
  client.send("GET /text HTTP/1.1\r\nhost: a\r\n\r\n");
  await waitUntil("it serves on", () => client.text().includes("GET none"));
});
