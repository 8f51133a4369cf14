/** Classes of octets in HTTP/1 heads (RFC 9110 §5.5, §5.6.2) and text made of octets (latin-1), one UTF-16 unit each. */

/** What an octet may be inside a line of a head. */
export const octet = { plain: 0, carriageReturn: 1, lineFeed: 2, high: 3, bad: 4 } as const;

/** Class of each octet in a head: visible ASCII, space and tab are plain, the line end's two, obs-text, and the rest is refused. */
export const octetClass: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte === 0x0d) return octet.carriageReturn;
  if (byte === 0x0a) return octet.lineFeed;
  if (byte === 0x09 || (byte >= 0x20 && byte < 0x7f)) return octet.plain;
  return byte >= 0x80 ? octet.high : octet.bad;
});

const tokenPattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Whether the text is a token: a method or a field name. */
export function isToken(text: string): boolean {
  return tokenPattern.test(text);
}

/** Text of octets known to be ASCII. */
export function asciiText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Text of any octets. */
export function latin1Text(bytes: Uint8Array): string {
  let text = "";
  // Arguments of one call are bounded by the engine's stack; 4096 is far below it.
  for (let at = 0; at < bytes.length; at += 4096)
    text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return text;
}

/** Octets of latin-1 text. */
export function latin1Bytes(text: string): Uint8Array {
  const bytes = encoder.encode(text);
  // UTF-8 is as long as the text exactly when all of it is ASCII, nearly always.
  if (bytes.length === text.length) return bytes;
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
