import { expect, test } from "bun:test";
import { makeTestCa, spiffeId } from "../../../tests/support/test-ca.ts";
import { type CertificateParts, readHeldCertificate } from "./held-certificate.ts";

const cart = spiffeId("ns/shop/sa/cart");
const ca = makeTestCa();
const { keyPem, chainPem, rootsPem } = ca.issue(cart, { notBeforeMs: 1000, notAfterMs: 5000 });
const good: CertificateParts = { keyPem, chainPem, rootsPem };
const other = ca.issue("ns/shop/sa/other");
const server = ca.issueServer(["cart.shop"]);

test("parts that belong together are held, with their time", () => {
  expect(readHeldCertificate(cart, good)).toMatchObject({
    ok: true,
    value: { identity: cart, ...good, notBeforeMs: 1000, notAfterMs: 5000 },
  });
});

const cases: readonly (readonly [string, Partial<CertificateParts>, string])[] = [
  ["another identity", { chainPem: other.chainPem }, `as that of ${cart}: it names ${other.identity}`],
  ["no identity", { chainPem: server.chainPem }, "it names no identity"],
  ["another key", { keyPem: other.keyPem }, "Cannot use a key with a certificate that is of another key"],
  ["a key that is none", { keyPem: "x" }, "Cannot read a private key as PEM: "],
  ["no chain", { chainPem: "" }, "Cannot read a chain as PEM certificates: none found"],
  ["a chain that is cut", { chainPem: chainPem.slice(0, 100) }, "Cannot read PEM as CERTIFICATE"],
  ["no roots", { rootsPem: "" }, `Cannot use the roots of ${cart} as PEM certificates: none found`],
  ["roots that are cut", { rootsPem: rootsPem.slice(0, 100) }, `Cannot use the roots of ${cart} as PEM`],
];

test.each(cases)("%s is refused", (_, part, want) => {
  const read = readHeldCertificate(cart, { ...good, ...part });
  expect(read).toEqual({ ok: false, error: expect.stringContaining(want) });
});
