/** The extensions of certificates and requests (RFC 5280 §4.2), written and read as one value. */
import { type AltNames, derAltNames, readAltNames } from "./alt-names.ts";
import {
  childrenOf,
  DerError,
  derTag,
  type DerValue,
  expectTag,
  readBoolean,
  readDer,
  readObjectId,
} from "./der-reader.ts";
import { derBits, derImplicit, derObjectId, derOctets, derSequence, derTrue } from "./der-writer.ts";
import { extensionId, purpose } from "./object-ids.ts";

/** What the extensions say. */
export interface Extensions {
  readonly altNames: AltNames;
  readonly isAuthority: boolean;
  /** Dotted purposes; empty when the extension is absent. */
  readonly purposes: readonly string[];
  readonly subjectKeyId: Uint8Array | undefined;
  readonly authorityKeyId: Uint8Array | undefined;
  /** Dotted ids of critical extensions that are not read here; a verifier must refuse them. */
  readonly unknownCritical: readonly string[];
}

/** What a certificate to be issued is given. */
export interface ExtensionsToWrite {
  readonly altNames: AltNames;
  readonly isAuthority: boolean;
  readonly subjectKeyId: Uint8Array;
  readonly authorityKeyId: Uint8Array;
}

const authorityUsage = derBits(Uint8Array.of(0x06), 1); // keyCertSign, cRLSign
const leafUsage = derBits(Uint8Array.of(0x80), 7); // digitalSignature

/** Writes `Extensions` of a certificate. */
export function derExtensions(from: ExtensionsToWrite): Uint8Array {
  const constraints = from.isAuthority ? derSequence(derTrue()) : derSequence();
  const extensions = [
    extension(extensionId.keyUsage, from.isAuthority ? authorityUsage : leafUsage, derTrue()),
    extension(extensionId.basicConstraints, constraints, derTrue()),
    extension(extensionId.subjectKeyId, derOctets(from.subjectKeyId)),
    extension(extensionId.authorityKeyId, derSequence(derImplicit(0, from.authorityKeyId))),
  ];
  if (!from.isAuthority) {
    const purposes = derSequence(derObjectId(purpose.server), derObjectId(purpose.client));
    extensions.push(extension(extensionId.extendedKeyUsage, purposes));
    extensions.push(altNamesExtension(from.altNames));
  }
  return derSequence(...extensions);
}

/** Writes the extension alone, critical as it must be where the subject is empty. */
export function altNamesExtension(names: AltNames): Uint8Array {
  return extension(extensionId.subjectAltName, derAltNames(names), derTrue());
}

/** Reads `Extensions`; one that comes twice is refused. @throws DerError */
export function readExtensions(value: DerValue): Extensions {
  const found = new Map<string, Uint8Array>();
  const unknownCritical: string[] = [];
  for (const each of childrenOf(expectTag(value, derTag.sequence))) {
    const parts = childrenOf(expectTag(each, derTag.sequence));
    const [id, second, third] = parts;
    const isCritical = parts.length === 3 && second !== undefined && readBoolean(second);
    const name = readObjectId(id);
    if (parts.length > 3 || found.has(name)) throw new DerError(`extension ${name} twice or with more parts`);
    found.set(name, expectTag(parts.length === 3 ? third : second, derTag.octets).content);
    if (isCritical && !knownIds.has(name)) unknownCritical.push(name);
  }
  return { ...readFound(found), unknownCritical };
}

const knownIds: ReadonlySet<string> = new Set(Object.values(extensionId));
const noNames: AltNames = { uris: [], dnsNames: [], ips: [] };

function readFound(found: ReadonlyMap<string, Uint8Array>): Omit<Extensions, "unknownCritical"> {
  const read = <Value>(id: string, as: (der: Uint8Array) => Value): Value | undefined => {
    const der = found.get(id);
    return der === undefined ? undefined : as(der);
  };
  const names = read(extensionId.subjectAltName, readAltNames) ?? noNames;
  return {
    altNames: { uris: names.uris, dnsNames: names.dnsNames, ips: names.ips },
    isAuthority: read(extensionId.basicConstraints, readIsAuthority) ?? false,
    purposes: read(extensionId.extendedKeyUsage, readPurposes) ?? [],
    subjectKeyId: read(extensionId.subjectKeyId, (der) => readDer(der, derTag.octets).content),
    authorityKeyId: read(extensionId.authorityKeyId, readAuthorityKeyId),
  };
}

function readIsAuthority(der: Uint8Array): boolean {
  const [first] = childrenOf(readDer(der, derTag.sequence));
  return first?.tag === derTag.boolean && readBoolean(first);
}

function readPurposes(der: Uint8Array): string[] {
  return childrenOf(readDer(der, derTag.sequence)).map(readObjectId);
}

function readAuthorityKeyId(der: Uint8Array): Uint8Array | undefined {
  return childrenOf(readDer(der, derTag.sequence)).find(({ tag }) => tag === 0x80)?.content;
}

function extension(id: string, value: Uint8Array, ...critical: readonly Uint8Array[]): Uint8Array {
  return derSequence(derObjectId(id), ...critical, derOctets(value));
}
