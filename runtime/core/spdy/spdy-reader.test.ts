import { expect, test } from "bun:test";
import { createDeflate, constants, type Deflate } from "node:zlib";
import type { HeaderField } from "../h2/header-field.ts";
import { headerDictionary, headerDictionaryId } from "./dictionary.ts";
import { formatHeaderBlock, HeaderDeflater, parseHeaderBlock } from "./header-block.ts";
import { HeaderInflater } from "./inflate.ts";
import {
  encodeDataHead,
  encodeGoAway,
  encodePing,
  encodeReset,
  encodeSynReply,
  encodeSynStream,
} from "./spdy-frame.ts";
import { defaultSpdyLimits, SpdyReader } from "./spdy-reader.ts";

function open(options: { level?: number; dictionary?: boolean; strategy?: number }): Deflate {
  return createDeflate({
    level: options.level ?? 9,
    strategy: options.strategy ?? constants.Z_DEFAULT_STRATEGY,
    ...(options.dictionary === false ? {} : { dictionary: headerDictionary }),
  });
}

/** What a peer with zlib would send for a block: compressed and flushed. */
async function compress(deflate: Deflate, bytes: Uint8Array): Promise<Uint8Array> {
  const pieces: Buffer[] = [];
  const take = (piece: Buffer): void => void pieces.push(piece);
  deflate.on("data", take);
  deflate.write(bytes);
  await new Promise<void>((resolve) => deflate.flush(constants.Z_SYNC_FLUSH, () => resolve()));
  await new Promise(setImmediate);
  deflate.off("data", take);
  return Buffer.concat(pieces);
}

const headers: HeaderField[] = [
  ["streamtype", "stdin"],
  ["x", "y".repeat(300)],
  ["port", "8080"],
];

test("the dictionary is SPDY/3's", () => {
  let [a, b] = [1, 0];
  for (const byte of headerDictionary) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  expect(headerDictionary.length).toBe(1423);
  expect(b * 65536 + a).toBe(headerDictionaryId);
});

const flavours: [string, Parameters<typeof open>[0]][] = [
  ["best compression with the dictionary", {}],
  ["fastest", { level: 1 }],
  ["stored", { level: 0 }],
  ["fixed codes", { strategy: constants.Z_FIXED }],
  ["Huffman only", { strategy: constants.Z_HUFFMAN_ONLY }],
  ["no dictionary", { dictionary: false }],
];

test.each(flavours)("a context of zlib is followed over many blocks: %s", async (_, options) => {
  const deflate = open(options);
  const inflater = new HeaderInflater(64 << 10);
  // 40 blocks of 2 KiB push the first out of the window.
  for (let i = 0; i < 40; i++) {
    const fields: HeaderField[] = [
      ["streamtype", i % 2 === 0 ? "error" : "data"],
      ["requestid", String(i)],
      [
        "noise",
        Bun.hash(String(i))
          .toString(36)
          .repeat(i * 4 + 1),
      ],
    ];
    const inflated = inflater.inflate(await compress(deflate, formatHeaderBlock(fields)));
    expect(inflated.ok && parseHeaderBlock(inflated.value, 100)).toEqual({ ok: true, value: fields });
  }
});

test("what we write, stored as it is, we read", () => {
  const deflater = new HeaderDeflater();
  const inflater = new HeaderInflater(200_000);
  for (const fields of [headers, [], [["long", "z".repeat(150_000)] as const]]) {
    const inflated = inflater.inflate(deflater.deflate(fields));
    expect(inflated.ok && parseHeaderBlock(inflated.value, 100)).toEqual({ ok: true, value: [...fields] });
  }
});

const bad: [string, readonly number[], string][] = [
  ["no zlib", [0x00, 0x00], "a header stream that is not zlib"],
  ["another dictionary", [0x78, 0xbb, 1, 2, 3, 4], "another dictionary than SPDY/3's"],
  ["nothing but a head", [0x78, 0x01, 0x00], "a header block that is cut short"],
  ["a stored block that lies", [0x78, 0x01, 0, 1, 0, 0, 0], "a stored block whose lengths differ"],
  ["a block of kind 3", [0x78, 0x01, 0b110], "a deflate block of no known kind"],
  ["the stream's end", [0x78, 0x01, 1, 0, 0, 0xff, 0xff], "a header stream that ends before its connection"],
  // Fixed codes: a match of length 3, distance 1, at the very beginning.
  ["a match of what never was", [0x78, 0x01, 0x02, 0x02, 0x00], "a reference to before the beginning"],
];

test.each(bad)("refuses %s", (_, bytes, reason) => {
  expect(new HeaderInflater(1000).inflate(Uint8Array.from(bytes))).toEqual({ ok: false, error: reason });
});

test("a small block that grows beyond the bound is refused before it does", async () => {
  const bomb = await compress(open({}), new Uint8Array(10 << 20));
  expect(bomb.length).toBeLessThan(20_000);
  const refused = { ok: false as const, error: "a header block that is too long" };
  expect(new HeaderInflater(64 << 10).inflate(bomb)).toEqual(refused);
});

const badBlocks: [string, readonly number[], string][] = [
  ["no count", [0, 0], "a header block without a count"],
  ["too many", [0, 0, 0, 101], "more than 100 headers"],
  [
    "a name that is longer than the block",
    [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff],
    "a header block that is cut short",
  ],
  ["capitals", [0, 0, 0, 1, 0, 0, 0, 1, 0x41, 0, 0, 0, 0], "a header name that is not in lower case"],
  ["a rest", [0, 0, 0, 0, 7], "bytes behind the last header"],
];

test.each(badBlocks)("refuses a block with %s", (_, bytes, reason) => {
  expect(parseHeaderBlock(Uint8Array.from(bytes), 100)).toEqual({ ok: false, error: reason });
});

test("several values of a name are several pairs", () => {
  const block = formatHeaderBlock([["port", "80\u000081"]]);
  expect(parseHeaderBlock(block, 100)).toEqual({
    ok: true,
    value: [
      ["port", "80"],
      ["port", "81"],
    ],
  });
});

function conversation(): Uint8Array {
  const deflater = new HeaderDeflater();
  return Buffer.concat([
    encodeSynStream(1, deflater.deflate(headers)),
    encodeSynStream(3, deflater.deflate([]), true),
    encodeDataHead(1, 5, false),
    Buffer.from("hello"),
    // SETTINGS and WINDOW_UPDATE, which say nothing to us.
    Buffer.from("80030004000000040000000080030009000000080000000100000001", "hex"),
    encodeSynReply(2, deflater.deflate([["a", "b"]])),
    encodePing(7),
    encodeReset(3, 5),
    encodeDataHead(1, 0, true),
    encodeGoAway(3, 0),
  ]);
}

const said = [
  { kind: "syn-stream", streamId: 1, headers, isEnd: false },
  { kind: "syn-stream", streamId: 3, headers: [], isEnd: true },
  { kind: "data", streamId: 1, text: "hello", isEnd: false },
  { kind: "syn-reply", streamId: 2, headers: [["a", "b"]], isEnd: false },
  { kind: "ping", id: 7 },
  { kind: "reset", streamId: 3, status: 5 },
  { kind: "data", streamId: 1, text: "", isEnd: true },
  { kind: "go-away", lastStreamId: 3, status: 0 },
];

function readAll(reader: SpdyReader, pieces: Iterable<Uint8Array>): unknown[] {
  const seen: Record<string, unknown>[] = [];
  for (const piece of pieces) {
    reader.push(piece);
    for (let event = reader.read(); event !== undefined; event = reader.read()) {
      if (event.kind !== "data") seen.push({ ...event });
      else {
        const { bytes, ...rest } = event;
        const text = Buffer.from(bytes).toString("latin1");
        const last = seen.at(-1);
        if (last?.["kind"] === "data" && last["isEnd"] === false && text !== "") {
          last["text"] = `${String(last["text"])}${text}`;
          last["isEnd"] = rest.isEnd;
        } else seen.push({ ...rest, text });
      }
      if (event.kind === "problem") return seen;
    }
    reader.retain();
  }
  return seen;
}

test.each([1, 3, 7, 8, 64, 100_000])("a conversation is understood in pieces of %d bytes", (size) => {
  const bytes = conversation();
  const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  );
  expect(readAll(new SpdyReader(), pieces)).toEqual(said);
});

const wrong: [string, string, string][] = [
  ["another version", "8002000600000004", "another version than SPDY/3"],
  ["data of stream 0", "0000000000000001ff", "data of no stream"],
  ["a control frame that is too long", "8003000100ffffff", "a control frame that is too long"],
  ["a ping without an id", "800300060000000200000000", "a control frame that is too short"],
  ["headers that are no zlib", "800300080000000600000001abcd", "a header stream that is not zlib"],
];

test.each(wrong)("a problem is final: %s", (_, hex, reason) => {
  const reader = new SpdyReader(defaultSpdyLimits);
  const problem = { kind: "problem" as const, reason };
  expect(readAll(reader, [Buffer.from(hex, "hex")])).toEqual([problem]);
  reader.push(encodePing(1));
  expect(reader.read()).toEqual(problem);
});
