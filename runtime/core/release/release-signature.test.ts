import { expect, test } from "bun:test";
import { createPublicKey, verify } from "node:crypto";
import { ed25519 } from "@noble/curves/ed25519.js";
import * as fc from "fast-check";
import { formatPem } from "#core/x509/pem.ts";
import { canonicalJson } from "./canonical-json.ts";
import { defaultLimits, defaultScale } from "./function-spec.ts";
import {
  parseReleaseKey,
  releaseBytes,
  releaseKeyDer,
  type SignedRevision,
  verifyRelease,
} from "./release-signature.ts";

const secret = new Uint8Array(32).fill(7);
const key = ed25519.getPublicKey(secret);
const revision: SignedRevision = {
  namespace: "shop",
  name: "price-v1",
  spec: {
    function: "price",
    serviceAccountName: "price",
    group: "waypoint",
    bundle: `sha256:${"a".repeat(64)}`,
    engine: "bun",
    env: { B: "2", A: "1" },
    secrets: {},
    bindings: [],
    scale: defaultScale,
    limits: defaultLimits,
    egress: "ALLOW_ANY",
  },
};

function signed(from: SignedRevision): SignedRevision {
  const signature = Buffer.from(ed25519.sign(releaseBytes(from), secret)).toString("base64");
  return { ...from, spec: { ...from.spec, signature } };
}

test("a signature is good for its revision however the fields are ordered, and node:crypto agrees", () => {
  const good = signed(revision);
  const reordered = {
    ...good,
    spec: Object.fromEntries(Object.entries(good.spec).toReversed()) as typeof good.spec,
  };
  expect([verifyRelease(good, key), verifyRelease(reordered, key)]).toEqual([
    { ok: true, value: true },
    { ok: true, value: true },
  ]);
  const nodeKey = createPublicKey({ key: Buffer.from(releaseKeyDer(key)), type: "spki", format: "der" });
  const signature = Buffer.from(good.spec.signature ?? "", "base64");
  expect(verify(null, releaseBytes(good), nodeKey, signature)).toBe(true);
});

test.each<[string, (good: SignedRevision) => SignedRevision]>([
  ["another namespace", (good) => ({ ...good, namespace: "other" })],
  ["another name", (good) => ({ ...good, name: "price-v2" })],
  ["another bundle", (good) => ({ ...good, spec: { ...good.spec, bundle: `sha256:${"b".repeat(64)}` } })],
  ["another variable", (good) => ({ ...good, spec: { ...good.spec, env: { A: "1" } } })],
  ["another account", (good) => ({ ...good, spec: { ...good.spec, serviceAccountName: "admin" } })],
  ["no signature", () => revision],
  ["half a signature", (good) => ({ ...good, spec: { ...good.spec, signature: "AAAA" } })],
])("%s is refused", (_, change) => {
  expect(verifyRelease(change(signed(revision)), key).ok).toBe(false);
});

test("the key comes back from its PEM, and other PEM is refused", () => {
  expect(parseReleaseKey(formatPem("PUBLIC KEY", releaseKeyDer(key)))).toEqual({ ok: true, value: key });
  for (const wrong of ["", formatPem("PUBLIC KEY", new Uint8Array(44)), formatPem("PUBLIC KEY", key)])
    expect(parseReleaseKey(wrong).ok).toBe(false);
});

test("canonicalJson() says the same as JSON and does not depend on order", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value);
      const plain: unknown = JSON.parse(JSON.stringify(value));
      expect(JSON.parse(text)).toEqual(plain);
      expect(canonicalJson(JSON.parse(text))).toBe(text);
    }),
  );
  expect(canonicalJson({ b: 1, a: [undefined, { d: undefined, c: null }] })).toBe(
    '{"a":[null,{"c":null}],"b":1}',
  );
  expect(() => canonicalJson({ a: Number.NaN })).toThrow("Cannot format a value as JSON: number");
});
