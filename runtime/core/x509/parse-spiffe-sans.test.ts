/** A peer's identity out of its certificate: one URI, whatever else the certificate has; never two, never none. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { makeTestCa, spiffeId } from "../../../tests/support/test-ca.ts";
import { parseSpiffeSan } from "./parse-spiffe-sans.ts";
import { parsePem } from "./pem.ts";
import { derAltNames } from "./alt-names.ts";
import { derExplicit, derObjectId, derOctets, derSequence, derUnsigned } from "./der-writer.ts";

const web = spiffeId("ns/shop/sa/web");
const ca = makeTestCa();

/** The leaf of a PEM chain. */
function derOf(pem: string): Uint8Array {
  const parsed = parsePem("CERTIFICATE", pem);
  const [der] = parsed.ok ? parsed.value : [];
  if (der === undefined) throw new Error("no certificate in the PEM");
  return der;
}

/** As much of a certificate as is read: extensions in a signed part, nothing signed. */
function certificate(...extensions: readonly Uint8Array[]): Uint8Array {
  return derSequence(derSequence(derUnsigned(Uint8Array.of(1)), derExplicit(3, derSequence(...extensions))));
}

function altNames(uris: readonly string[]): Uint8Array {
  return derSequence(
    derObjectId("2.5.29.17"),
    derOctets(derAltNames({ uris, dnsNames: ["web.shop"], ips: [] })),
  );
}

describe("parseSpiffeSan()", () => {
  test("reads the identity of a certificate of the mesh", () => {
    expect(parseSpiffeSan(derOf(ca.issue("ns/shop/sa/web").chainPem))).toEqual({ ok: true, value: web });
  });

  const other = derSequence(derObjectId("2.5.29.15"), derOctets(Uint8Array.of(3, 2, 7, 128)));
  const rows: readonly (readonly [name: string, der: Uint8Array, isGood: boolean])[] = [
    ["other names and extensions beside it", certificate(other, altNames([web])), true],
    ["no extension", derSequence(derSequence(derUnsigned(Uint8Array.of(1)))), false],
    ["no alternative names", certificate(other), false],
    ["no URI", certificate(altNames([])), false],
    ["two URIs", certificate(altNames([web, spiffeId("ns/shop/sa/cart")])), false],
    ["the same URI twice", certificate(altNames([web, web])), false],
    ["alternative names twice", certificate(altNames([web]), altNames([web])), false],
    ["a URI of another scheme", certificate(altNames(["https://shop/web"])), false],
    ["a SPIFFE id of another form", certificate(altNames(["spiffe://cluster.local/web"])), false],
    ["a NUL in the URI", certificate(altNames([`${web}\0.evil`])), false],
    ["bytes after it", Uint8Array.of(...certificate(altNames([web])), 0), false],
    [
      "more extensions than are looked through",
      certificate(...Array.from({ length: 65 }, () => other)),
      false,
    ],
    ["nothing", new Uint8Array(), false],
  ];
  test.each(rows)("takes a certificate with %s as it should", (_name, der, isGood) => {
    expect(parseSpiffeSan(der).ok).toBe(isGood);
  });

  test("never throws, whatever byte is changed or where it is cut", () => {
    const der = derOf(ca.issue("ns/shop/sa/web").chainPem);
    const length = der.length - 1;
    fc.assert(
      fc.property(fc.nat(length), fc.nat(255), fc.nat(length), (at, value, cut) => {
        const bytes = der.slice();
        bytes[at] = value;
        const got = parseSpiffeSan(bytes);
        if (got.ok) expect(parseSpiffeSan(bytes)).toEqual(got);
        expect(parseSpiffeSan(bytes.subarray(0, cut)).ok).toBe(false);
      }),
      { numRuns: 500 },
    );
  });
});
