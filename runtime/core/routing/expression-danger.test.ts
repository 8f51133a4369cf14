/** Which regular expressions of routes are refused, because their matching could take exponential time. */
import { describe, expect, test } from "bun:test";
import { expressionDanger } from "./expression-danger.ts";

const good = [
  "",
  "/v[12]/.*",
  "/a|/b",
  "/users/[^/]+/orders/[0-9]+",
  "/items/(?<item>[a-z0-9-]+)/?",
  "(/.*)?",
  "(?:/a|/b)?/c",
  "(foo|bar)+",
  "(?:ab|cd)*x",
  "(?:a{3})*",
  String.raw`v\d+(\.\d+)?(\.\d+)?`,
  String.raw`(?:\d{1,3}\.){3}\d{1,3}`,
  String.raw`[a-f0-9]{8}-(?:[a-f0-9]{4}-){3}[a-f0-9]{12}`,
  String.raw`\(a+\)+`,
  "[(a+)+]*",
  String.raw`[\](a+)]+`,
  ".{0,5000}",
  "a{,3}b*",
  ".*?x",
];

const bad: readonly (readonly [string, string])[] = [
  ["(a+)+", "a repeated group"],
  ["(a*)*b", "a repeated group"],
  ["(?:a+)*", "a repeated group"],
  ["(?<x>a+)+?", "a repeated group"],
  ["((a)+b?)*", "a repeated group"],
  ["(a?b?)*", "a repeated group"],
  ["(aa?)*", "a repeated group"],
  ["(a|a)*", "a repeated group"],
  ["(a|ab)+", "a repeated group"],
  ["(x(a|.))*", "a repeated group"],
  ["(a|)*", "a repeated group"],
  ["(a+){10}", "a repeated group"],
  ["(a{1,3}){2,}", "a repeated group"],
  ["(a?){30}", "too many ways"],
  [`${"a?".repeat(30)}b`, "too many ways"],
  [String.raw`(a)\1`, "refers back"],
  [String.raw`(?<x>a)\k<x>`, "refers back"],
  ["(?=a)a", "looks ahead"],
  ["(?!a)b", "looks ahead"],
  ["(?<=a)b", "looks ahead"],
  ["(?<!a)b", "looks ahead"],
  ["a)|(b", "closes nothing"],
];

describe("expressionDanger()", () => {
  test.each(good)("lets pass %p", (source) => {
    expect(expressionDanger(source)).toBeUndefined();
  });

  test.each(bad)("refuses %p", (source, reason) => {
    expect(expressionDanger(source)).toContain(reason);
  });
});
