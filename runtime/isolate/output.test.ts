import { expect, test } from "bun:test";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { OutputLines } from "./output.ts";

function open(limits: { lineBytesMax: number; linesPerSecond: number }): {
  lines: OutputLines;
  clock: FakeClock;
  got: string[];
} {
  const got: string[] = [];
  const clock = new FakeClock();
  const lines = new OutputLines(limits, clock, ({ stream, text }) => got.push(`${stream} ${text}`));
  return { lines, clock, got };
}

const rows: readonly [string, string[], string[]][] = [
  ["whole lines", ["a\nb\n"], ["stdout a", "stdout b"]],
  ["a line in pieces", ["a", "b", "c\n"], ["stdout abc"]],
  ["an unfinished line at the end", ["a\nb"], ["stdout a", "stdout b"]],
  ["an empty line", ["\n"], ["stdout "]],
  ["a line of the longest length", ["12345678\n"], ["stdout 12345678"]],
  ["a longer line, cut", ["123456789\n"], ["stdout 12345678", "stdout 9"]],
];

test.each(rows)("OutputLines gives %s", (_, pieces, want) => {
  const { lines, got } = open({ lineBytesMax: 8, linesPerSecond: 100 });
  for (const piece of pieces) lines.push("stdout", Buffer.from(piece));
  lines.finish("stdout");
  expect(got).toEqual(want);
});

test("OutputLines keeps the streams apart", () => {
  const { lines, got } = open({ lineBytesMax: 80, linesPerSecond: 100 });
  lines.push("stdout", Buffer.from("one "));
  lines.push("stderr", Buffer.from("two\n"));
  lines.push("stdout", Buffer.from("line\n"));
  expect(got).toEqual(["stderr two", "stdout one line"]);
});

test("OutputLines drops lines beyond the rate and says how many", () => {
  const { lines, clock, got } = open({ lineBytesMax: 80, linesPerSecond: 2 });
  lines.push("stdout", Buffer.from("1\n2\n3\n4\n"));
  clock.advance(1000);
  lines.push("stdout", Buffer.from("5\n"));
  expect(got).toEqual(["stdout 1", "stdout 2", "stderr [2 lines dropped: more than 2 a second]", "stdout 5"]);
});

test("OutputLines says at the end what was dropped", () => {
  const { lines, got } = open({ lineBytesMax: 80, linesPerSecond: 1 });
  lines.push("stdout", Buffer.from("1\n2\n"));
  lines.finish("stdout");
  expect(got).toEqual(["stdout 1", "stderr [1 lines dropped: more than 1 a second]"]);
});
