/** Fuzzes the readers of certificates, requests and PEM: any bytes give a Result, and what they read is stable. */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { formatRequestInfo, parseCertificateRequest } from "#core/x509/certificate-request.ts";
import { derNoName, formatTbsCertificate, parseCertificate } from "#core/x509/certificate.ts";
import { derTime, readTime } from "#core/x509/der-time.ts";
import { derTag, readDer } from "#core/x509/der-reader.ts";
import { derSequence } from "#core/x509/der-writer.ts";
import { formatPem, parsePem } from "#core/x509/pem.ts";
import { formatSigned } from "#core/x509/signed.ts";

const tbs = formatTbsCertificate({
  serial: Uint8Array.of(1),
  issuer: derNoName(),
  subject: derNoName(),
  notBefore: 0,
  notAfter: 1,
  publicKey: derSequence(),
  extensions: {
    altNames: { uris: ["spiffe://a/ns/b/sa/c"], dnsNames: ["d"], ips: [] },
    isAuthority: false,
    subjectKeyId: new Uint8Array(20),
    authorityKeyId: new Uint8Array(20),
  },
});
const certificate = formatSigned(tbs, new Uint8Array(8));
const request = formatSigned(formatRequestInfo(derSequence(), "spiffe://a/ns/b/sa/c"), new Uint8Array(8));

const edits = fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 4 });

function edited(bytes: Uint8Array, changes: readonly (readonly [number, number])[]): Uint8Array {
  const copy = Uint8Array.from(bytes);
  for (const [at, value] of changes) copy[at % copy.length] = value;
  return copy;
}

test("parsers of DER give a Result for any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(typeof parseCertificate(bytes).ok).toBe("boolean");
      expect(typeof parseCertificateRequest(bytes).ok).toBe("boolean");
    }),
  );
});

test("parsers of DER give a Result for a good value with some bytes changed", () => {
  fc.assert(
    fc.property(edits, fc.nat(400), (changes, cut) => {
      for (const bytes of [edited(certificate, changes), edited(certificate, changes).subarray(0, cut)])
        expect(typeof parseCertificate(bytes).ok).toBe("boolean");
      expect(typeof parseCertificateRequest(edited(request, changes)).ok).toBe("boolean");
    }),
    { numRuns: 1000 },
  );
});

test("times of 1950 to 9999 come back", () => {
  fc.assert(
    fc.property(fc.integer({ min: -631_152_000, max: 253_402_300_799 }), (seconds) => {
      const der = derTime(seconds);
      expect(readTime(readDer(der, der[0] ?? derTag.utcTime))).toBe(seconds);
    }),
    { numRuns: 1000 },
  );
});

test("PEM comes back, and any text gives a Result", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1 }), fc.string(), (bytes, text) => {
      expect(parsePem("CERTIFICATE", text + formatPem("CERTIFICATE", bytes))).toEqual({
        ok: true,
        value: [bytes],
      });
      expect(typeof parsePem("CERTIFICATE", `-----BEGIN CERTIFICATE-----${text}`).ok).toBe("boolean");
    }),
  );
});
