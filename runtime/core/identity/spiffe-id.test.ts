import { expect, test } from "bun:test";
import { formatSpiffeId, identityOf, parseSpiffeId } from "./spiffe-id.ts";

const good = ["spiffe://cluster.local/ns/shop/sa/web", "spiffe://td-1.example/ns/a/sa/b.c"];
const bad = [
  "",
  "spiffe://cluster.local/ns/shop/sa/",
  "spiffe://cluster.local/ns/shop/sa/web/x",
  "spiffe://cluster.local/ns//sa/web",
  "spiffe:///ns/shop/sa/web",
  "https://cluster.local/ns/shop/sa/web",
  "spiffe://cluster.local/sa/web/ns/shop",
  "spiffe://Cluster.local/ns/shop/sa/web",
  "spiffe://cluster.local/ns/shop/sa/web\n",
  `spiffe://cluster.local/ns/shop/sa/${"a".repeat(2000)}`,
];

test.each(good)("parseSpiffeId() takes %s and gives it back", (text) => {
  const parsed = parseSpiffeId(text);
  if (!parsed.ok) throw new Error(parsed.error);
  expect(formatSpiffeId(identityOf(parsed.value))).toBe(parsed.value);
});

test.each(bad)("parseSpiffeId() refuses %j", (text) => {
  expect(parseSpiffeId(text).ok).toBe(false);
});
