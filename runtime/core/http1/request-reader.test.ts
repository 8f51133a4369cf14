import { expect, test } from "bun:test";
import { latin1Bytes, latin1Text } from "./characters.ts";
import { type RequestEvent, RequestReader } from "./request-reader.ts";

const small = { headBytesMax: 300, headersMax: 5, targetBytesMax: 60, extensionBytesMax: 12 };

/** Everything a reader makes of the text given in pieces of `size` bytes, bodies joined. */
function readAll(text: string, size: number): unknown[] {
  const reader = new RequestReader(small);
  const seen: unknown[] = [];
  let body = "";
  const note = (event: RequestEvent): boolean => {
    if (event.kind === "data") body += latin1Text(event.bytes);
    if (event.kind === "head")
      seen.push([event.head.method, event.head.target, event.head.headers, event.framing.kind]);
    if (event.kind === "end") {
      seen.push(["end", body, event.trailers]);
      body = "";
    }
    if (event.kind === "problem") seen.push([event.problem.status, event.problem.reason]);
    return event.kind !== "problem";
  };
  const bytes = latin1Bytes(text);
  for (let at = 0; at < bytes.length; at += size) {
    reader.push(bytes.subarray(at, at + size));
    for (let event = reader.read(); event !== undefined; event = reader.read()) if (!note(event)) return seen;
  }
  const cut = reader.finish();
  if (cut !== undefined) seen.push([cut.status, cut.reason]);
  return seen;
}

const sizes = [1, 2, 3, 7, 1000];

test.each<[string, string, unknown[]]>([
  [
    "a GET",
    "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n",
    [
      ["GET", "/a?b=c", [["host", "x"]], "none"],
      ["end", "", []],
    ],
  ],
  [
    "one empty line before the request",
    "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    [
      ["GET", "/", [["host", "x"]], "none"],
      ["end", "", []],
    ],
  ],
  [
    "white space around values only",
    "GET / HTTP/1.1\r\nHost: \t x \t\r\nA:b c\r\nE:\r\n\r\n",
    [
      [
        "GET",
        "/",
        [
          ["host", "x"],
          ["a", "b c"],
          ["e", ""],
        ],
        "none",
      ],
      ["end", "", []],
    ],
  ],
  [
    "obs-text in a value",
    "GET / HTTP/1.1\r\nHost: x\r\nA: \x80\xff\r\n\r\n",
    [
      [
        "GET",
        "/",
        [
          ["host", "x"],
          ["a", "\x80\xff"],
        ],
        "none",
      ],
      ["end", "", []],
    ],
  ],
  [
    "repeated fields in order",
    "GET / HTTP/1.1\r\nA: 1\r\nHost: x\r\na: 2\r\n\r\n",
    [
      [
        "GET",
        "/",
        [
          ["a", "1"],
          ["host", "x"],
          ["a", "2"],
        ],
        "none",
      ],
      ["end", "", []],
    ],
  ],
  [
    "Content-Length",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    [
      [
        "POST",
        "/",
        [
          ["host", "x"],
          ["content-length", "5"],
        ],
        "length",
      ],
      ["end", "hello", []],
    ],
  ],
  [
    "chunks with extensions and trailers",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n3;a=b\r\nabc\r\n00A\r\n0123456789\r\n0\r\nX: y\r\nHost: evil\r\n\r\n",
    [
      [
        "POST",
        "/",
        [
          ["host", "x"],
          ["transfer-encoding", "Chunked"],
        ],
        "chunked",
      ],
      ["end", "abc0123456789", [["x", "y"]]],
    ],
  ],
  [
    "two pipelined requests",
    "POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\naGET /2 HTTP/1.0\r\n\r\n",
    [
      [
        "POST",
        "/1",
        [
          ["host", "x"],
          ["content-length", "1"],
        ],
        "length",
      ],
      ["end", "a", []],
      ["GET", "/2", [], "none"],
      ["end", "", []],
    ],
  ],
  [
    "an absolute target that names the Host",
    "GET http://X/p HTTP/1.1\r\nHost: x\r\n\r\n",
    [
      ["GET", "/p", [["host", "x"]], "none"],
      ["end", "", []],
    ],
  ],
  [
    "an absolute target without a path",
    "GET http://x?q HTTP/1.1\r\nHost: x\r\n\r\n",
    [
      ["GET", "/?q", [["host", "x"]], "none"],
      ["end", "", []],
    ],
  ],
  [
    "OPTIONS *",
    "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    [
      ["OPTIONS", "*", [["host", "x"]], "none"],
      ["end", "", []],
    ],
  ],
  [
    "an empty Host",
    "GET / HTTP/1.1\r\nHost:\r\n\r\n",
    [
      ["GET", "/", [["host", ""]], "none"],
      ["end", "", []],
    ],
  ],
])("RequestReader reads %s from any split", (_, text, want) => {
  for (const size of sizes) expect(readAll(text, size)).toEqual(want);
});

const get = (fields: string): string => `GET / HTTP/1.1\r\nHost: x\r\n${fields}\r\n`;
const post = (fields: string, body = ""): string => `POST / HTTP/1.1\r\nHost: x\r\n${fields}\r\n${body}`;

test.each<[string, string, number]>([
  ["CL and TE", post("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "a"), 400],
  ["TE and CL", post("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", "a"), 400],
  ["two lengths that agree", post("Content-Length: 1\r\nContent-Length: 1\r\n", "a"), 400],
  ["two lengths on one line", post("Content-Length: 1, 1\r\n", "a"), 400],
  ["a signed length", post("Content-Length: +1\r\n", "a"), 400],
  ["a hex length", post("Content-Length: 0x1\r\n", "a"), 400],
  ["an empty length", post("Content-Length:\r\n"), 400],
  ["a huge length", post("Content-Length: 99999999999999999999\r\n"), 400],
  ["TE twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400],
  ["TE gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n"), 501],
  ["TE identity", post("Transfer-Encoding: identity\r\n"), 501],
  ["TE with a vertical tab", post("Transfer-Encoding:\x0bchunked\r\n"), 400],
  ["TE in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400],
  ["obs-fold", get("A: b\r\n c\r\n"), 400],
  ["a fold on the first field", "GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400],
  ["white space before the colon", get("A : b\r\n"), 400],
  ["an empty name", get(": b\r\n"), 400],
  ["no colon", get("abc\r\n"), 400],
  ["a name with a bad character", get("A(b): c\r\n"), 400],
  ["a bare LF", "GET / HTTP/1.1\nHost: x\n\n", 400],
  ["a bare CR in a value", get("A: b\rc\r\n"), 400],
  ["CR CR LF", get("A: b\r\r\n"), 400],
  ["NUL in a value", get("A: b\0\r\n"), 400],
  ["DEL in a value", get("A: b\x7f\r\n"), 400],
  ["no Host", "GET / HTTP/1.1\r\n\r\n", 400],
  ["two Hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400],
  ["a Host with a user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400],
  ["a Host list", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400],
  ["an authority that is not the Host", "GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n", 400],
  ["CONNECT", "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", 405],
  ["a bad method", "GE(T / HTTP/1.1\r\nHost: x\r\n\r\n", 400],
  ["no method", " / HTTP/1.1\r\nHost: x\r\n\r\n", 400],
  ["two spaces", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400],
  ["a space in the target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400],
  ["a tab in the target", "GET /a\tb HTTP/1.1\r\nHost: x\r\n\r\n", 400],
  ["a fragment", "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", 400],
  ["a high byte in the target", "GET /\xe4 HTTP/1.1\r\nHost: x\r\n\r\n", 400],
  ["a malformed escape", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400],
  ["an escaped NUL", "GET /a%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400],
  ["* for GET", "GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400],
  ["a relative target", "GET a HTTP/1.1\r\nHost: x\r\n\r\n", 400],
  ["HTTP/2.0", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505],
  ["HTTP/1.2", "GET / HTTP/1.2\r\nHost: x\r\n\r\n", 505],
  ["HTTP/0.9", "GET /\r\n\r\n", 400],
  ["a lower-case version", "GET / http/1.1\r\nHost: x\r\n\r\n", 400],
  ["an upgrade of a POST", post("Connection: upgrade\r\nUpgrade: websocket\r\n"), 400],
  ["an upgrade with a body", get("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n"), 400],
  ["Connection: host", get("Connection: close, Host\r\n"), 400],
  ["Connection: content-length", get("Connection: content-length\r\n"), 400],
  ["too many fields", get("A: 1\r\n".repeat(5)), 431],
  ["a head that is too long", get(`A: ${"b".repeat(300)}\r\n`), 431],
  ["a target that is too long", `GET /${"b".repeat(60)} HTTP/1.1\r\nHost: x\r\n\r\n`, 414],
  ["a chunk without a size", post("Transfer-Encoding: chunked\r\n", "\r\n"), 400],
  ["a signed chunk size", post("Transfer-Encoding: chunked\r\n", "-1\r\n"), 400],
  ["0x in a chunk size", post("Transfer-Encoding: chunked\r\n", "0x1\r\na\r\n"), 400],
  ["a space behind a chunk size", post("Transfer-Encoding: chunked\r\n", "1 \r\na\r\n"), 400],
  ["a bare LF behind a chunk size", post("Transfer-Encoding: chunked\r\n", "1\na\r\n"), 400],
  ["a bare CR in a chunk's line", post("Transfer-Encoding: chunked\r\n", "1;a\rb\r\na\r\n"), 400],
  ["a bare LF in a chunk extension", post("Transfer-Encoding: chunked\r\n", "1;a\nb\r\na\r\n"), 400],
  ["a chunk that is too long", post("Transfer-Encoding: chunked\r\n", "1\r\nab\r\n"), 400],
  ["a huge chunk size", post("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n"), 400],
  ["long chunk extensions", post("Transfer-Encoding: chunked\r\n", `1;${"a".repeat(20)}\r\na\r\n`), 400],
  ["a folded trailer", post("Transfer-Encoding: chunked\r\n", "0\r\nA: b\r\n c\r\n\r\n"), 400],
  ["trailers that are too long", post("Transfer-Encoding: chunked\r\n", `0\r\nA: ${"b".repeat(300)}`), 431],
  ["a head cut short", "GET / HTTP/1.1\r\nHo", 400],
  ["a body cut short", post("Content-Length: 5\r\n", "hell"), 400],
  ["chunks cut short", post("Transfer-Encoding: chunked\r\n", "1\r\na\r\n0\r\n"), 400],
])("RequestReader refuses %s at any split", (_, text, status) => {
  const answers = sizes.map((size) => readAll(text, size).at(-1));
  for (const answer of answers) expect(answer).toEqual([status, expect.any(String)]);
});

test("a problem is final", () => {
  const reader = new RequestReader(small);
  reader.push(latin1Bytes("GET\n"));
  expect(reader.read()?.kind).toBe("problem");
  reader.push(latin1Bytes("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  expect(reader.read()?.kind).toBe("problem");
});

test("retain() keeps what was pushed when the view changes", () => {
  const reader = new RequestReader();
  const bytes = latin1Bytes("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
  reader.push(bytes);
  reader.read();
  reader.read();
  reader.retain();
  bytes.fill(0);
  const event = reader.read();
  expect(event?.kind === "head" && event.head.target).toBe("/2");
});

test("retain() copies a Node Buffer too, whose slice() would be a view", () => {
  const reader = new RequestReader();
  const bytes = Buffer.from("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
  reader.push(bytes);
  reader.read();
  reader.read();
  reader.retain();
  bytes.fill(0);
  const event = reader.read();
  expect(event?.kind === "head" && event.head.target).toBe("/2");
});

test("takeRest() gives what came behind a request", () => {
  const reader = new RequestReader();
  reader.push(latin1Bytes("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nraw"));
  reader.read();
  reader.read();
  expect(latin1Text(reader.takeRest())).toBe("raw");
  expect(reader.available).toBe(0);
});
