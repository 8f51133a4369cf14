/** Signs certificates with a root key: what an authority does once it has decided; the decision is its own. */
import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from "node:crypto";
import type { AltNames } from "#core/x509/alt-names.ts";
import {
  derNoName,
  derOrganization,
  formatTbsCertificate,
  parseCertificate,
} from "#core/x509/certificate.ts";
import type { ExtensionsToWrite } from "#core/x509/extensions.ts";
import { formatPem } from "#core/x509/pem.ts";
import { formatSigned } from "#core/x509/signed.ts";
import { MeshError } from "#host/mesh-error.ts";

/** A root's key and certificate as PEM. */
export interface Root {
  /** PKCS#8. */
  readonly keyPem: string;
  readonly certificatePem: string;
}

/** What a certificate says. */
export interface IssueRequest {
  /** SubjectPublicKeyInfo in DER. */
  readonly publicKey: Uint8Array;
  readonly altNames: AltNames;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** Signs with one root. */
export interface Issuer {
  readonly rootPem: string;
  /** Milliseconds since the epoch. */
  readonly rootNotAfterMs: number;
  /** @returns the certificate as PEM; it never outlives the root. */
  issue(request: IssueRequest): string;
}

const noNames: AltNames = { uris: [], dnsNames: [], ips: [] };

/** Makes a self-signed P-256 root of an organisation. */
export function createRoot(organization: string, notBeforeMs: number, notAfterMs: number): Root {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const spki = publicKey.export({ type: "spki", format: "der" });
  const name = derOrganization(organization);
  const keyId = keyIdOf(spki);
  const der = signed(privateKey, {
    issuer: name,
    subject: name,
    notBeforeMs,
    notAfterMs,
    publicKey: spki,
    extensions: { altNames: noNames, isAuthority: true, subjectKeyId: keyId, authorityKeyId: keyId },
  });
  return {
    keyPem: privateKey.export({ type: "pkcs8", format: "pem" }),
    certificatePem: formatPem("CERTIFICATE", der),
  };
}

/**
 * Makes an issuer of a root.
 * @throws MeshError `bad-input` when key and certificate do not belong together or the certificate is no authority's.
 */
export function openIssuer(root: Root): Issuer {
  const key = createPrivateKey(root.keyPem);
  const own = new X509Certificate(root.certificatePem);
  const parsed = parseCertificate(own.raw);
  if (!parsed.ok) throw new MeshError("bad-input", parsed.error);
  const { subject, publicKey, notAfter, extensions } = parsed.value;
  if (!own.checkPrivateKey(key) || !extensions.isAuthority)
    throw new MeshError(
      "bad-input",
      "Cannot use a root's key and certificate as a pair of an authority: they are not",
    );
  const authorityKeyId = extensions.subjectKeyId ?? keyIdOf(publicKey);
  return {
    rootPem: root.certificatePem,
    rootNotAfterMs: notAfter * 1000,
    issue(request) {
      const der = signed(key, {
        issuer: subject,
        subject: derNoName(),
        publicKey: request.publicKey,
        notBeforeMs: request.notBeforeMs,
        notAfterMs: Math.min(request.notAfterMs, notAfter * 1000),
        extensions: {
          altNames: request.altNames,
          isAuthority: false,
          subjectKeyId: keyIdOf(request.publicKey),
          authorityKeyId,
        },
      });
      return formatPem("CERTIFICATE", der);
    },
  };
}

interface Signing {
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly extensions: ExtensionsToWrite;
}

function signed(key: KeyObject, { notBeforeMs, notAfterMs, ...rest }: Signing): Uint8Array {
  const tbs = formatTbsCertificate({
    ...rest,
    serial: randomBytes(16),
    notBefore: Math.floor(notBeforeMs / 1000),
    notAfter: Math.floor(notAfterMs / 1000),
  });
  return formatSigned(tbs, sign("sha256", tbs, key));
}

/** A key's name for chain building: 160 bits of its SHA-256 (RFC 7093 §2, method 1). */
function keyIdOf(spki: Uint8Array): Uint8Array {
  return createHash("sha256").update(spki).digest().subarray(0, 20);
}
