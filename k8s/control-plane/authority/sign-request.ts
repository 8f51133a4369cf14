/** Signs a certificate request for an identity that was decided on; checks that the request is its sender's own. */
import { createPublicKey, verify } from "node:crypto";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import { err, ok, type Result } from "#core/result.ts";
import { type CertificateRequest, parseCertificateRequest } from "#core/x509/certificate-request.ts";
import { parsePem } from "#core/x509/pem.ts";
import type { Issuer } from "#host/certificates/issuer.ts";

/** For how long, and by whom. */
export interface SigningTerms {
  readonly issuer: Issuer;
  readonly nowMs: number;
  /** Longest life of a certificate. */
  readonly ttlMaxMs: number;
  /** Life asked for; 0 when the request does not say. */
  readonly ttlMs: number;
}

/** Tolerates clocks that are behind. */
const backdateMs = 60_000;

/** Reads a request and checks its signature: proof that the sender holds the key. */
export function readRequest(csrPem: string): Result<CertificateRequest> {
  const blocks = parsePem("CERTIFICATE REQUEST", csrPem);
  if (!blocks.ok) return blocks;
  const [der] = blocks.value;
  if (der === undefined || blocks.value.length > 1)
    return err(`Cannot read a certificate request as one block of PEM: found ${blocks.value.length}`);
  const request = parseCertificateRequest(der);
  if (!request.ok) return request;
  return isSignedByOwnKey(request.value)
    ? request
    : err("Cannot accept a certificate request: its signature is not by its own P-256 key");
}

/** Issues the certificate. @returns the leaf as PEM, or why the request does not fit the identity. */
export function signRequest(
  request: CertificateRequest,
  identity: SpiffeId,
  terms: SigningTerms,
): Result<string> {
  const { uris, dnsNames, ips } = request.altNames;
  if (uris.length !== 1 || uris[0] !== identity || dnsNames.length > 0 || ips.length > 0) {
    return err(
      `Cannot sign a certificate request for ${identity}: it asks for ${[...uris, ...dnsNames, ...ips].join(", ") || "no name"}`,
    );
  }
  const ttlMs = terms.ttlMs > 0 ? Math.min(terms.ttlMs, terms.ttlMaxMs) : terms.ttlMaxMs;
  return ok(
    terms.issuer.issue({
      publicKey: request.publicKey,
      altNames: { uris: [identity], dnsNames: [], ips: [] },
      notBeforeMs: terms.nowMs - backdateMs,
      notAfterMs: terms.nowMs + ttlMs,
    }),
  );
}

function isSignedByOwnKey(request: CertificateRequest): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(request.publicKey), type: "spki", format: "der" });
    const isP256 = key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === "prime256v1";
    return isP256 && verify("sha256", request.signedBytes, key, request.signature);
  } catch {
    return false; // a key that is none
  }
}
