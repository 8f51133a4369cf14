/** A certificate authority for tests: real keys and chains, no policy about who may have what. */
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseIp } from "#core/address/ip.ts";
import { parseSpiffeId, type SpiffeId } from "#core/identity/spiffe-id.ts";
import type { AltNames } from "#core/x509/alt-names.ts";
import { parseCertificateRequest } from "#core/x509/certificate-request.ts";
import { parsePem } from "#core/x509/pem.ts";
import { createRoot, openIssuer, type Root } from "#host/certificates/issuer.ts";
import type { SignedChain } from "#host/certificates/authority-client.ts";
import type { TunnelCertificate } from "#host/tunnel/tunnel.ts";

/** How a test's certificate differs from one that is good from a minute ago for an hour. */
export interface TestLife {
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
}

/** See the file's head. */
export interface TestCa {
  readonly rootsPem: string;
  /** A key with a certificate for `spiffe://…` or the same without the scheme: `ns/shop/sa/web` of `cluster.local`. */
  issue(identity: string, life?: TestLife): TunnelCertificate;
  /** A server's key and certificate with DNS names, and 127.0.0.1. */
  issueServer(dnsNames: readonly string[]): { readonly keyPem: string; readonly chainPem: string };
  /** Signs a request for the identity it names; as the `sign` of a keeper. */
  sign(identity: SpiffeId, csrPem: string, life?: TestLife): SignedChain;
  /** Writes `ca.pem` and `<name>.pem`, `<name>.key` for each identity, as `fileCertificates` reads them. */
  writeFiles(folder: string, identities: Readonly<Record<string, string>>): void;
}

const minuteMs = 60_000;

/** Makes an authority with a fresh root, or with the root of a mesh that runs. */
export function makeTestCa(root: Root = freshRoot()): TestCa {
  const issuer = openIssuer(root);
  const signKey = (publicKey: Uint8Array, altNames: AltNames, life: TestLife = {}): string =>
    issuer.issue({
      publicKey,
      altNames,
      notBeforeMs: life.notBeforeMs ?? Date.now() - minuteMs,
      notAfterMs: life.notAfterMs ?? Date.now() + 60 * minuteMs,
    });
  const issueFor = (altNames: AltNames, life?: TestLife): { keyPem: string; chainPem: string } => {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const chainPem = signKey(publicKey.export({ type: "spki", format: "der" }), altNames, life);
    return { keyPem: privateKey.export({ type: "pkcs8", format: "pem" }), chainPem };
  };
  const ca: TestCa = {
    rootsPem: issuer.rootPem,
    issue(text, life) {
      const identity = spiffeId(text);
      return {
        identity,
        ...issueFor({ uris: [identity], dnsNames: [], ips: [] }, life),
        rootsPem: issuer.rootPem,
      };
    },
    issueServer: (dnsNames) => issueFor({ uris: [], dnsNames, ips: [loopback()] }),
    sign(identity, csrPem, life) {
      const [der = new Uint8Array()] = unwrap(parsePem("CERTIFICATE REQUEST", csrPem));
      const { publicKey } = unwrap(parseCertificateRequest(der));
      const altNames = { uris: [identity], dnsNames: [], ips: [] };
      return { chainPem: signKey(publicKey, altNames, life), rootsPem: issuer.rootPem };
    },
    writeFiles(folder, identities) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      writeFileSync(join(folder, "ca.pem"), issuer.rootPem);
      for (const [name, identity] of Object.entries(identities)) {
        const { keyPem, chainPem } = ca.issue(identity);
        writeFileSync(join(folder, `${name}.pem`), chainPem);
        writeFileSync(join(folder, `${name}.key`), keyPem, { mode: 0o600 });
      }
    },
  };
  return ca;
}

/** Reads `spiffe://…`, or `ns/<namespace>/sa/<service account>` of `cluster.local`. @throws when it is neither. */
export function spiffeId(text: string): SpiffeId {
  return unwrap(parseSpiffeId(text.startsWith("spiffe:") ? text : `spiffe://cluster.local/${text}`));
}

function freshRoot(): Root {
  return createRoot("cluster.local", Date.now() - minuteMs, Date.now() + 86_400_000);
}

function loopback(): AltNames["ips"][number] {
  return unwrap(parseIp("127.0.0.1"));
}

function unwrap<Value>(
  result: { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly error: string },
): Value {
  if (!result.ok) throw new Error(result.error);
  return result.value;
}
