/**
 * Reads the built-in kinds as clients send them in protobuf (`application/vnd.kubernetes.protobuf`): an envelope
 * (`k8s\0`, then `runtime.Unknown`) around a message whose numbers kube-messages.json tells. Writing it is not needed:
 * every client reads JSON as well.
 */
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { depthMax, type JsonObject } from "../json.ts";
import kubeMessages from "./kube-messages.json" with { type: "json" };

/** A field of a message: its number, its name in JSON, its form, and what it is: `p`ointer, `l`ist, `m`ap, `w`rapped list. */
interface Field {
  readonly name: string;
  readonly form: string;
  readonly isPointer: boolean;
  readonly isList: boolean;
  readonly isMap: boolean;
}

type Message = ReadonlyMap<number, Field>;

const magic = [0x6b, 0x38, 0x73, 0x00];
const kinds: Readonly<Record<string, string>> = kubeMessages.kinds;
const messages = new Map<string, Message>();

/**
 * Reads an object.
 * @throws Error when it is none, or of a kind that is not sent in this form.
 */
export function decodeObject(bytes: Uint8Array): JsonObject {
  if (!magic.every((byte, index) => bytes[index] === byte))
    throw new Error("it does not begin with the prefix");
  const { apiVersion, kind, raw } = readEnvelope(bytes.subarray(magic.length));
  // Every group has the options of deletions under a name of its own.
  const name = kinds[kind === "DeleteOptions" ? "meta.k8s.io/v1 DeleteOptions" : `${apiVersion} ${kind}`];
  if (name === undefined)
    throw new Error(`no kind ${JSON.stringify(kind)} of ${JSON.stringify(apiVersion)} is sent as protobuf`);
  return { apiVersion, kind, ...readMessage(new BinaryReader(raw), name, 0) };
}

function readEnvelope(bytes: Uint8Array): { apiVersion: string; kind: string; raw: Uint8Array } {
  const reader = new BinaryReader(bytes);
  const found: { apiVersion: string; kind: string; raw: Uint8Array } = {
    apiVersion: "",
    kind: "",
    raw: new Uint8Array(),
  };
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    if (number === 1) {
      const type = new BinaryReader(reader.bytes());
      while (type.pos < type.len) {
        const [field, typeWire] = type.tag();
        if (field === 1) found.apiVersion = type.string();
        else if (field === 2) found.kind = type.string();
        else type.skip(typeWire, field);
      }
    } else if (number === 2) found.raw = reader.bytes();
    else reader.skip(wire, number);
  }
  return found;
}

function readMessage(reader: BinaryReader, name: string, depth: number): JsonObject {
  if (depth > depthMax) throw new Error(`it is nested deeper than ${depthMax} levels`);
  const message = messageOf(name);
  const found: JsonObject = {};
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    const field = message.get(number);
    if (field === undefined) reader.skip(wire, number);
    else readField(reader, { field, wire, depth }, found);
  }
  return found;
}

/** What a field is read by. */
interface Reading {
  readonly field: Field;
  readonly wire: WireType;
  readonly depth: number;
}

function readField(reader: BinaryReader, { field, wire, depth }: Reading, into: JsonObject): void {
  const { name, form, isPointer, isList, isMap } = field;
  if (isMap) {
    const [key, value] = readEntry(reader, form, depth);
    own<JsonObject>(into, name, {})[key] = value;
  } else if (isList) {
    const list = own<unknown[]>(into, name, []);
    if (wire === WireType.LengthDelimited && form === "int") readPacked(reader.bytes(), list);
    else list.push(readValue(reader, form, depth));
  } else {
    const value = readValue(reader, form, depth);
    // A field without a name lies flat in its parent.
    if (name === "") Object.assign(into, value);
    // What is no pointer is always sent, though it be empty: in JSON it is left out then.
    else if (isPointer || !isZero(value)) into[name] = value;
  }
}

function own<Value>(into: JsonObject, name: string, empty: Value): Value {
  const known = into[name] ?? empty;
  into[name] = known;
  // Sound: only readField writes to it, and a field is always a list, or always a map.
  return known as Value;
}

function readEntry(reader: BinaryReader, form: string, depth: number): [string, unknown] {
  const entry = new BinaryReader(reader.bytes());
  let key = "";
  let value: unknown;
  while (entry.pos < entry.len) {
    const [number, wire] = entry.tag();
    if (number === 1) key = entry.string();
    else if (number === 2) value = readValue(entry, form, depth);
    else entry.skip(wire, number);
  }
  return [key, value ?? (form === "string" || form === "bytes" || form === "quantity" ? "" : {})];
}

function readPacked(bytes: Uint8Array, into: unknown[]): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) into.push(Number(reader.int64()));
}

function readValue(reader: BinaryReader, form: string, depth: number): unknown {
  const read = scalars.get(form);
  if (read !== undefined) return read(reader);
  const value = readMessage(new BinaryReader(reader.bytes()), form, depth + 1);
  return wrapped.has(form) ? (value["items"] ?? []) : value;
}

/** How forms are read that are no messages, or whose JSON is none. */
const scalars: ReadonlyMap<string, (reader: BinaryReader) => unknown> = new Map([
  ["string", (reader) => reader.string()],
  ["bool", (reader) => reader.bool()],
  ["int", (reader) => Number(reader.int64())],
  ["bytes", (reader) => Buffer.from(reader.bytes()).toString("base64")],
  ["time", (reader) => readTime(reader.bytes(), 0)],
  ["micro-time", (reader) => readTime(reader.bytes(), 6)],
  ["quantity", (reader) => readText(reader.bytes())],
  ["int-or-string", (reader) => readIntOrString(reader.bytes())],
  ["raw", (reader) => readRaw(reader.bytes())],
] satisfies [string, (reader: BinaryReader) => unknown][]);

/** Seconds and nanoseconds; null for the time that was never set. */
function readTime(bytes: Uint8Array, digits: 0 | 6): string | null {
  if (bytes.length === 0) return null;
  const numbers = readNumbers(bytes);
  const iso = new Date(Number(numbers.get(1) ?? 0n) * 1000).toISOString().slice(0, -".000Z".length);
  const nanoseconds = String(numbers.get(2) ?? 0n).padStart(9, "0");
  return digits === 0 ? `${iso}Z` : `${iso}.${nanoseconds.slice(0, digits)}Z`;
}

function readNumbers(bytes: Uint8Array): ReadonlyMap<number, bigint> {
  const reader = new BinaryReader(bytes);
  const numbers = new Map<number, bigint>();
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    if (wire === WireType.Varint) numbers.set(number, BigInt(reader.int64()));
    else reader.skip(wire, number);
  }
  return numbers;
}

function readText(bytes: Uint8Array): string {
  const reader = new BinaryReader(bytes);
  let text = "";
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    if (number === 1) text = reader.string();
    else reader.skip(wire, number);
  }
  return text;
}

function readIntOrString(bytes: Uint8Array): number | string {
  const reader = new BinaryReader(bytes);
  let isText = false;
  let number = 0;
  let text = "";
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (field === 1) isText = Number(reader.int64()) === 1;
    else if (field === 2) number = Number(reader.int64());
    else if (field === 3) text = reader.string();
    else reader.skip(wire, field);
  }
  return isText ? text : number;
}

/** JSON in bytes: what its owner alone understands. */
function readRaw(bytes: Uint8Array): unknown {
  const text = readText(bytes);
  return text === "" ? null : (JSON.parse(text) as unknown);
}

function isZero(value: unknown): boolean {
  if (value === null || value === "" || value === 0 || value === false) return true;
  return typeof value === "object" && !Array.isArray(value) && Object.keys(value).length === 0;
}

const wrapped = new Set(
  Object.entries(kubeMessages.messages).flatMap(([name, [first]]) =>
    String(first?.[3] ?? "").includes("w") ? [name] : [],
  ),
);

/** Made when first asked for: most of them never are. */
function messageOf(name: string): Message {
  const known = messages.get(name);
  if (known !== undefined) return known;
  const rows: Readonly<Record<string, readonly (readonly (string | number)[])[]>> = kubeMessages.messages;
  const message = new Map(
    (rows[name] ?? []).map(([number, field, form, flags]) => [
      Number(number),
      {
        name: String(field),
        form: String(form),
        isPointer: String(flags).includes("p"),
        isList: String(flags).includes("l"),
        isMap: String(flags).includes("m"),
      },
    ]),
  );
  messages.set(name, message);
  return message;
}
