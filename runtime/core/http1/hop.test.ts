import { expect, test } from "bun:test";
import type { HeaderField } from "#core/h2/header-field.ts";
import type { HttpVersion, RequestHead } from "./head.ts";
import { endToEndFields, framingFields, keepsAlive, upgradeAsked } from "./hop.ts";

const head = (version: HttpVersion, ...headers: HeaderField[]): RequestHead => ({
  method: "GET",
  target: "/",
  version,
  headers,
});

test("endToEndFields() drops what belongs to the connection and what Connection names", () => {
  const fields: HeaderField[] = [
    ["host", "x"],
    ["connection", "close, X-Drop"],
    ["x-drop", "1"],
    ["keep-alive", "timeout=5"],
    ["te", "gzip, trailers"],
    ["upgrade", "h2c"],
    ["content-length", "3"],
    ["accept", "*/*"],
  ];
  expect(endToEndFields(fields)).toEqual([
    ["host", "x"],
    ["te", "trailers"],
    ["accept", "*/*"],
  ]);
});

test("framingFields() declares the framing", () => {
  expect(framingFields({ kind: "none" })).toEqual([]);
  expect(framingFields({ kind: "until-close" })).toEqual([]);
  expect(framingFields({ kind: "length", bytes: 0 })).toEqual([["content-length", "0"]]);
  expect(framingFields({ kind: "chunked" })).toEqual([["transfer-encoding", "chunked"]]);
});

test.each<[string, RequestHead, boolean]>([
  ["1.1", head("1.1"), true],
  ["1.1 with close", head("1.1", ["connection", "Close"]), false],
  ["1.1 with close among others", head("1.1", ["connection", "x"], ["connection", "y, close"]), false],
  ["1.0", head("1.0"), false],
  ["1.0 with keep-alive", head("1.0", ["connection", "keep-alive"]), true],
  ["1.0 with both", head("1.0", ["connection", "keep-alive, close"]), false],
])("keepsAlive() of %s", (_, message, want) => {
  expect(keepsAlive(message)).toBe(want);
});

test.each<[string, RequestHead, string | undefined]>([
  ["a WebSocket", head("1.1", ["connection", "Upgrade"], ["upgrade", "websocket"]), "websocket"],
  ["no Connection", head("1.1", ["upgrade", "websocket"]), undefined],
  ["no Upgrade", head("1.1", ["connection", "upgrade"]), undefined],
  ["h2c", head("1.1", ["connection", "upgrade"], ["upgrade", "h2c"]), undefined],
  ["a choice", head("1.1", ["connection", "upgrade"], ["upgrade", "websocket, h2c"]), undefined],
  ["HTTP/1.0", head("1.0", ["connection", "upgrade"], ["upgrade", "websocket"]), undefined],
])("upgradeAsked() of %s", (_, message, want) => {
  expect(upgradeAsked(message)).toBe(want);
});
