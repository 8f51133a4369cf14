/** Reading a request's body, bounded, as JSON or YAML. What it means is the caller's matter. */
import { depthMax, isTooDeep } from "./json.ts";
import { duplicateFields } from "./json-duplicates.ts";
import { badRequest, tooLarge, unrecognized, unsupportedMediaType } from "./refusal.ts";

/** Largest body that is read. */
export const bodyBytesMax: number = 3 << 20;

/** Aliases in YAML that are followed: more is an attack, not a manifest. */
const aliasesMax = 100;

/** Duplicate keys that are told. */
const duplicatesMax = 16;

const protobufType = "application/vnd.kubernetes.protobuf";
const objectTypes = ["application/json", "application/yaml", protobufType];

/**
 * The body's value; undefined for an empty one.
 * @throws KubeError 413, 415 or 400.
 */
export async function readBody(request: Request): Promise<unknown> {
  return (await readObject(request)).value;
}

/** A value, and what was in it twice, as clients are told. */
export interface ReadValue {
  readonly value: unknown;
  readonly duplicates: readonly string[];
}

/**
 * The body of a write; undefined for an empty one where nothing is demanded.
 * @param kind What it has to be an object of.
 * @throws KubeError 413, 415 or 400.
 */
export async function readObject(request: Request, kind?: string): Promise<ReadValue> {
  if (mediaType(request) === protobufType) return readProtobuf(await readBytes(request));
  const reader = await readerOf(mediaType(request));
  const text = await readText(request);
  if (kind === undefined) {
    return text.trim() === "" ? { value: undefined, duplicates: [] } : parseStrictly(text, reader);
  }
  if (text.trim() === "") throw unrecognized(kind, "unexpected end of JSON input (<empty>)");
  return parseStrictly(text, { ...reader, refuse: (why) => unrecognized(kind, why) });
}

/** A patch, and which kind of patch it is. */
export interface ReadPatch extends ReadValue {
  readonly kind: PatchKind;
}

/**
 * The body of a patch, whose type says what kind of patch it is.
 * @param isCustom Whether it is of a defined kind.
 * @throws KubeError 413, 415 or 400.
 */
export async function readPatch(request: Request, isCustom: boolean): Promise<ReadPatch> {
  const type = mediaType(request);
  const kind = Object.hasOwn(patchKinds, type) ? patchKinds[type] : undefined;
  // Only a built-in kind's schema says how its lists are merged strategically.
  if (kind === undefined || (isCustom && kind === "strategic")) {
    throw unsupportedMediaType(patchTypes.filter((known) => !isCustom || patchKinds[known] !== "strategic"));
  }
  const reader = type.endsWith("yaml") ? await readerOf("application/yaml") : readJson;
  return { kind, ...parseStrictly(await readText(request), reader) };
}

/** What a patch says: operations, what to merge, or how the object is to be. */
type PatchKind = "json" | "merge" | "strategic" | "apply";

const patchKinds: Readonly<Record<string, PatchKind>> = {
  "application/json-patch+json": "json",
  "application/merge-patch+json": "merge",
  "application/strategic-merge-patch+json": "strategic",
  "application/apply-patch+yaml": "apply",
  "application/apply-patch+json": "apply",
};

/** Those that are told to clients that send others. */
const patchTypes: readonly string[] = Object.keys(patchKinds).filter(
  (type) => type !== "application/apply-patch+json",
);

function mediaType(request: Request): string {
  const header = request.headers.get("content-type") ?? "application/json";
  return (header.split(";")[0] ?? "").trim().toLowerCase();
}

/** Reads one media type. */
interface BodyReader<Form = string> {
  readonly type: string;
  parse(body: Form): ReadValue;
  /** Default a refusal that names the type. */
  refuse?(why: string): Error;
}

const readJson: BodyReader = {
  type: "application/json",
  parse(text) {
    const value: unknown = JSON.parse(text);
    return {
      value,
      duplicates: duplicateFields(text).map((field) => `duplicate field ${JSON.stringify(field)}`),
    };
  },
};

async function readerOf(type: string): Promise<BodyReader> {
  if (type === readJson.type) return readJson;
  if (type !== "application/yaml") throw unsupportedMediaType(objectTypes);
  // Imported when the first YAML comes: it is 9 MB of memory, and programs send JSON.
  const { LineCounter, parseDocument } = await import("yaml");
  return {
    type,
    parse(text) {
      const lineCounter = new LineCounter();
      const document = parseDocument(text, { lineCounter, prettyErrors: false });
      const wrong = document.errors.find((error) => error.code !== "DUPLICATE_KEY");
      if (wrong !== undefined) throw wrong;
      // Told and taken, as in JSON: the last one counts.
      const duplicates = document.errors.slice(0, duplicatesMax).map(({ pos: [at] }) => {
        const key = /^[^:\s]*/.exec(text.slice(at, at + 256))?.[0] ?? "";
        return `line ${lineCounter.linePos(at).line}: key ${JSON.stringify(key)} already set in map`;
      });
      return { value: document.toJS({ maxAliasCount: aliasesMax }) as unknown, duplicates };
    },
  };
}

/** Every field is a number's, so that none can be there twice. */
async function readProtobuf(bytes: Uint8Array): Promise<ReadValue> {
  if (bytes.length === 0) return { value: undefined, duplicates: [] };
  // Imported when the first one comes: programs send JSON.
  const { decodeObject } = await import("./protobuf/decode-object.ts");
  const type = protobufType;
  return parseStrictly(bytes, { type, parse: (read) => ({ value: decodeObject(read), duplicates: [] }) });
}

function parseStrictly<Form>(body: Form, reader: BodyReader<Form>): ReadValue {
  let read: ReadValue;
  try {
    read = reader.parse(body);
  } catch (error) {
    const why = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    const message = `the body of the request cannot be read as ${reader.type}: ${why}`;
    throw reader.refuse?.(why) ?? badRequest(message);
  }
  if (isTooDeep(read.value)) {
    throw badRequest(`the body of the request is nested deeper than ${depthMax} levels`);
  }
  return read;
}

async function readText(request: Request): Promise<string> {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await readBytes(request));
  } catch (error) {
    if (error instanceof TypeError) throw badRequest("the body of the request is not UTF-8");
    throw error;
  }
}

async function readBytes(request: Request): Promise<Uint8Array> {
  const declared = request.headers.get("content-length");
  if (declared !== null) {
    // The server holds the client to the length it declares, so that the body is read at once.
    if (Number(declared) > bodyBytesMax) throw tooLarge(bodyBytesMax);
    return request.bytes();
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > bodyBytesMax) throw tooLarge(bodyBytesMax);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
