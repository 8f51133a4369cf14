/** The subjectAltName extension's value (RFC 5280 §4.2.1.6): URIs, DNS names and addresses; other kinds are counted. */
import { formatIp, type IpAddress, ipBytes } from "#core/address/ip.ts";
import { childrenOf, DerError, derTag, readDer } from "./der-reader.ts";
import { derImplicit, derImplicitText, derSequence } from "./der-writer.ts";

/** Names a certificate or request is for. */
export interface AltNames {
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly ips: readonly IpAddress[];
}

const dnsTag = 0x82;
const uriTag = 0x86;
const ipTag = 0x87;
/** Names read of one certificate at most. */
const namesMax = 256;
const ascii = new TextDecoder("latin1");

/** Writes the value. */
export function derAltNames(names: AltNames): Uint8Array {
  return derSequence(
    ...names.uris.map((uri) => derImplicitText(6, uri)),
    ...names.dnsNames.map((name) => derImplicitText(2, name)),
    ...names.ips.map((ip) => derImplicit(7, ipBytes(ip))),
  );
}

/** Reads the value. @throws DerError */
export function readAltNames(der: Uint8Array): AltNames & { readonly others: number } {
  const uris: string[] = [];
  const dnsNames: string[] = [];
  const ips: IpAddress[] = [];
  let others = 0;
  const names = childrenOf(readDer(der, derTag.sequence));
  if (names.length > namesMax) throw new DerError(`more than ${namesMax} alternative names`);
  for (const { tag, content } of names) {
    if (tag === uriTag) uris.push(readAscii(content));
    else if (tag === dnsTag) dnsNames.push(readAscii(content));
    else if (tag === ipTag && (content.length === 4 || content.length === 16)) ips.push(formatIp(content));
    else others++;
  }
  return { uris, dnsNames, ips, others };
}

/** Printable ASCII only: a NUL or an umlaut in a name has fooled verifiers before. */
function readAscii(content: Uint8Array): string {
  if (content.some((byte) => byte < 0x21 || byte > 0x7e))
    throw new DerError("a name with a character that is not printable ASCII");
  return ascii.decode(content);
}
