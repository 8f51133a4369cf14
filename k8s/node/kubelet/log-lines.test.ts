import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { formatLines, formatNanoTime, lineBytesMax, parseLogLine } from "./log-lines.ts";

const time = "2026-01-02T03:04:05.678000000Z";

test.each<[string, string, string[]]>([
  ["whole lines", "a\nb\n", ["F a", "F b"]],
  ["an empty line", "\n", ["F "]],
  ["a part", "a\nb", ["F a", "P b"]],
  ["nothing", "", []],
])("formatLines() of %s", (_name, text, want) => {
  const lines = formatLines("stderr", Buffer.from(text), time).toString();
  expect(lines).toBe(want.map((line) => `${time} stderr ${line}\n`).join(""));
});

test("a long line is cut between characters", () => {
  const text = `${"x".repeat(lineBytesMax - 1)}é and more`;
  const lines = formatLines("stdout", Buffer.from(`${text}\n`), time)
    .toString()
    .split("\n");
  const read = lines.slice(0, -1).map((line) => parseLogLine(line));
  expect(read.map((line) => line?.isWhole)).toEqual([false, true]);
  expect(read.map((line) => line?.text).join("")).toBe(text);
});

test("what is written is read, wherever it is split", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "grapheme" })), (pieces) => {
      const lines = pieces
        .map((piece) => formatLines("stdout", Buffer.from(piece), time).toString())
        .join("")
        .split("\n");
      const read = lines.slice(0, -1).map((line) => parseLogLine(line));
      const text = read
        .map((line) => (line === undefined ? "?" : line.text + (line.isWhole ? "\n" : "")))
        .join("");
      expect(text).toBe(pieces.join(""));
    }),
  );
});

test.each(["", "x", `${time} stdin F a`, `${time} stdout X a`])("parseLogLine(%p) is nothing", (line) => {
  expect(parseLogLine(line)).toBeUndefined();
});

test("times have nine digits behind the second", () => {
  expect(formatNanoTime(Date.UTC(2026, 0, 2, 3, 4, 5, 6) + 0.789)).toMatch(
    /^2026-01-02T03:04:05\.00678\d000Z$/,
  );
});
