/** PKCS#10 requests (RFC 2986) as Istio's proxies send them: P-256, empty subject, one critical SAN URI. */
import { err, ok, type Result } from "#core/result.ts";
import type { AltNames } from "./alt-names.ts";
import { childrenOf, DerError, derTag, type DerValue, expectTag, readObjectId } from "./der-reader.ts";
import { derExplicit, derObjectId, derSequence, derSetOfOne, derUnsigned } from "./der-writer.ts";
import { altNamesExtension, readExtensions } from "./extensions.ts";
import { extensionRequest } from "./object-ids.ts";
import { readSigned } from "./signed.ts";

/** A request taken apart; whoever believes it verifies the signature first. */
export interface CertificateRequest {
  /** SubjectPublicKeyInfo in DER. */
  readonly publicKey: Uint8Array;
  readonly altNames: AltNames;
  /** What the signature covers. */
  readonly signedBytes: Uint8Array;
  readonly signature: Uint8Array;
}

/** Writes what a request's key must sign; {@link formatSigned} then makes the request. */
export function formatRequestInfo(publicKey: Uint8Array, uri: string): Uint8Array {
  const names = altNamesExtension({ uris: [uri], dnsNames: [], ips: [] });
  const attribute = derSequence(derObjectId(extensionRequest), derSetOfOne(derSequence(names)));
  return derSequence(derUnsigned(Uint8Array.of(0)), derSequence(), publicKey, derExplicit(0, attribute));
}

/** Reads a request. */
export function parseCertificateRequest(der: Uint8Array): Result<CertificateRequest> {
  try {
    const { signedValue, signature } = readSigned(der);
    const [version, subject, publicKey, attributes] = childrenOf(signedValue);
    if (expectTag(version, derTag.integer).content[0] !== 0) throw new DerError("version 0 wanted");
    expectTag(subject, derTag.sequence);
    return ok({
      publicKey: expectTag(publicKey, derTag.sequence).whole,
      altNames: readRequestedNames(expectTag(attributes, 0xa0)),
      signedBytes: signedValue.whole,
      signature,
    });
  } catch (error) {
    if (error instanceof DerError)
      return err(`Cannot read a certificate request as PKCS#10: ${error.message}`);
    throw error;
  }
}

function readRequestedNames(attributes: DerValue): AltNames {
  for (const attribute of childrenOf(attributes)) {
    const [id, values] = childrenOf(expectTag(attribute, derTag.sequence));
    if (readObjectId(id) !== extensionRequest) continue;
    const [extensions] = childrenOf(expectTag(values, derTag.set));
    return readExtensions(expectTag(extensions, derTag.sequence)).altNames;
  }
  throw new DerError("no extension request with a subject alternative name");
}
