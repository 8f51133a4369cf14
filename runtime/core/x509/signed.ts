/** The frame that certificates and requests share: what is signed, the algorithm, the signature. Signing is the host's. */
import {
  childrenOf,
  DerError,
  derTag,
  type DerValue,
  expectTag,
  readDer,
  readObjectId,
  readWholeBits,
} from "./der-reader.ts";
import { derBits, derObjectId, derSequence } from "./der-writer.ts";
import { ecdsaWithSha256 } from "./object-ids.ts";

/** A signed structure taken apart, its signature not verified. */
export interface SignedParts {
  /** The value that the signature covers. */
  readonly signedValue: DerValue;
  /** ECDSA signature in DER. */
  readonly signature: Uint8Array;
}

/** AlgorithmIdentifier of the one signature algorithm used. */
export function derSignatureAlgorithm(): Uint8Array {
  return derSequence(derObjectId(ecdsaWithSha256));
}

/** Puts a signature (ECDSA P-256 with SHA-256, in DER) to what it covers. */
export function formatSigned(signedBytes: Uint8Array, signature: Uint8Array): Uint8Array {
  return derSequence(signedBytes, derSignatureAlgorithm(), derBits(signature));
}

/** Takes a signed structure apart. @throws DerError, also for any other algorithm */
export function readSigned(der: Uint8Array): SignedParts {
  const parts = childrenOf(readDer(der, derTag.sequence));
  if (parts.length !== 3) throw new DerError("a signed structure that has not three parts");
  readSignatureAlgorithm(parts[1]);
  return { signedValue: expectTag(parts[0], derTag.sequence), signature: readWholeBits(parts[2]) };
}

/** @throws DerError unless it is the one algorithm used */
export function readSignatureAlgorithm(value: DerValue | undefined): void {
  const id = readObjectId(childrenOf(expectTag(value, derTag.sequence))[0]);
  if (id !== ecdsaWithSha256) throw new DerError(`signature algorithm ecdsa-with-SHA256 wanted, found ${id}`);
}
