import { expect, test } from "bun:test";
import { LineReader } from "./line-reader.ts";

/** Lines of a text that comes in pieces of so many bytes. */
function read(text: string, pieceBytes: number, lineBytesMax = 8): (string[] | undefined)[] {
  const reader = new LineReader(lineBytesMax);
  const bytes = Buffer.from(text);
  const answers: (string[] | undefined)[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes)
    answers.push(reader.push(bytes.subarray(at, at + pieceBytes)));
  return answers;
}

test.each([1, 2, 3, 5, 100])("split points do not matter: pieces of %p bytes", (pieceBytes) => {
  // The euro sign has three bytes.
  expect(read("one\n\n€\r\ntwelve88\nrest", pieceBytes).flat()).toEqual(["one", "", "€\r", "twelve88"]);
});

test("what is kept of a buffer survives its reuse", () => {
  const reader = new LineReader(8);
  const buffer = Buffer.from("abc");
  expect(reader.push(buffer)).toEqual([]);
  buffer.fill("x");
  expect(reader.push(Buffer.from("\n"))).toEqual(["abc"]);
});

test.each([
  ["a whole line in one piece", "123456789\n", 100],
  ["a beginning in one piece", "123456789", 100],
  ["byte by byte", "123456789\n", 1],
  ["a second line", "1\n123456789\n", 4],
])("a line beyond the bound is refused: %s", (_, text, pieceBytes) => {
  expect(read(text, pieceBytes)).toContain(undefined);
});
