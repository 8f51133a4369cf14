/** PEM armour (RFC 7468) around DER. */
import { err, ok, type Result } from "#core/result.ts";

/** What the armour says is inside. */
export type PemLabel = "CERTIFICATE" | "CERTIFICATE REQUEST" | "PRIVATE KEY" | "PUBLIC KEY";

/** Puts one block of armour around bytes; ends in a newline. */
export function formatPem(label: PemLabel, der: Uint8Array): string {
  let binary = "";
  for (const byte of der) binary += String.fromCharCode(byte);
  const lines = btoa(binary).match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** Reads every block of a label, in order; text around the blocks is passed over. At most 64 blocks. */
export function parsePem(label: PemLabel, text: string): Result<readonly Uint8Array[]> {
  const begin = `-----BEGIN ${label}-----`;
  const end = `-----END ${label}-----`;
  const blocks: Uint8Array[] = [];
  for (let at = text.indexOf(begin); at >= 0; at = text.indexOf(begin, at)) {
    const stop = text.indexOf(end, at);
    const bytes = stop < 0 ? undefined : decodeBase64(text.slice(at + begin.length, stop));
    if (bytes === undefined || blocks.length >= 64) {
      return err(
        `Cannot read PEM as ${label}: block ${blocks.length + 1} is unfinished, not base64 or one too many`,
      );
    }
    blocks.push(bytes);
    at = stop + end.length;
  }
  return ok(blocks);
}

function decodeBase64(text: string): Uint8Array | undefined {
  const plain = text.replace(/[\r\n\t ]/g, "");
  if (plain.length === 0 || plain.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(plain)) return undefined;
  const binary = atob(plain);
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
