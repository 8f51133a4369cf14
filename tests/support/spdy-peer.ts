/** The client's end of a SPDY connection over TLS, as Kubernetes' clients open it: an upgrade, then streams by their headers. */
import type { HeaderField } from "#core/h2/header-field.ts";
import { HeaderDeflater } from "#core/spdy/header-block.ts";
import { encodeDataHead, encodePing, encodeReset, encodeSynStream } from "#core/spdy/spdy-frame.ts";
import { type SpdyEvent, SpdyReader } from "#core/spdy/spdy-reader.ts";
import { waitUntil } from "./wait-until.ts";

/** See the file's head. */
export interface SpdyPeer extends Disposable {
  /** The response's head, and its body when nothing was switched. */
  readonly head: string;
  readonly isClosed: boolean;
  /** Everything said but data. */
  readonly said: readonly Exclude<SpdyEvent, { kind: "data" }>[];
  /** Opens a stream and gives its number. */
  open(headers: Readonly<Record<string, string>>, isEnd?: boolean): number;
  send(streamId: number, text: string | Uint8Array, isEnd?: boolean): void;
  reset(streamId: number): void;
  ping(id: number): void;
  raw(bytes: Uint8Array): void;
  /** What came on a stream. */
  text(streamId: number): string;
  bytes(streamId: number): number;
  hasEnded(streamId: number): boolean;
  /** Stops reading, or goes on. */
  pause(): void;
  resume(): void;
  close(): void;
}

/** Connects and asks; `tunnelled` puts everything into the messages of a WebSocket. */
export async function connectSpdy(
  port: number,
  target: string,
  headers: readonly HeaderField[],
  tunnelled = false,
): Promise<SpdyPeer> {
  const reader = new SpdyReader();
  const deflater = new HeaderDeflater();
  const pieces = new Map<number, Buffer[]>();
  const ended = new Set<number>();
  const said: Exclude<SpdyEvent, { kind: "data" }>[] = [];
  let head = "";
  let isClosed = false;
  let nextId = 1;
  const ready = Promise.withResolvers<void>();
  const unwrap = tunnelled ? makeUnwrap() : (bytes: Uint8Array): Uint8Array => bytes;
  const wrap = (bytes: Uint8Array): Uint8Array => (tunnelled ? maskedFrame(bytes) : bytes);
  const take = (received: Uint8Array): void => {
    reader.push(unwrap(received));
    for (let event = reader.read(); event !== undefined; event = reader.read()) {
      if (event.kind !== "data") {
        said.push(event);
        if (event.kind === "problem") break;
        continue;
      }
      pieces.set(event.streamId, [...(pieces.get(event.streamId) ?? []), Buffer.from(event.bytes)]);
      if (event.isEnd) ended.add(event.streamId);
    }
    reader.retain();
  };
  let waiting = Buffer.alloc(0);
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    tls: { rejectUnauthorized: false },
    socket: {
      handshake: () => ready.resolve(),
      data(_, bytes) {
        if (head.endsWith("\r\n\r\n") && head.startsWith("HTTP/1.1 101")) return take(bytes);
        head += bytes.toString("latin1");
        const end = head.indexOf("\r\n\r\n");
        if (end < 0 || !head.startsWith("HTTP/1.1 101")) return;
        const rest = Buffer.from(head.slice(end + 4), "latin1");
        head = head.slice(0, end + 4);
        take(rest);
      },
      drain: (drained) => void (waiting = waiting.subarray(drained.write(waiting))),
      close: () => void (isClosed = true),
      error() {},
    },
  });
  const write = (bytes: Uint8Array): void => {
    const taken = waiting.length > 0 ? 0 : socket.write(bytes);
    if (taken < bytes.length) waiting = Buffer.concat([waiting, bytes.subarray(taken)]);
  };
  const say = (bytes: Uint8Array): void => write(wrap(bytes));
  await ready.promise;
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  write(
    Buffer.from(
      `${tunnelled ? "GET" : "POST"} ${target} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n${lines}\r\n`,
    ),
  );
  await waitUntil("an answer", () => head.includes("\r\n\r\n"));
  return {
    get head() {
      return head;
    },
    get isClosed() {
      return isClosed;
    },
    said,
    open(fields, isEnd = false) {
      const id = nextId;
      nextId += 2;
      say(encodeSynStream(id, deflater.deflate(Object.entries(fields)), isEnd));
      return id;
    },
    send(streamId, text, isEnd = false) {
      const bytes = Buffer.from(text);
      say(encodeDataHead(streamId, bytes.length, isEnd));
      say(bytes);
    },
    reset: (streamId) => say(encodeReset(streamId, 5)),
    ping: (id) => say(encodePing(id)),
    raw: write,
    text: (streamId) => Buffer.concat(pieces.get(streamId) ?? []).toString("utf8"),
    bytes: (streamId) => (pieces.get(streamId) ?? []).reduce((sum, piece) => sum + piece.length, 0),
    hasEnded: (streamId) => ended.has(streamId),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: () => void socket.end(),
    [Symbol.dispose]: () => socket.terminate(),
  };
}

/** A client's binary frame; the mask is of zeros, so that it changes nothing. */
function maskedFrame(bytes: Uint8Array): Uint8Array {
  const head = Buffer.alloc(14);
  head[0] = 0x82;
  head[1] = 0xff;
  head.writeBigUInt64BE(BigInt(bytes.length), 2);
  return Buffer.concat([head, bytes]);
}

/** Takes a server's frames off what they carry; control frames carry nothing. */
function makeUnwrap(): (bytes: Uint8Array) => Uint8Array {
  let rest: Buffer = Buffer.alloc(0);
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    const payloads: Uint8Array[] = [];
    for (;;) {
      const short = (rest[1] ?? 0) & 0x7f;
      const headBytes = short === 127 ? 10 : short === 126 ? 4 : 2;
      if (rest.length < headBytes) break;
      const length =
        short === 127 ? Number(rest.readBigUInt64BE(2)) : short === 126 ? rest.readUInt16BE(2) : short;
      if (rest.length < headBytes + length) break;
      if (((rest[0] ?? 0) & 0x0f) < 8) payloads.push(rest.subarray(headBytes, headBytes + length));
      rest = rest.subarray(headBytes + length);
    }
    return Buffer.concat(payloads);
  };
}
