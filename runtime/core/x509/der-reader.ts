/** Reads DER (X.690 §10) strictly: definite lengths in the shortest form, nothing after the value; not BER. */

/** One value; its children are read when asked for, so depth costs nothing. */
export interface DerValue {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Tag, length and content, as signatures cover them. */
  readonly whole: Uint8Array;
}

/** Thrown inside this folder for what is not DER or has another form; the parsers turn it into a Result. */
export class DerError extends Error {
  override readonly name = "DerError";
}

/** Largest input read. */
const inputBytesMax = 64 << 10;

/** The tags read here. */
export const derTag = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  objectId: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Reads exactly one value. @throws DerError */
export function readDer(bytes: Uint8Array, tag: number): DerValue {
  if (bytes.length > inputBytesMax) throw new DerError(`more than ${inputBytesMax} bytes`);
  const { value, next } = readAt(bytes, 0);
  if (next !== bytes.length) throw new DerError(`${bytes.length - next} bytes after the value`);
  return expectTag(value, tag);
}

/** The values inside a constructed one. @throws DerError */
export function childrenOf(value: DerValue): DerValue[] {
  const children: DerValue[] = [];
  for (let at = 0; at < value.content.length;) {
    const child = readAt(value.content, at);
    children.push(child.value);
    at = child.next;
  }
  return children;
}

/** The value itself when it is there with that tag. @throws DerError */
export function expectTag(value: DerValue | undefined, tag: number): DerValue {
  if (value?.tag === tag) return value;
  throw new DerError(`tag ${hex(tag)} wanted, found ${value === undefined ? "nothing" : hex(value.tag)}`);
}

/** The dotted form of an OBJECT IDENTIFIER. @throws DerError */
export function readObjectId(value: DerValue | undefined): string {
  const { content } = expectTag(value, derTag.objectId);
  const numbers: number[] = [];
  let number = 0;
  for (const byte of content) {
    if (number === 0 && byte === 0x80) throw new DerError("an object id with a padded number");
    number = number * 128 + (byte & 0x7f);
    if (number > 2 ** 40) throw new DerError("an object id with a number beyond 2^40");
    if (byte >= 0x80) continue;
    numbers.push(number);
    number = 0;
  }
  if (content.length === 0 || (content[content.length - 1] ?? 0) >= 0x80)
    throw new DerError("an unfinished object id");
  const [head = 0, ...rest] = numbers;
  const first = Math.min(2, Math.floor(head / 40));
  return [first, head - first * 40, ...rest].join(".");
}

/** The content of a BIT STRING of whole bytes. @throws DerError */
export function readWholeBits(value: DerValue | undefined): Uint8Array {
  const { content } = expectTag(value, derTag.bits);
  if (content[0] !== 0) throw new DerError("a bit string that is not whole bytes");
  return content.subarray(1);
}

/** The digits of a non-negative INTEGER without a sign byte. @throws DerError */
export function readUnsigned(value: DerValue | undefined): Uint8Array {
  const { content } = expectTag(value, derTag.integer);
  const [first, second] = content;
  if (first === undefined || first >= 0x80) throw new DerError("a negative or empty integer");
  if (first === 0 && second !== undefined && second < 0x80) throw new DerError("a padded integer");
  return first === 0 && second !== undefined ? content.subarray(1) : content;
}

/** A BOOLEAN. @throws DerError */
export function readBoolean(value: DerValue): boolean {
  const [byte, more] = expectTag(value, derTag.boolean).content;
  if (more !== undefined || (byte !== 0 && byte !== 0xff))
    throw new DerError("a boolean that is neither 00 nor FF");
  return byte === 0xff;
}

function readAt(bytes: Uint8Array, at: number): { value: DerValue; next: number } {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined) throw new DerError("a value cut short");
  if ((tag & 0x1f) === 0x1f) throw new DerError("a tag of several bytes");
  const { length, start } = readLength(bytes, at + 1, first);
  const next = start + length;
  if (next > bytes.length) throw new DerError("a value longer than its surroundings");
  return { value: { tag, content: bytes.subarray(start, next), whole: bytes.subarray(at, next) }, next };
}

function readLength(bytes: Uint8Array, at: number, first: number): { length: number; start: number } {
  if (first < 0x80) return { length: first, start: at + 1 };
  const count = first & 0x7f;
  if (count === 0 || count > 3) throw new DerError("a length of no or more than three bytes");
  let length = 0;
  for (let i = 1; i <= count; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) throw new DerError("a length cut short");
    length = length * 256 + byte;
  }
  if (length < 0x80 || length < 256 ** (count - 1)) throw new DerError("a length not in its shortest form");
  return { length, start: at + 1 + count };
}

function hex(tag: number): string {
  return `0x${tag.toString(16).padStart(2, "0")}`;
}
