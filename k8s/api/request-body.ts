/** Reading a request's body, bounded, as JSON or YAML. What it means is the caller's matter. */
import { depthMax, isTooDeep } from "./json.ts";
import { badRequest, tooLarge, unsupportedMediaType } from "./refusal.ts";

/** Largest body that is read. */
export const bodyBytesMax: number = 3 << 20;

/** Aliases in YAML that are followed: more is an attack, not a manifest. */
const aliasesMax = 100;

const objectTypes = ["application/json", "application/yaml"];

/**
 * The body's value; undefined for an empty one.
 * @throws KubeError 413, 415 or 400.
 */
export async function readBody(request: Request): Promise<unknown> {
  const text = await readText(request);
  if (text.trim() === "") return undefined;
  return parseBody(text, await readerOf(mediaType(request)));
}

/**
 * The body of a patch, whose type says what kind of patch it is.
 * @throws KubeError 413, 415 or 400.
 */
export async function readPatch(
  request: Request,
): Promise<{ readonly kind: PatchKind; readonly value: unknown }> {
  const type = mediaType(request);
  const kind = Object.hasOwn(patchKinds, type) ? patchKinds[type] : undefined;
  if (kind === undefined) throw unsupportedMediaType(type, Object.keys(patchKinds));
  const reader = type.endsWith("yaml") ? await readerOf("application/yaml") : readJson;
  return { kind, value: parseBody(await readText(request), reader) };
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

function mediaType(request: Request): string {
  const header = request.headers.get("content-type") ?? "application/json";
  return (header.split(";")[0] ?? "").trim().toLowerCase();
}

/** Reads the text of one media type. */
interface BodyReader {
  readonly type: string;
  parse(text: string): unknown;
}

const readJson: BodyReader = { type: "application/json", parse: (text) => JSON.parse(text) as unknown };

async function readerOf(type: string): Promise<BodyReader> {
  if (type === readJson.type) return readJson;
  if (type !== "application/yaml") throw unsupportedMediaType(type, objectTypes);
  // Imported when the first YAML comes: it is 9 MB of memory, and programs send JSON.
  const { parse } = await import("yaml");
  return { type, parse: (text) => parse(text, { maxAliasCount: aliasesMax }) as unknown };
}

function parseBody(text: string, reader: BodyReader): unknown {
  let value: unknown;
  try {
    value = reader.parse(text);
  } catch (error) {
    const why = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    throw badRequest(`the body of the request cannot be read as ${reader.type}: ${why}`);
  }
  if (isTooDeep(value)) throw badRequest(`the body of the request is nested deeper than ${depthMax} levels`);
  return value;
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
