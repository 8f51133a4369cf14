/** Reads the SPIFFE identity out of a peer's certificate (X509-SVID §2, §5.2); whoever signed it, and how, TLS has checked. */
import { parseSpiffeId, type SpiffeId } from "#core/identity/spiffe-id.ts";
import { err, type Result } from "#core/result.ts";
import { readAltNames } from "./alt-names.ts";
import {
  childrenOf,
  DerError,
  derTag,
  type DerValue,
  expectTag,
  readDer,
  readObjectId,
} from "./der-reader.ts";

const altNamesId = "2.5.29.17";

/** Extensions looked through at most. */
const extensionsMax = 64;

/**
 * The identity of a certificate in DER.
 * An SVID has exactly one URI among its alternative names: with two, each end might go by another.
 */
export function parseSpiffeSan(der: Uint8Array): Result<SpiffeId> {
  try {
    const uris = findUris(der);
    const [uri] = uris;
    if (uri !== undefined && uris.length === 1) return parseSpiffeId(uri);
    return err(`Cannot read a certificate as an SVID with one URI: it has ${uris.length}`);
  } catch (error) {
    if (error instanceof DerError) return err(`Cannot read a certificate as an SVID: ${error.message}`);
    throw error;
  }
}

function findUris(der: Uint8Array): readonly string[] {
  const [signed] = childrenOf(readDer(der, derTag.sequence));
  const wrapped = childrenOf(expectTag(signed, derTag.sequence)).find((part) => part.tag === 0xa3);
  if (wrapped === undefined) return [];
  const [list] = childrenOf(wrapped);
  const extensions = childrenOf(expectTag(list, derTag.sequence));
  if (extensions.length > extensionsMax) throw new DerError(`more than ${extensionsMax} extensions`);
  const found = extensions.map(childrenOf).filter(([id]) => readObjectId(id) === altNamesId);
  if (found.length > 1) throw new DerError("alternative names twice");
  const [names] = found;
  return names === undefined ? [] : readAltNames(valueOf(names)).uris;
}

/** The value follows the id, or the flag that makes it critical. */
function valueOf(extension: readonly DerValue[]): Uint8Array {
  return expectTag(extension.at(-1), derTag.octets).content;
}
