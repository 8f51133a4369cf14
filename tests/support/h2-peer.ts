/** A hand-written HTTP/2 peer for tests: writes any frame, lawful or not, reads frames on its own, and keeps the windows' ledger. */
import type { ConnectionHandler, ConnectionOptions } from "#core/h2/connection-options.ts";
import type { H2Error } from "#core/h2/error-code.ts";
import { H2Connection } from "#core/h2/h2-connection.ts";
import type { H2Stream } from "#core/h2/h2-stream.ts";
import type { HeaderField } from "#core/h2/header-field.ts";

/** A frame as it was read. */
export interface ReadFrame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Uint8Array;
}

/** What the tested connection told its owner, as text rows. */
export type Event = readonly (string | number)[];

/** The RFC's numbers, written down anew so that a slip in the product's table is seen. */
export const wire = {
  data: 0,
  headers: 1,
  priority: 2,
  rst: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goaway: 7,
  window: 8,
  continuation: 9,
  endStream: 1,
  ack: 1,
  endHeaders: 4,
  padded: 8,
  prioritized: 0x20,
} as const;

/** The limits most tests use: small, so that they are reached. */
export const smallOptions: Omit<ConnectionOptions, "role"> = {
  streamWindowBytes: 65_535,
  connectionWindowBytes: 65_535,
  frameBytesMax: 16_384,
  headerListBytesMax: 4096,
  streamsMax: 4,
  outputBytesMax: 65_536,
};

/** Makes a frame; `stated` lies about its length. */
export function frame(
  type: number,
  flags: number,
  id: number,
  payload: Uint8Array | readonly number[] = [],
): Uint8Array {
  const { length } = payload;
  const bytes = new Uint8Array(9 + length);
  bytes.set([length >>> 16, length >>> 8, length, type, flags, id >>> 24, id >>> 16, id >>> 8, id]);
  bytes.set(payload, 9);
  return bytes;
}

/** A header block of literals that are never indexed: no table, no Huffman. */
export function literals(...fields: readonly HeaderField[]): Uint8Array {
  const text = fields.map(([name, value]) => `\0${lengthOf(name)}${name}${lengthOf(value)}${value}`).join("");
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

function lengthOf(text: string): string {
  if (text.length < 127) return String.fromCharCode(text.length);
  let octets = "\x7f";
  let rest = text.length - 127;
  for (; rest >= 128; rest >>>= 7) octets += String.fromCharCode((rest & 127) | 128);
  return octets + String.fromCharCode(rest);
}

/** 32 bits in network order. */
export function uint32(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

/** One SETTINGS parameter. */
export function setting(id: number, value: number): number[] {
  return [id >>> 8, id & 255, ...uint32(value)];
}

/** A CONNECT's block. */
export const connectBlock: Uint8Array = literals([":method", "CONNECT"], [":authority", "10.0.0.1:80"]);

/** What a client says first. */
export const preface: Uint8Array = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** Puts byte arrays together. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Cuts whole frames. */
export function readFrames(bytes: Uint8Array): ReadFrame[] {
  const frames: ReadFrame[] = [];
  for (let at = 0; at < bytes.length;) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at);
    const length = view.getUint32(0) >>> 8;
    frames.push({
      type: view.getUint8(3),
      flags: view.getUint8(4),
      id: view.getUint32(5),
      payload: bytes.slice(at + 9, at + 9 + length),
    });
    at += 9 + length;
  }
  return frames;
}

/** The first 32 bits of a payload. */
export function firstWord(payload: Uint8Array): number {
  return new DataView(payload.buffer, payload.byteOffset).getUint32(0);
}

/** The tested connection with the hand-written peer on its other side. */
export class Bench {
  readonly connection: H2Connection;
  readonly events: Event[] = [];
  readonly streams: H2Stream[] = [];
  /** Every frame the connection sent. */
  readonly sent: ReadFrame[] = [];
  failure: H2Error | undefined;
  /** What the connection may still send, by the peer's count; stream 0 is the connection. */
  readonly sendWindows: Map<number, number> = new Map([[0, 65_535]]);
  /** What the peer may still send, by the WINDOW_UPDATEs it got. */
  readonly receiveWindows: Map<number, number> = new Map([[0, 65_535]]);
  peerInitialWindow: number = 65_535;
  #ownInitialWindow = 65_535;
  #isPrefaceRead: boolean;

  constructor(
    role: "client" | "server",
    options: Partial<ConnectionOptions> = {},
    handler: Partial<ConnectionHandler> = {},
  ) {
    this.#isPrefaceRead = role === "server";
    this.connection = new H2Connection(
      { ...smallOptions, ...options, role },
      {
        onRequest: (stream, fields) => {
          this.events.push(["request", stream.id, JSON.stringify(fields)]);
          this.streams.push(stream);
        },
        onOutput: () => undefined,
        onOutputFull: () => undefined,
        onGoaway: () => this.events.push(["goaway"]),
        onPong: () => this.events.push(["pong"]),
        onStreamsChanged: () => undefined,
        onFailure: (error) => {
          this.failure = error;
          this.events.push(["failure", error.code]);
        },
        ...handler,
      },
    );
    this.connection.start();
    this.collect();
  }

  /** A connection whose peer has said hello; as a server it has the preface as well. */
  static ready(
    role: "client" | "server",
    options: Partial<ConnectionOptions> = {},
    handler: Partial<ConnectionHandler> = {},
  ): Bench {
    const bench = new Bench(role, options, handler);
    if (role === "server") bench.connection.receive(preface);
    bench.connection.receive(frame(wire.settings, 0, 0));
    bench.connection.receive(frame(wire.settings, wire.ack, 0));
    bench.#ownInitialWindow = { ...smallOptions, ...options }.streamWindowBytes;
    bench.collect();
    bench.sent.length = 0;
    return bench;
  }

  /** Gives the connection bytes and takes what it answers. */
  receive(...parts: readonly Uint8Array[]): ReadFrame[] {
    for (const part of parts) this.connection.receive(part);
    return this.collect();
  }

  /** Takes the connection's output and books it. */
  collect(): ReadFrame[] {
    const fresh: ReadFrame[] = [];
    while (this.connection.outputBytes > 0) {
      const bytes = this.connection.output().slice();
      this.connection.taken(bytes.length);
      const start = this.#isPrefaceRead ? 0 : preface.length;
      this.#isPrefaceRead = true;
      for (const read of readFrames(bytes.subarray(start))) {
        this.#book(read);
        fresh.push(read);
      }
    }
    this.sent.push(...fresh);
    return fresh;
  }

  /** The handler that writes events down. */
  recorder(id: number): Parameters<H2Stream["handle"]>[0] {
    return {
      onHead: (fields, isLast) => this.events.push(["head", id, JSON.stringify(fields), String(isLast)]),
      onTrailers: (fields) => this.events.push(["trailers", id, JSON.stringify(fields)]),
      onData: (bytes) => this.events.push(["data", id, bytes.length]),
      onDrain: () => this.events.push(["drain", id]),
      onEnd: () => this.events.push(["end", id]),
      onClose: (error) => this.events.push(error === undefined ? ["close", id] : ["close", id, "error"]),
    };
  }

  /** The error codes the connection said: GOAWAY as [0, code], RST_STREAM as [stream, code]. */
  verdicts(): (readonly [id: number, code: number])[] {
    return this.sent.flatMap(({ type, id, payload }): (readonly [number, number])[] => {
      if (type === wire.goaway) return [[0, new DataView(payload.buffer, payload.byteOffset).getUint32(4)]];
      return type === wire.rst ? [[id, firstWord(payload)]] : [];
    });
  }

  /** Books a WINDOW_UPDATE that the test is about to send. */
  openWindow(id: number, bytes: number): Uint8Array {
    this.sendWindows.set(id, this.sendWindow(id) + bytes);
    return frame(wire.window, 0, id, uint32(bytes));
  }

  sendWindow(id: number): number {
    return this.sendWindows.get(id) ?? this.peerInitialWindow;
  }

  receiveWindow(id: number): number {
    return this.receiveWindows.get(id) ?? this.#ownInitialWindow;
  }

  /** Books DATA that the test is about to send. */
  data(id: number, length: number, flags = 0): Uint8Array {
    for (const key of [0, id]) this.receiveWindows.set(key, this.receiveWindow(key) - length);
    return frame(wire.data, flags, id, new Uint8Array(length));
  }

  #book({ type, id, payload }: ReadFrame): void {
    if (type === wire.data) {
      for (const key of [0, id]) {
        const left = this.sendWindow(key) - payload.length;
        if (left < 0 && payload.length > 0) throw new Error(`window of ${key} exceeded by ${-left}`);
        this.sendWindows.set(key, left);
      }
    }
    if (type !== wire.window) return;
    const window = this.receiveWindow(id) + firstWord(payload);
    if (window > 0x7fff_ffff) throw new Error(`window of ${id} opened beyond 2^31-1`);
    this.receiveWindows.set(id, window);
  }
}
