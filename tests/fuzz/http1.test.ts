/** HTTP/1 codec under random input: it never throws, split points do not matter, and what it reads it writes back the same. */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import {
  chunkEnd,
  chunkStart,
  encodeRequestHead,
  encodeResponseHead,
  lastChunk,
} from "#core/http1/encode.ts";
import type { HeaderField } from "#core/h2/header-field.ts";
import { latin1Bytes, latin1Text } from "#core/http1/characters.ts";
import { endToEndFields, framingFields } from "#core/http1/hop.ts";
import { normalisePath } from "#core/http1/target.ts";
import { RequestReader } from "#core/http1/request-reader.ts";
import { ResponseReader } from "#core/http1/response-reader.ts";

const runs = { numRuns: 1500 };

/** Events with bodies joined, so that they can be compared over splits; stops at a problem. */
function run(reader: RequestReader | ResponseReader, pieces: readonly Uint8Array[]): unknown[] {
  const seen: unknown[] = [];
  let body: string | undefined;
  const flush = (): void => {
    if (body !== undefined) seen.push(["body", body]);
    body = undefined;
  };
  for (const piece of pieces) {
    reader.push(piece.slice());
    for (let event = reader.read(); event !== undefined; event = reader.read()) {
      if (event.kind === "data") {
        body = (body ?? "") + latin1Text(event.bytes);
        continue;
      }
      flush();
      seen.push(event);
      if (event.kind === "problem") return seen;
      if (event.kind === "end" && reader instanceof ResponseReader) reader.expect("GET");
    }
    reader.retain();
  }
  flush();
  return seen;
}

function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const points = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort(
    (a, b) => a - b,
  );
  return points.slice(1).map((point, i) => bytes.subarray(points[i], point));
}

const cuts = fc.array(fc.nat(5000), { maxLength: 12 });

/** Text in the neighbourhood of HTTP: real pieces, glued and broken at random. */
const fragments = [
  "GET ",
  "POST ",
  "OPTIONS * ",
  "/a?b ",
  "/%2e%2e/x ",
  "http://h/ ",
  "HTTP/1.1\r\n",
  "HTTP/1.0\r\n",
  "\r\n",
  "Host: h\r\n",
  "Content-Length: 3\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Connection: close\r\n",
  "abc",
  "3\r\nabc\r\n",
  "0\r\n\r\n",
  "0\r\nT: v\r\n\r\n",
  "3;x=y\r\nabc\r\n",
  "\r",
  "\n",
  " ",
  "\t",
  ":",
  "\0",
  "\xff",
  "HTTP/1.1 200 OK\r\n",
  "HTTP/1.1 100 \r\n\r\n",
  "HTTP/1.1 204\r\n\r\n",
  "X: y\r\n",
  "TE: trailers\r\n",
];
const broken = fc
  .array(fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...fragments) }, fc.string({ maxLength: 5 })), {
    maxLength: 14,
  })
  .map((parts) => latin1Bytes(parts.join("").replace(/[^\0-\xff]/g, "?")));

test("RequestReader never throws and split points do not matter", () => {
  fc.assert(
    fc.property(fc.oneof(broken, fc.uint8Array({ maxLength: 80 })), cuts, (bytes, where) => {
      const whole = run(new RequestReader(), [bytes]);
      expect(run(new RequestReader(), split(bytes, where))).toEqual(whole);
    }),
    runs,
  );
});

function freshResponses(): ResponseReader {
  const reader = new ResponseReader();
  reader.expect("GET");
  return reader;
}

test("ResponseReader never throws and split points do not matter", () => {
  fc.assert(
    fc.property(fc.oneof(broken, fc.uint8Array({ maxLength: 80 })), cuts, (bytes, where) => {
      const whole = run(freshResponses(), [bytes]);
      expect(run(freshResponses(), split(bytes, where))).toEqual(whole);
    }),
    runs,
  );
});

const token = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9a-z-]{1,12}$/);
const reserved = new Set(["host", "content-length", "transfer-encoding", "connection", "upgrade", "te"]);
const value = fc.stringMatching(/^(?:[!-~\x80-\xff](?:[ -~\x80-\xff]{0,18}[!-~\x80-\xff])?)?$/);
const field = fc
  .tuple(token, value)
  .filter(([name]) => !reserved.has(name))
  .map(([name, text]): HeaderField => [name, text]);
const path = fc
  .stringMatching(/^\/[!-"$-$&->@-~]{0,20}$/)
  .map((text) => normalisePath(text))
  .map((normal) => (normal.ok ? normal.value : "/"));

test("a request that is written is read back the same", () => {
  const request = fc.record({
    method: fc.stringMatching(/^[A-Z]{1,8}$/).filter((method) => method !== "CONNECT"),
    target: fc.tuple(path, fc.stringMatching(/^(?:\?[!-"$-~]{0,10})?$/)).map((parts) => parts.join("")),
    headers: fc.array(field, { maxLength: 8 }),
    chunks: fc.array(fc.uint8Array({ minLength: 1, maxLength: 30 }), { maxLength: 4 }),
    cuts,
  });
  fc.assert(
    fc.property(request, ({ method, target, headers, chunks, cuts: where }) => {
      const head = {
        method,
        target,
        version: "1.1" as const,
        headers: [["host", "x"] as const, ...headers, ...framingFields({ kind: "chunked" })],
      };
      const parts = [encodeRequestHead(head)];
      for (const chunk of chunks) parts.push(chunkStart(chunk.length), chunk, chunkEnd);
      parts.push(lastChunk([["x-after", "1"]]));
      const bytes = new Uint8Array(Buffer.concat(parts));
      const body = chunks.map((chunk) => latin1Text(chunk)).join("");
      expect(run(new RequestReader(), split(bytes, where))).toEqual([
        { kind: "head", head, framing: { kind: "chunked" } },
        ...(body === "" ? [] : [["body", body]]),
        { kind: "end", trailers: [["x-after", "1"]] },
      ]);
    }),
    runs,
  );
});

test("a response that is written is read back the same", () => {
  const response = fc.record({
    status: fc.integer({ min: 200, max: 599 }).filter((status) => status !== 204 && status !== 304),
    reason: fc.stringMatching(/^[!-~](?:[ -~]{0,10}[!-~])?$/),
    headers: fc.array(field, { maxLength: 8 }),
    body: fc.uint8Array({ maxLength: 60 }),
    cuts,
  });
  fc.assert(
    fc.property(response, ({ status, reason, headers, body, cuts: where }) => {
      const framing = { kind: "length" as const, bytes: body.length };
      const head = {
        status,
        reason,
        version: "1.1" as const,
        headers: [...headers, ...framingFields(framing)],
      };
      const reader = new ResponseReader();
      reader.expect("GET");
      const bytes = new Uint8Array(Buffer.concat([encodeResponseHead(head), body]));
      expect(run(reader, split(bytes, where))).toEqual([
        { kind: "head", head, framing },
        ...(body.length === 0 ? [] : [["body", latin1Text(body)]]),
        { kind: "end", trailers: [] },
      ]);
    }),
    runs,
  );
});

test("normalising a path twice changes nothing, and no dot segment or backslash is left", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(..."/.%2eE5cfaA\\b;".split(""))), (characters) => {
      const once = normalisePath(`/${characters.join("")}`);
      if (!once.ok) return;
      expect(normalisePath(once.value)).toEqual(once);
      expect(once.value).not.toMatch(/\\|\/\.{1,2}(?:\/|$)/);
      expect(once.value.startsWith("/")).toBe(true);
    }),
    runs,
  );
});

test("endToEndFields() keeps the order and never invents a field", () => {
  fc.assert(
    fc.property(fc.array(field, { maxLength: 10 }), (fields) => {
      const kept = endToEndFields(fields);
      let at = 0;
      for (const one of kept) {
        while (at < fields.length && fields[at] !== one) at++;
        expect(at).toBeLessThan(fields.length);
        at++;
      }
    }),
    runs,
  );
});
