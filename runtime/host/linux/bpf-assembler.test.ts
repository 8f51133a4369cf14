import { expect, test } from "bun:test";
import { BpfAssembler } from "./bpf-assembler.ts";

function words(program: Uint8Array): string[] {
  return Array.from({ length: program.length / 8 }, (_, i) =>
    Buffer.from(program.subarray(8 * i, 8 * i + 8)).toString("hex"),
  );
}

const rows: readonly [string, BpfAssembler, string[]][] = [
  ["a move", new BpfAssembler().move(6, 1), ["bf16000000000000"]],
  ["a number", new BpfAssembler().set(0, -1), ["b7000000ffffffff"]],
  [
    "an unsigned number",
    new BpfAssembler().setUnsigned(4, 0xfffefdfc),
    ["18040000fcfdfeff", "0000000000000000"],
  ],
  ["a map", new BpfAssembler().setMap(1, 9), ["1811000009000000", "0000000000000000"]],
  [
    "memory",
    new BpfAssembler().load32(2, 6, 40).store32(10, -4, 1),
    ["6162280000000000", "620afcff01000000"],
  ],
  ["arithmetic", new BpfAssembler().add(2, -4).and(2, 255), ["07020000fcffffff", "57020000ff000000"]],
  ["a call and the end", new BpfAssembler().call(124).exit(), ["850000007c000000", "9500000000000000"]],
  [
    "jumps forward",
    new BpfAssembler()
      .jumpIf(2, "!=", 6, "end")
      .jumpIfRegister(2, "==", 5, "end")
      .jump("end")
      .label("end")
      .exit(),
    ["5502020006000000", "1d52010000000000", "0500000000000000", "9500000000000000"],
  ],
  ["a jump backward", new BpfAssembler().label("top").jumpIf(1, "<", 3, "top"), ["a501ffff03000000"]],
];

test.each(rows)("assemble() of %s", (_, program, want) => {
  expect(words(program.assemble())).toEqual(want);
});

test("assemble() throws for a label that nothing bears", () => {
  expect(() => new BpfAssembler().jump("nowhere").assemble()).toThrow(
    'Cannot assemble a jump to "nowhere": no such label',
  );
});
