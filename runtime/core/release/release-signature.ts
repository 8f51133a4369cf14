/** What a revision's signature covers and whether it is good (Ed25519, RFC 8032); signing is the control plane's. */
import { ed25519 } from "@noble/curves/ed25519.js";
import { err, ok, type Result } from "#core/result.ts";
import { parsePem } from "#core/x509/pem.ts";
import { canonicalJson } from "./canonical-json.ts";
import type { RevisionSpec } from "./function-spec.ts";

/** A revision as it is signed. */
export interface SignedRevision {
  readonly namespace: string;
  /** The object's name, `<function>-<revision>`. */
  readonly name: string;
  readonly spec: Omit<RevisionSpec, "signature"> & { readonly signature?: string };
}

const encoder = new TextEncoder();
/** SubjectPublicKeyInfo of Ed25519 up to the key's 32 bytes (RFC 8410). */
const keyPrefix = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00);

/** The bytes that are signed: namespace, name, bundle and the whole spec but for the signature. */
export function releaseBytes({ namespace, name, spec }: SignedRevision): Uint8Array {
  const { signature: _, ...content } = spec;
  const lines = ["lambient.dev/revision/v1", namespace, name, content.bundle, canonicalJson(content)];
  return encoder.encode(lines.join("\n"));
}

/** Whether a revision carries a good signature of the key. @returns why not. */
export function verifyRelease(revision: SignedRevision, publicKey: Uint8Array): Result<true> {
  const signature = readSignature(revision.spec.signature ?? "");
  const what = `Cannot accept revision ${revision.namespace}/${revision.name} as released by this mesh`;
  if (signature === undefined) return err(`${what}: its signature is absent or not 64 bytes of base64`);
  return ed25519.verify(signature, releaseBytes(revision), publicKey)
    ? ok(true)
    : err(`${what}: its signature does not fit its content`);
}

/** Reads the public key from its PEM file. @returns the key's 32 bytes. */
export function parseReleaseKey(pem: string): Result<Uint8Array> {
  const blocks = parsePem("PUBLIC KEY", pem);
  if (!blocks.ok) return blocks;
  const [der] = blocks.value;
  const isKey = der?.length === 44 && keyPrefix.every((byte, i) => der[i] === byte);
  if (!isKey || der === undefined) return err("Cannot read a release key as an Ed25519 public key in PEM");
  return ok(der.slice(keyPrefix.length));
}

/** A public key's 32 bytes as SubjectPublicKeyInfo in DER. */
export function releaseKeyDer(publicKey: Uint8Array): Uint8Array {
  return Uint8Array.of(...keyPrefix, ...publicKey);
}

function readSignature(base64: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9+/]{86}==$/.test(base64)) return undefined;
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
