/** HPACK both ways: the sequences of RFC 7541 Appendix C, eviction, size updates, limits and malformed blocks. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import type { HeaderField } from "../header-field.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { HpackEncoder } from "./hpack-encoder.ts";

interface Sequence {
  readonly name: string;
  readonly tableBytesMax: number;
  readonly blocks: readonly {
    readonly hex: string;
    readonly fields: HeaderField[];
    readonly tableBytes: number;
  }[];
}

const firstRequest: HeaderField[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "www.example.com"],
];
const secondRequest: HeaderField[] = [...firstRequest, ["cache-control", "no-cache"]];
const thirdRequest: HeaderField[] = [
  [":method", "GET"],
  [":scheme", "https"],
  [":path", "/index.html"],
  [":authority", "www.example.com"],
  ["custom-key", "custom-value"],
];
const firstResponse: HeaderField[] = [
  [":status", "302"],
  ["cache-control", "private"],
  ["date", "Mon, 21 Oct 2013 20:13:21 GMT"],
  ["location", "https://www.example.com"],
];
const secondResponse: HeaderField[] = [[":status", "307"], ...firstResponse.slice(1)];
const thirdResponse: HeaderField[] = [
  [":status", "200"],
  ["cache-control", "private"],
  ["date", "Mon, 21 Oct 2013 20:13:22 GMT"],
  ["location", "https://www.example.com"],
  ["content-encoding", "gzip"],
  ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"],
];

const sequences: readonly Sequence[] = [
  {
    name: "C.3, requests without Huffman",
    tableBytesMax: 4096,
    blocks: [
      { hex: "828684410f7777772e6578616d706c652e636f6d", fields: firstRequest, tableBytes: 57 },
      { hex: "828684be58086e6f2d6361636865", fields: secondRequest, tableBytes: 110 },
      {
        hex: "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
        fields: thirdRequest,
        tableBytes: 164,
      },
    ],
  },
  {
    name: "C.4, requests with Huffman",
    tableBytesMax: 4096,
    blocks: [
      { hex: "828684418cf1e3c2e5f23a6ba0ab90f4ff", fields: firstRequest, tableBytes: 57 },
      { hex: "828684be5886a8eb10649cbf", fields: secondRequest, tableBytes: 110 },
      { hex: "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf", fields: thirdRequest, tableBytes: 164 },
    ],
  },
  {
    name: "C.6, responses with Huffman and eviction",
    tableBytesMax: 256,
    blocks: [
      {
        hex: "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
        fields: firstResponse,
        tableBytes: 222,
      },
      { hex: "4883640effc1c0bf", fields: secondResponse, tableBytes: 222 },
      {
        hex: "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
        fields: thirdResponse,
        tableBytes: 215,
      },
    ],
  },
];

describe("HpackDecoder", () => {
  test.each([...sequences])("$name decodes as the RFC says", ({ tableBytesMax, blocks }) => {
    const decoder = new HpackDecoder({ tableBytesMax, listBytesMax: 65_536 });
    const got = blocks.map(({ hex }) => {
      const decoded = decoder.decode(Uint8Array.fromHex(hex));
      return {
        hex,
        fields: decoded.ok ? decoded.value.fields : decoded.error,
        tableBytes: decoder.tableBytes,
      };
    });
    expect(got).toEqual([...blocks]);
  });

  const malformed: readonly (readonly [fault: string, hex: string])[] = [
    ["index 0", "80"],
    ["an index beyond both tables", "be"],
    ["a name index beyond both tables", "7f0001"],
    ["an integer without end", "ffffffffffffff"],
    ["an integer beyond the bound", "ffffffff7f"],
    ["an integer cut short", "ff"],
    ["a name cut short", "4005aa"],
    ["a block that ends before the value", "400161"],
    ["a value cut short", "4001610562"],
    ["malformed Huffman", "400182ff"],
    ["a table larger than announced", "3fe21f"],
    ["a resize after a field", "8220"],
  ];
  test.each(malformed)("refuses %s", (_fault, hex) => {
    const decoder = new HpackDecoder({ tableBytesMax: 4096, listBytesMax: 65_536 });
    expect(decoder.decode(Uint8Array.fromHex(hex)).ok).toBe(false);
  });

  test("stops collecting a list beyond its bound, and stays in step with the encoder", () => {
    const decoder = new HpackDecoder({ tableBytesMax: 4096, listBytesMax: 100 });
    const encoder = new HpackEncoder(4096);
    const large = decoder.decode(
      encoder.encode([
        ["a", "1".repeat(60)],
        ["b", "2".repeat(60)],
        ["c", "3"],
      ]),
    );
    expect(large).toEqual({ ok: true, value: { fields: [["a", "1".repeat(60)]], isTooLarge: true } });
    expect(decoder.decode(encoder.encode([["c", "3"]]))).toEqual({
      ok: true,
      value: { fields: [["c", "3"]], isTooLarge: false },
    });
  });

  test("empties its table when an entry is larger than all of it", () => {
    const decoder = new HpackDecoder({ tableBytesMax: 64, listBytesMax: 65_536 });
    decoder.decode(Uint8Array.fromHex("4001610162"));
    expect(decoder.tableBytes).toBe(34);
    decoder.decode(Uint8Array.fromHex(`400161${(40).toString(16)}${"62".repeat(40)}`));
    expect(decoder.tableBytes).toBe(0);
  });
});

describe("HpackEncoder", () => {
  test("C.4 encodes as the RFC says", () => {
    const encoder = new HpackEncoder(4096);
    const { blocks } = sequences[1] ?? { blocks: [] };
    expect(blocks.map(({ fields }) => encoder.encode(fields).toHex())).toEqual(blocks.map(({ hex }) => hex));
  });

  test("never indexes secrets, nor values that differ each time", () => {
    const encoder = new HpackEncoder(4096);
    const fields: HeaderField[] = [
      ["authorization", "Bearer x"],
      ["traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
    ];
    const first = encoder.encode(fields).slice();
    expect(encoder.tableBytes).toBe(0);
    expect(first[0]).toBe(0x1f);
    expect(encoder.encode(fields)).toEqual(first);
  });

  test("indexes no value beyond 1 KiB, nor one that would take half the table", () => {
    const rows: [table: number, value: number, isIndexed: boolean][] = [
      [4096, 1024, true],
      [4096, 1025, false],
      [256, 128 - 33, true],
      [256, 129 - 33, false],
    ];
    for (const [table, length, isIndexed] of rows) {
      const encoder = new HpackEncoder(table);
      const fields: HeaderField[] = [["x", "1".repeat(length)]];
      encoder.encode(fields);
      expect([table, length, encoder.tableBytes > 0]).toEqual([table, length, isIndexed]);
      expect(encoder.encode(fields).length === 1).toBe(isIndexed);
    }
  });

  test("writes names beyond the 256 it remembers, and long ones, as it did before", () => {
    const encoder = new HpackEncoder(0);
    const decoder = new HpackDecoder({ tableBytesMax: 4096, listBytesMax: 65_536 });
    const fields = Array.from({ length: 300 }, (_, i): HeaderField => [`x-${i}`, "1"]);
    fields.push([`x-${"long".repeat(40)}`, "1"]);
    const first = encoder.encode(fields).slice();
    expect(encoder.encode(fields)).toEqual(first);
    expect(decoder.decode(first)).toEqual({ ok: true, value: { fields, isTooLarge: false } });
  });

  test("announces the smallest and the last size when the table was resized", () => {
    const encoder = new HpackEncoder(4096);
    const decoder = new HpackDecoder({ tableBytesMax: 4096, listBytesMax: 65_536 });
    decoder.decode(encoder.encode([["x", "1"]]));
    encoder.resizeTable(0);
    encoder.resizeTable(2048);
    const block = encoder.encode([["y", "2"]]);
    expect(block.subarray(0, 4).toHex()).toBe("203fe10f");
    expect(decoder.decode(block)).toEqual({ ok: true, value: { fields: [["y", "2"]], isTooLarge: false } });
    expect([decoder.tableBytes, encoder.tableBytes]).toEqual([34, 34]);
  });

  test("and HpackDecoder agree over any sequence of lists and sizes", () => {
    const name = fc.constantFrom(
      "a",
      "b",
      ":authority",
      "cookie",
      "x-long-name",
      "traceparent",
      "content-type",
    );
    const value = fc.oneof(
      fc.constantFrom("", "1", "same", "x".repeat(100), "\u00ff\u0001"),
      fc.string({ maxLength: 80, unit: "binary-ascii" }),
    );
    const step = fc.record({
      fields: fc.array(fc.tuple(name, value), { maxLength: 12 }),
      size: fc.option(fc.integer({ min: 0, max: 512 })),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const encoder = new HpackEncoder(512);
        const decoder = new HpackDecoder({ tableBytesMax: 512, listBytesMax: 1 << 20 });
        for (const { fields, size } of steps) {
          if (size !== null) encoder.resizeTable(size);
          expect(decoder.decode(encoder.encode(fields))).toEqual({
            ok: true,
            value: { fields, isTooLarge: false },
          });
          expect(decoder.tableBytes).toBe(encoder.tableBytes);
        }
      }),
    );
  });
});
