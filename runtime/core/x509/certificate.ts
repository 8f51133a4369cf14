/** X.509 v3 certificates (RFC 5280) of the mesh, written for signing and read; chains are verified by the host's TLS. */
import { err, ok, type Result } from "#core/result.ts";
import { childrenOf, DerError, derTag, type DerValue, expectTag, readUnsigned } from "./der-reader.ts";
import { derExplicit, derObjectId, derSequence, derSetOfOne, derUnsigned, derUtf8 } from "./der-writer.ts";
import { derExtensions, type Extensions, type ExtensionsToWrite, readExtensions } from "./extensions.ts";
import { derTime, readTime } from "./der-time.ts";
import { organizationName } from "./object-ids.ts";
import { derSignatureAlgorithm, readSigned, readSignatureAlgorithm } from "./signed.ts";

/** A certificate to be signed. */
export interface CertificateToSign {
  /** 1 to 20 bytes, random: made by the caller. */
  readonly serial: Uint8Array;
  /** Issuer's and subject's names as DER; see {@link derOrganization} and {@link derNoName}. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  /** Whole seconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** SubjectPublicKeyInfo in DER. */
  readonly publicKey: Uint8Array;
  readonly extensions: ExtensionsToWrite;
}

/** A certificate taken apart, its signature not verified. */
export interface Certificate {
  /** Lowercase hex. */
  readonly serial: string;
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  /** Whole seconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly publicKey: Uint8Array;
  readonly extensions: Extensions;
  readonly signedBytes: Uint8Array;
  readonly signature: Uint8Array;
}

/** The name `O=<organization>`. */
export function derOrganization(organization: string): Uint8Array {
  return derSequence(derSetOfOne(derSequence(derObjectId(organizationName), derUtf8(organization))));
}

/** The empty name, as SVIDs have it. */
export function derNoName(): Uint8Array {
  return derSequence();
}

/** Writes what the issuer must sign; {@link formatSigned} then makes the certificate. */
export function formatTbsCertificate(from: CertificateToSign): Uint8Array {
  return derSequence(
    derExplicit(0, derUnsigned(Uint8Array.of(2))),
    derUnsigned(from.serial),
    derSignatureAlgorithm(),
    from.issuer,
    derSequence(derTime(from.notBefore), derTime(from.notAfter)),
    from.subject,
    from.publicKey,
    derExplicit(3, derExtensions(from.extensions)),
  );
}

/** Reads a version 3 certificate signed by ECDSA with SHA-256. */
export function parseCertificate(der: Uint8Array): Result<Certificate> {
  try {
    return ok(readCertificate(der));
  } catch (error) {
    if (error instanceof DerError) return err(`Cannot read a certificate as X.509 v3: ${error.message}`);
    throw error;
  }
}

function readCertificate(der: Uint8Array): Certificate {
  const { signedValue, signature } = readSigned(der);
  const [version, serial, algorithm, issuer, validity, subject, publicKey, ...rest] = childrenOf(signedValue);
  const [number] = childrenOf(expectTag(version, 0xa0));
  if (expectTag(number, derTag.integer).content[0] !== 2) throw new DerError("version 3 wanted");
  readSignatureAlgorithm(algorithm);
  const [notBefore, notAfter] = childrenOf(expectTag(validity, derTag.sequence));
  return {
    serial: hex(readUnsigned(serial)),
    issuer: expectTag(issuer, derTag.sequence).whole,
    subject: expectTag(subject, derTag.sequence).whole,
    notBefore: readTime(notBefore),
    notAfter: readTime(notAfter),
    publicKey: expectTag(publicKey, derTag.sequence).whole,
    extensions: readExtensions(extensionsOf(rest)),
    signedBytes: signedValue.whole,
    signature,
  };
}

/** The unique ids that may come before the extensions are passed over. */
function extensionsOf(rest: readonly DerValue[]): DerValue {
  const [extensions] = childrenOf(expectTag(rest.at(-1), 0xa3));
  return expectTag(extensions, derTag.sequence);
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
