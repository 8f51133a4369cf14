import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "bun:test";
import type { HeaderField } from "#core/h2/header-field.ts";
import { PathMatch_Kind, RouteMatchSchema, ValueMatch_Kind } from "#core/proto/lambient/discovery_pb.js";
import { compileMatch } from "./match-request.ts";

type Match = MessageInitShape<typeof RouteMatchSchema>;

function check(match: Match, method: string, target: string, headers: HeaderField[] = []): boolean {
  const compiled = compileMatch(create(RouteMatchSchema, match));
  return compiled.ok && compiled.value({ method, target, version: "1.1", headers });
}

const prefix = (value: string): Match => ({ path: { kind: PathMatch_Kind.PREFIX, value } });

test.each<[string, string, boolean]>([
  ["/", "/", true],
  ["/", "/a/b", true],
  ["/abc", "/abc", true],
  ["/abc", "/abc/", true],
  ["/abc", "/abc/def", true],
  ["/abc", "/abc?q=/x", true],
  ["/abc", "/abcd", false],
  ["/abc", "/ab", false],
  ["/abc", "/x/abc", false],
  ["/abc/", "/abc", true],
  ["/abc/", "/abc/def", true],
  ["/abc/", "/abcd", false],
])("prefix %s on %s: %p", (value, target, want) => {
  expect(check(prefix(value), "GET", target)).toBe(want);
});

test.each<[string, Match, string, boolean]>([
  ["exact", { path: { kind: PathMatch_Kind.EXACT, value: "/a" } }, "/a?x", true],
  ["exact with a slash", { path: { kind: PathMatch_Kind.EXACT, value: "/a" } }, "/a/", false],
  ["regex", { path: { kind: PathMatch_Kind.REGEX, value: "/v[12]/.*" } }, "/v2/x", true],
  ["regex matches whole", { path: { kind: PathMatch_Kind.REGEX, value: "/v[12]" } }, "/v2/x", false],
  ["regex alternatives match whole", { path: { kind: PathMatch_Kind.REGEX, value: "/a|/b" } }, "/bc", false],
  ["method", { method: "GET" }, "/", true],
  ["other method", { method: "POST" }, "/", false],
  ["query", { query: [{ name: "a", value: "1" }] }, "/?b=2&a=1", true],
  ["query, first counts", { query: [{ name: "a", value: "1" }] }, "/?a=2&a=1", false],
  ["query decoded", { query: [{ name: "a b", value: "c/d" }] }, "/?a+b=c%2Fd", true],
  ["query with a bad escape", { query: [{ name: "a", value: "%zz" }] }, "/?a=%zz", true],
  ["query without a value", { query: [{ name: "a", value: "" }] }, "/?a", true],
  ["query absent", { query: [{ name: "a", value: "" }] }, "/?b", false],
  ["query regex", { query: [{ kind: ValueMatch_Kind.REGEX, name: "a", value: "\\d+" }] }, "/?a=12", true],
  [
    "two of one query name: the first",
    {
      query: [
        { name: "a", value: "1" },
        { name: "a", value: "2" },
      ],
    },
    "/?a=1",
    true,
  ],
  ["everything", {}, "/", true],
  ["path and method", { method: "GET", path: { value: "/b" } }, "/a", false],
])("%s", (_, match, target, want) => {
  expect(check(match, "GET", target)).toBe(want);
});

test.each<[string, Match, HeaderField[], boolean]>([
  ["header, any case", { headers: [{ name: "X-User", value: "a" }] }, [["x-user", "a"]], true],
  ["another value", { headers: [{ name: "x-user", value: "a" }] }, [["x-user", "b"]], false],
  ["absent", { headers: [{ name: "x-user", value: "" }] }, [], false],
  [
    "repeated is a list",
    { headers: [{ name: "x", value: "a,b" }] },
    [
      ["x", "a"],
      ["x", "b"],
    ],
    true,
  ],
  ["regex", { headers: [{ kind: ValueMatch_Kind.REGEX, name: "x", value: "a.*" }] }, [["x", "abc"]], true],
  [
    "all must hold",
    {
      headers: [
        { name: "x", value: "1" },
        { name: "y", value: "2" },
      ],
    },
    [["x", "1"]],
    false,
  ],
  [
    "one name twice: the first",
    {
      headers: [
        { name: "x", value: "1" },
        { name: "X", value: "2" },
      ],
    },
    [["x", "1"]],
    true,
  ],
])("header match: %s", (_, match, headers, want) => {
  expect(check(match, "GET", "/", headers)).toBe(want);
});

test.each<[string, Match]>([
  ["a bad path expression", { path: { kind: PathMatch_Kind.REGEX, value: "(" } }],
  ["a bad header expression", { headers: [{ kind: ValueMatch_Kind.REGEX, name: "x", value: "[" }] }],
  ["an expression that backtracks", { path: { kind: PathMatch_Kind.REGEX, value: "/(a+)+" } }],
  ["a long expression", { path: { kind: PathMatch_Kind.REGEX, value: "a".repeat(1025) } }],
])("compileMatch() refuses %s", (_, match) => {
  expect(compileMatch(create(RouteMatchSchema, match)).ok).toBe(false);
});
