/** The Huffman code: RFC 7541's examples, all octets, and what must be refused. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { huffmanLength, readHuffman, writeHuffman } from "./huffman.ts";

describe("readHuffman() and writeHuffman()", () => {
  // Appendix C.4 and C.6 of the RFC.
  const rows: readonly (readonly [text: string, hex: string])[] = [
    ["www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"],
    ["no-cache", "a8eb10649cbf"],
    ["custom-key", "25a849e95ba97d7f"],
    ["custom-value", "25a849e95bb8e8b4bf"],
    ["302", "6402"],
    ["307", "640eff"],
    ["Mon, 21 Oct 2013 20:13:21 GMT", "d07abe941054d444a8200595040b8166e082a62d1bff"],
    ["https://www.example.com", "9d29ad171863c78f0b97c8e9ae82ae43d3"],
    ["\u0000", "ffc7"],
    ["\n", "fffffff3"],
    ["", ""],
  ];
  test.each(rows)("code %j as the RFC does", (text, hex) => {
    const coded = encode(text);
    expect({ hex: coded.toHex(), length: huffmanLength(text) }).toEqual({ hex, length: hex.length / 2 });
    expect(readHuffman(coded, 0, coded.length)).toBe(text);
  });

  const malformed: readonly (readonly [fault: string, hex: string])[] = [
    ["padding of zeros", "00"],
    ["a whole byte of padding", "6402ff"],
    ["the end-of-string symbol", "ffffffff"],
    ["a long code cut short", "fffffe"],
  ];
  test.each(malformed)("refuse %s", (_fault, hex) => {
    const bytes = Uint8Array.fromHex(hex);
    expect(readHuffman(bytes, 0, bytes.length)).toBeUndefined();
  });

  test("give back any octets", () => {
    const octets = fc
      .uint8Array({ maxLength: 300 })
      .map((bytes) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    fc.assert(
      fc.property(octets, (text) => {
        const coded = encode(text);
        expect(readHuffman(coded, 0, coded.length)).toBe(text);
      }),
    );
  });
});

function encode(text: string): Uint8Array {
  const out = new Uint8Array(huffmanLength(text));
  expect(writeHuffman(text, out, 0)).toBe(out.length);
  return out;
}
