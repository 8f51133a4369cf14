import { expect, test } from "bun:test";
import { normalisePath, pathOf, queryOf } from "./target.ts";

test.each<[string, string]>([
  ["/", "/"],
  ["/a/b", "/a/b"],
  ["/a/b/", "/a/b/"],
  ["/a//b", "/a//b"],
  ["//", "//"],
  ["/.", "/"],
  ["/..", "/"],
  ["/a/..", "/"],
  ["/a/./b", "/a/b"],
  ["/a/../b", "/b"],
  ["/a/b/..", "/a/"],
  ["/a/b/.", "/a/b/"],
  ["/../../a", "/a"],
  ["/a//../b", "/a/b"],
  ["/a/%2e%2e/b", "/b"],
  ["/a/%2E./b", "/b"],
  ["/a/.%2e", "/"],
  ["/%61dmin", "/admin"],
  ["/a%2fb", "/a%2Fb"],
  ["/a%5cb", "/a%5Cb"],
  ["/a\\..\\b", "/b"],
  ["/a\\b", "/a/b"],
  ["/%252e%252e/a", "/%252e%252e/a"],
  ["/a%20b", "/a%20b"],
  ["/%e4", "/%E4"],
  ["/...", "/..."],
  ["/.a/..b", "/.a/..b"],
  ["/a;b=c/d,e", "/a;b=c/d,e"],
])("normalisePath(%s) is %s and stays so", (path, want) => {
  expect(normalisePath(path)).toEqual({ ok: true, value: want });
  expect(normalisePath(want)).toEqual({ ok: true, value: want });
});

test.each([["/%"], ["/%a"], ["/%zz"], ["/a%0"], ["/%00"], ["/%u0041"]])(
  "normalisePath(%s) refuses",
  (path) => {
    expect(normalisePath(path).ok).toBe(false);
  },
);

test("pathOf() and queryOf() split at the first question mark", () => {
  expect([pathOf("/a?b?c"), queryOf("/a?b?c"), pathOf("/a"), queryOf("/a")]).toEqual(["/a", "b?c", "/a", ""]);
});
