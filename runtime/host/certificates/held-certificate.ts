/** Makes a held certificate of a key and a chain, after checking that they belong together and to the identity. */
import { createPrivateKey, createPublicKey } from "node:crypto";
import { err, ok, type Result } from "#core/result.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import { type Certificate, parseCertificate } from "#core/x509/certificate.ts";
import { parsePem } from "#core/x509/pem.ts";
import { errorText } from "#host/mesh-error.ts";
import type { HeldCertificate } from "./certificate-source.ts";

/** Key, chain and roots as PEM texts. */
export interface CertificateParts {
  readonly keyPem: string;
  readonly chainPem: string;
  readonly rootsPem: string;
}

/** Checks and reads; a chain of which one part is of another identity or key is refused. */
export function readHeldCertificate(identity: SpiffeId, parts: CertificateParts): Result<HeldCertificate> {
  const leaf = readLeaf(parts.chainPem);
  if (!leaf.ok) return leaf;
  const { uris } = leaf.value.extensions.altNames;
  if (uris.length !== 1 || uris[0] !== identity) {
    return err(
      `Cannot use a certificate as that of ${identity}: it names ${uris.join(", ") || "no identity"}`,
    );
  }
  const isOurs = isKeyOf(leaf.value, parts.keyPem);
  if (!isOurs.ok) return isOurs;
  const roots = parsePem("CERTIFICATE", parts.rootsPem);
  if (!roots.ok || roots.value.length === 0)
    return err(
      `Cannot use the roots of ${identity} as PEM certificates: ${roots.ok ? "none found" : roots.error}`,
    );
  return ok({
    identity,
    ...parts,
    notBeforeMs: leaf.value.notBefore * 1000,
    notAfterMs: leaf.value.notAfter * 1000,
    serial: leaf.value.serial,
  });
}

/** Reads the first certificate of a chain. */
export function readLeaf(chainPem: string): Result<Certificate> {
  const chain = parsePem("CERTIFICATE", chainPem);
  if (!chain.ok) return chain;
  const [leaf] = chain.value;
  return leaf === undefined
    ? err("Cannot read a chain as PEM certificates: none found")
    : parseCertificate(leaf);
}

function isKeyOf(leaf: Certificate, keyPem: string): Result<true> {
  try {
    const own = createPublicKey(createPrivateKey(keyPem)).export({ type: "spki", format: "der" });
    return own.equals(leaf.publicKey)
      ? ok(true)
      : err("Cannot use a key with a certificate that is of another key");
  } catch (error) {
    return err(`Cannot read a private key as PEM: ${errorText(error)}`);
  }
}
