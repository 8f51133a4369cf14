/** A Web response as HTTP/1.1: with its length where its body is known, in chunks as they come where it is a stream. */
import { chunkEnd, chunkStart, encodeResponseHead, lastChunk } from "#core/http1/encode.ts";
import type { HttpVersion } from "#core/http1/head.ts";
import type { HeaderField } from "#core/h2/header-field.ts";
import { TextResponse } from "../../api/text-response.ts";
import type { StreamWriter } from "#host/stream-writer.ts";

/** What the response answers, and where it goes. */
export interface ResponsePlace {
  readonly writer: StreamWriter;
  readonly method: string;
  readonly version: HttpVersion;
  /** Whether the connection may carry another request. */
  readonly keepsAlive: boolean;
  /** Its signal tells when the caller is gone; made only where it is asked for. */
  readonly request: Pick<Request, "signal">;
  /** The hour, as HTTP writes it. */
  readonly date: string;
}

type Reader = ReadableStreamDefaultReader<Uint8Array>;
type Read = Awaited<ReturnType<Reader["read"]>>;

/** Pieces up to this many bytes together leave in one write; larger ones cost less alone than a copy. */
const joinedBytesMax = 64 << 10;
/** The end of a body that is there already is told this many turns of the microtask queue late at most. */
const turnsMax = 8;

/**
 * Sends it.
 * @returns whether the connection can carry another request: not after a body that ends with the connection
 * @throws what the body's source threw (rejects): the connection must be cut then
 */
export async function sendResponse(response: Response, place: ResponsePlace): Promise<boolean> {
  if (response instanceof TextResponse && place.method !== "HEAD")
    return sendKnown(response, place, [Buffer.from(response.content)]);
  const isBodiless = response.status === 204 || response.status === 304;
  const { body } = response;
  if (body === null || isBodiless || place.method === "HEAD") {
    const length = await lengthWithout(response, isBodiless);
    return sendHead(response, place, length, []);
  }
  const reader = body.getReader() as Reader; // Sound: bodies are bytes.
  const known: Uint8Array[] = [];
  let next = reader.read();
  // A body that is there already comes without waiting, and then its length is known.
  for (let read = await settled(next); read !== undefined; read = await settled(next)) {
    if (read.done) return sendKnown(response, place, known);
    known.push(read.value);
    next = reader.read();
  }
  return sendStream(response, place, { reader, known, next });
}

/** What was read, if that is there without waiting for the world. */
async function settled(reading: Promise<Read>): Promise<Read | undefined> {
  for (let turn = 0; Bun.peek.status(reading) === "pending"; turn++) {
    if (turn === turnsMax) return undefined;
    await Promise.resolve();
  }
  return reading;
}

async function sendKnown(
  response: Response,
  place: ResponsePlace,
  known: readonly Uint8Array[],
): Promise<boolean> {
  const bytes = known.reduce((sum, piece) => sum + piece.length, 0);
  const mayFollow = sendHead(response, place, bytes, known);
  await place.writer.whenRoom();
  return mayFollow;
}

/** A response without its body still says how long it is; asking a stream for that would read it. */
async function lengthWithout(response: Response, isBodiless: boolean): Promise<number | undefined> {
  if (isBodiless) {
    await response.body?.cancel();
    return undefined;
  }
  const declared = response.headers.get("content-length");
  if (declared !== null) return Number(declared);
  if (response.body === null) return 0;
  await response.body.cancel();
  return undefined;
}

function sendHead(
  response: Response,
  place: ResponsePlace,
  length: number | undefined,
  pieces: readonly Uint8Array[],
): boolean {
  const framing: HeaderField[] = length === undefined ? [] : [["content-length", String(length)]];
  writeJoined(place.writer, [headOf(response, place, framing, place.keepsAlive), ...pieces]);
  return place.keepsAlive;
}

interface Streaming {
  readonly reader: Reader;
  readonly known: readonly Uint8Array[];
  readonly next: Promise<Read>;
}

async function sendStream(response: Response, place: ResponsePlace, streaming: Streaming): Promise<boolean> {
  const { reader, known } = streaming;
  const { writer } = place;
  const { signal } = place.request;
  const isChunked = place.version === "1.1";
  const mayFollow = place.keepsAlive && isChunked;
  const framing: HeaderField[] = isChunked ? [["transfer-encoding", "chunked"]] : [];
  writeJoined(writer, [
    headOf(response, place, framing, mayFollow),
    ...(isChunked ? known.flatMap(chunked) : known),
  ]);
  const cancel = (): void => void reader.cancel().catch(() => undefined); // Nobody is left to be told.
  signal.addEventListener("abort", cancel);
  if (signal.aborted) cancel();
  try {
    for (let read = await streaming.next; !read.done; read = await reader.read()) {
      writeJoined(writer, isChunked ? chunked(read.value) : [read.value]);
      await writer.whenRoom();
      if (signal.aborted) return false;
    }
  } finally {
    signal.removeEventListener("abort", cancel);
  }
  if (isChunked) writer.write(lastChunk([]));
  await writer.whenRoom();
  return mayFollow;
}

/** An empty chunk would be the last. */
function chunked(bytes: Uint8Array): readonly Uint8Array[] {
  return bytes.length === 0 ? [] : [chunkStart(bytes.length), bytes, chunkEnd];
}

function headOf(
  response: Response,
  place: ResponsePlace,
  framing: readonly HeaderField[],
  keepsAlive: boolean,
): Uint8Array {
  const headers: HeaderField[] = [];
  response.headers.forEach((value, name) => {
    if (name !== "content-length") headers.push([name, value]);
  });
  headers.push(...framing, ["date", place.date]);
  if (!keepsAlive) headers.push(["connection", "close"]);
  else if (place.version === "1.0") headers.push(["connection", "keep-alive"]);
  return encodeResponseHead({
    status: response.status,
    reason: response.statusText,
    version: "1.1",
    headers,
  });
}

function writeJoined(writer: StreamWriter, pieces: readonly Uint8Array[]): void {
  const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (bytes === 0) return;
  if (bytes > joinedBytesMax) {
    for (const piece of pieces) writer.write(piece);
    return;
  }
  const all = new Uint8Array(bytes);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  writer.write(all);
}
