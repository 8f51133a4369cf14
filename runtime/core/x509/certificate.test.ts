/** Certificates and requests against node:crypto and openssl as the independent readers. */
import { expect, test } from "bun:test";
import { createSign, createVerify, generateKeyPairSync, X509Certificate } from "node:crypto";
import { parseIp } from "#core/address/ip.ts";
import { type AltNames } from "./alt-names.ts";
import { formatRequestInfo, parseCertificateRequest } from "./certificate-request.ts";
import { derNoName, derOrganization, formatTbsCertificate, parseCertificate } from "./certificate.ts";
import { formatPem, parsePem } from "./pem.ts";
import { formatSigned } from "./signed.ts";

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const spki = new Uint8Array(publicKey.export({ type: "spki", format: "der" }));
const sign = (bytes: Uint8Array): Uint8Array => createSign("sha256").update(bytes).sign(privateKey);
const uri = "spiffe://cluster.local/ns/shop/sa/web";

function certificate(altNames: AltNames, isAuthority: boolean, notAfter = 1_900_000_000): Uint8Array {
  const tbs = formatTbsCertificate({
    serial: Uint8Array.of(0x8f, 1, 2, 3),
    issuer: derOrganization("cluster.local"),
    subject: isAuthority ? derOrganization("cluster.local") : derNoName(),
    notBefore: 1_700_000_000,
    notAfter,
    publicKey: spki,
    extensions: {
      altNames,
      isAuthority,
      subjectKeyId: new Uint8Array(20).fill(7),
      authorityKeyId: new Uint8Array(20).fill(9),
    },
  });
  return formatSigned(tbs, sign(tbs));
}

function ip(text: string): AltNames["ips"][number] {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

test("a leaf is read alike by node:crypto and by parseCertificate()", () => {
  const names = { uris: [uri], dnsNames: ["lambient.local"], ips: [ip("127.0.0.1"), ip("::1")] };
  const der = certificate(names, false);
  const peer = new X509Certificate(formatPem("CERTIFICATE", der));
  expect(peer.subjectAltName).toBe(
    `URI:${uri}, DNS:lambient.local, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1`,
  );
  expect(peer.verify(publicKey)).toBe(true);
  expect(peer.ca).toBe(false);
  expect(peer.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
  expect(Date.parse(peer.validTo)).toBe(1_900_000_000_000);
  const parsed = parseCertificate(der);
  if (!parsed.ok) throw new Error(parsed.error);
  expect(parsed.value.extensions.altNames).toEqual(names);
  expect(parsed.value).toMatchObject({
    serial: "8f010203",
    notBefore: 1_700_000_000,
    notAfter: 1_900_000_000,
  });
  expect(parsed.value.extensions).toMatchObject({
    isAuthority: false,
    purposes: ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"],
    unknownCritical: [],
  });
  expect(
    createVerify("sha256").update(parsed.value.signedBytes).verify(publicKey, parsed.value.signature),
  ).toBe(true);
});

test("an authority's certificate says so, and years beyond 2049 keep", () => {
  const der = certificate({ uris: [], dnsNames: [], ips: [] }, true, 2_600_000_000);
  const peer = new X509Certificate(formatPem("CERTIFICATE", der));
  expect([peer.ca, Date.parse(peer.validTo), peer.subject]).toEqual([
    true,
    2_600_000_000_000,
    "O=cluster.local",
  ]);
  expect(parseCertificate(der)).toMatchObject({
    ok: true,
    value: { notAfter: 2_600_000_000, extensions: { isAuthority: true } },
  });
});

test("a request comes back as it was written, and openssl takes it", async () => {
  const info = formatRequestInfo(spki, uri);
  const der = formatSigned(info, sign(info));
  const parsed = parseCertificateRequest(der);
  if (!parsed.ok) throw new Error(parsed.error);
  expect(parsed.value.altNames.uris).toEqual([uri]);
  expect(parsed.value.publicKey).toEqual(spki);
  expect(parsed.value.signedBytes).toEqual(info);
  expect(createVerify("sha256").update(info).verify(publicKey, parsed.value.signature)).toBe(true);
  if (Bun.which("openssl") === null)
    return console.warn("openssl is not on this machine: its reading is not compared");
  const process = Bun.spawn(["openssl", "req", "-verify", "-noout", "-text"], {
    stdin: Buffer.from(formatPem("CERTIFICATE REQUEST", der)),
    stderr: "pipe",
  });
  const text = (await process.stdout.text()) + (await process.stderr.text());
  expect(await process.exited).toBe(0);
  expect(text).toMatch(
    /X509v3 Subject Alternative Name: critical\s+URI:spiffe:\/\/cluster\.local\/ns\/shop\/sa\/web/,
  );
});

test.each([
  ["empty", "", "a value cut short"],
  ["a tail", "30000500", "2 bytes after the value"],
  ["an indefinite length", "30800000", "a length of no or more than three bytes"],
  ["a long form of a short length", "308105", "a length not in its shortest form"],
  ["longer than its surroundings", "3005", "a value longer than its surroundings"],
  ["another tag", "3100", "tag 0x30 wanted, found 0x31"],
  ["one part", "30023000", "a signed structure that has not three parts"],
])("parseCertificate() refuses %s", (_, hex, reason) => {
  expect(parseCertificate(Uint8Array.fromHex(hex))).toEqual({
    ok: false,
    error: `Cannot read a certificate as X.509 v3: ${reason}`,
  });
});

test("parsePem() reads every block and refuses a broken one", () => {
  const one = formatPem("CERTIFICATE", Uint8Array.of(1, 2, 3));
  expect(parsePem("CERTIFICATE", `text\n${one}${one}`)).toEqual({
    ok: true,
    value: [Uint8Array.of(1, 2, 3), Uint8Array.of(1, 2, 3)],
  });
  for (const broken of [one.replace("-----END", "----END"), one.replace("AQID", "AQ!D")]) {
    expect(parsePem("CERTIFICATE", broken).ok).toBe(false);
  }
});
