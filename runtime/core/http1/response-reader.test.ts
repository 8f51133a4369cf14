import { expect, test } from "bun:test";
import { latin1Bytes, latin1Text } from "./characters.ts";
import { type ResponseEvent, ResponseReader } from "./response-reader.ts";

/** Everything a reader makes of the text, given in pieces of `size` bytes, for requests with these methods. */
function readAll(text: string, methods: readonly string[], size: number): unknown[] {
  const reader = new ResponseReader({
    headBytesMax: 300,
    headersMax: 5,
    targetBytesMax: 60,
    extensionBytesMax: 12,
  });
  const left = [...methods];
  const seen: unknown[] = [];
  let body = "";
  const note = (event: ResponseEvent): boolean => {
    if (event.kind === "data") body += latin1Text(event.bytes);
    if (event.kind === "informational") seen.push([event.head.status, event.head.headers]);
    if (event.kind === "head") seen.push([event.head.status, event.head.reason, event.framing.kind]);
    if (event.kind === "end") {
      seen.push(["end", body, event.trailers]);
      body = "";
      const next = left.shift();
      if (next !== undefined) reader.expect(next);
    }
    if (event.kind === "problem") seen.push(["problem", event.problem.reason]);
    return event.kind !== "problem";
  };
  reader.expect(left.shift() ?? "GET");
  const bytes = latin1Bytes(text);
  for (let at = 0; at < bytes.length; at += size) {
    reader.push(bytes.subarray(at, at + size));
    for (let event = reader.read(); event !== undefined; event = reader.read()) if (!note(event)) return seen;
  }
  const last = reader.finish();
  if (last !== undefined) note(last);
  return seen;
}

const sizes = [1, 2, 3, 7, 1000];

test.each<[string, string[], string, unknown[]]>([
  [
    "a length",
    ["GET"],
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    [
      [200, "OK", "length"],
      ["end", "hi", []],
    ],
  ],
  [
    "no reason",
    ["GET"],
    "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
    [
      [200, "", "length"],
      ["end", "", []],
    ],
  ],
  [
    "no reason and no space",
    ["GET"],
    "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
    [
      [200, "", "length"],
      ["end", "", []],
    ],
  ],
  [
    "HEAD with a length, then GET",
    ["HEAD", "GET"],
    "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
    [
      [200, "OK", "none"],
      ["end", "", []],
      [200, "OK", "length"],
      ["end", "a", []],
    ],
  ],
  [
    "204 and 304",
    ["GET", "GET"],
    "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
    [
      [204, "No Content", "none"],
      ["end", "", []],
      [304, "Not Modified", "none"],
      ["end", "", []],
    ],
  ],
  [
    "a body until close",
    ["GET"],
    "HTTP/1.0 200 OK\r\n\r\nabc",
    [
      [200, "OK", "until-close"],
      ["end", "abc", []],
    ],
  ],
  [
    "chunks and trailers",
    ["GET"],
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nA: b\r\n\r\n",
    [
      [200, "OK", "chunked"],
      ["end", "hi", [["a", "b"]]],
    ],
  ],
  [
    "informational responses first",
    ["GET"],
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    [
      [100, []],
      [103, [["link", "x"]]],
      [204, "No Content", "none"],
      ["end", "", []],
    ],
  ],
])("ResponseReader reads %s from any split", (_, methods, text, want) => {
  for (const size of sizes) expect(readAll(text, methods, size)).toEqual(want);
});

test.each<[string, string]>([
  ["CL and TE", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"],
  ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"],
  ["TE gzip", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"],
  ["a bad status", "HTTP/1.1 600 Odd\r\n\r\n"],
  ["a short status", "HTTP/1.1 20 OK\r\n\r\n"],
  ["HTTP/2", "HTTP/2 200 OK\r\n\r\n"],
  ["a leading empty line", "\r\nHTTP/1.1 200 OK\r\n\r\n"],
  ["garbage", "\x16\x03\x01"],
  ["a head that is too long", `HTTP/1.1 200 OK\r\nA: ${"b".repeat(400)}\r\n\r\n`],
  ["a cut body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"],
  ["cut chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"],
  ["nothing", ""],
  ["endless informational responses", "HTTP/1.1 100 Continue\r\n\r\n".repeat(17)],
  ["bytes without a request", "HTTP/1.1 204 No Content\r\n\r\nx"],
])("ResponseReader refuses %s at any split", (_, text) => {
  for (const size of sizes)
    expect(readAll(text, ["GET"], size).at(-1)).toEqual(["problem", expect.any(String)]);
});

test("after a 101 the rest is taken raw", () => {
  const reader = new ResponseReader();
  reader.expect("GET");
  reader.push(latin1Bytes("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nraw"));
  expect(reader.read()?.kind).toBe("informational");
  expect(latin1Text(reader.takeRest())).toBe("raw");
});
