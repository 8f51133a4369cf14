/** Writes DER (X.690 §10), the few types that certificates and requests are made of. */

const encoder = new TextEncoder();

/** Joins pieces. */
export function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** One value: tag, length in the shortest form, content. */
export function derValue(tag: number, ...content: readonly Uint8Array[]): Uint8Array {
  const body = concat(content);
  return concat([Uint8Array.of(tag, ...lengthBytes(body.length)), body]);
}

/** SEQUENCE. */
export function derSequence(...content: readonly Uint8Array[]): Uint8Array {
  return derValue(0x30, ...content);
}

/** SET of one element, for which order is no question. */
export function derSetOfOne(content: Uint8Array): Uint8Array {
  return derValue(0x31, content);
}

/** INTEGER of an unsigned number given as bytes, most significant first. */
export function derUnsigned(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const digits = bytes.length === 0 ? Uint8Array.of(0) : bytes.subarray(start);
  // A set top bit would make it negative.
  return derValue(0x02, ...((digits[0] ?? 0) >= 0x80 ? [Uint8Array.of(0), digits] : [digits]));
}

/** OBJECT IDENTIFIER from its dotted form, which must be right: only constants of ours come here. */
export function derObjectId(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  return derValue(0x06, Uint8Array.from([first * 40 + second, ...rest].flatMap(base128)));
}

/** BOOLEAN TRUE; FALSE is always a default in what we write, and defaults are left out. */
export function derTrue(): Uint8Array {
  return Uint8Array.of(0x01, 0x01, 0xff);
}

/** OCTET STRING. */
export function derOctets(...content: readonly Uint8Array[]): Uint8Array {
  return derValue(0x04, ...content);
}

/** BIT STRING whose last `unusedBits` do not count. */
export function derBits(content: Uint8Array, unusedBits = 0): Uint8Array {
  return derValue(0x03, Uint8Array.of(unusedBits), content);
}

/** UTF8String. */
export function derUtf8(text: string): Uint8Array {
  return derValue(0x0c, encoder.encode(text));
}

/** A context-specific tag around other values. */
export function derExplicit(number: number, ...content: readonly Uint8Array[]): Uint8Array {
  return derValue(0xa0 | number, ...content);
}

/** A context-specific tag in place of a primitive's own. */
export function derImplicit(number: number, content: Uint8Array): Uint8Array {
  return derValue(0x80 | number, content);
}

/** The same for text in ASCII (IA5String under another tag). */
export function derImplicitText(number: number, text: string): Uint8Array {
  return derImplicit(number, encoder.encode(text));
}

function lengthBytes(length: number): number[] {
  if (length < 0x80) return [length];
  const digits: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) digits.unshift(rest % 256);
  return [0x80 | digits.length, ...digits];
}

function base128(value: number): number[] {
  const digits = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) {
    digits.unshift((rest % 128) | 0x80);
  }
  return digits;
}
