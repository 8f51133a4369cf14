/** Label selectors: what they mean, and what is refused. */
import { expect, test } from "bun:test";
import { type LabelSelector, matchesLabels, parseLabelSelector } from "./label-selector.ts";

const parsed: readonly [text: string, want: LabelSelector][] = [
  ["", []],
  ["  ", []],
  ["app=web", [{ kind: "in", label: "app", values: ["web"] }]],
  ["app==web", [{ kind: "in", label: "app", values: ["web"] }]],
  ["app = web", [{ kind: "in", label: "app", values: ["web"] }]],
  ["app!=web", [{ kind: "notin", label: "app", values: ["web"] }]],
  ["app=", [{ kind: "in", label: "app", values: [""] }]],
  ["app", [{ kind: "exists", label: "app" }]],
  ["!app", [{ kind: "absent", label: "app" }]],
  ["app in (a, b)", [{ kind: "in", label: "app", values: ["a", "b"] }]],
  ["app notin (a,b)", [{ kind: "notin", label: "app", values: ["a", "b"] }]],
  [
    "istio.io/dataplane-mode=ambient,tier in (a,b),!old",
    [
      { kind: "in", label: "istio.io/dataplane-mode", values: ["ambient"] },
      { kind: "in", label: "tier", values: ["a", "b"] },
      { kind: "absent", label: "old" },
    ],
  ],
];

test.each(parsed)("parseLabelSelector() reads %p", (text, want) => {
  expect(parseLabelSelector(text)).toEqual({ ok: true, value: want });
});

test.each([
  "a=b=c",
  "=b",
  "!",
  "a in b",
  "a in (b",
  "a in (b c)",
  "-a=b",
  "a=-b",
  "a,,b",
  "a/b/c=d",
  "/a=b",
  "a>1",
  `${"a".repeat(64)}=b`,
  `a=${"b".repeat(64)}`,
  "a=b,".repeat(20_000),
])("parseLabelSelector() refuses %p", (text) => {
  expect(parseLabelSelector(text).ok).toBeFalse();
});

const matched: readonly [text: string, labels: Record<string, string> | undefined, want: boolean][] = [
  ["", undefined, true],
  ["app=web", { app: "web" }, true],
  ["app=web", { app: "db" }, false],
  ["app=web", undefined, false],
  ["app!=web", { app: "db" }, true],
  ["app!=web", {}, true],
  ["app!=web", { app: "web" }, false],
  ["app", { app: "" }, true],
  ["app", { other: "" }, false],
  ["!app", { other: "" }, true],
  ["!app", { app: "" }, false],
  ["app in (a,b)", { app: "b" }, true],
  ["app in (a,b)", {}, false],
  ["app notin (a,b)", {}, true],
  ["app notin (a,b)", { app: "a" }, false],
  ["a=1,b=2", { a: "1", b: "2" }, true],
  ["a=1,b=2", { a: "1" }, false],
  ["toString", {}, false],
];

test.each(matched)("matchesLabels(%p, %p) is %p", (text, labels, want) => {
  const selector = parseLabelSelector(text);
  expect(selector.ok && matchesLabels(selector.value, labels)).toBe(want);
});
