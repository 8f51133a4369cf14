import { expect, test } from "bun:test";
import { assembleSeccomp, type SeccompPolicy } from "./seccomp.ts";
import { type SyscallName, syscallNumbers } from "./syscalls.ts";

const x86 = 0xc000003e;

/** Runs a filter as the kernel does; undefined when it does not end by a return. */
function decide(
  filter: Uint8Array,
  call: { readonly arch: number; readonly number: number; readonly args: readonly number[] },
): string {
  const code = Buffer.from(filter);
  let accumulator = 0;
  for (let at = 0; at < code.length / 8; at++) {
    const op = code.readUInt16LE(8 * at);
    const value = code.readUInt32LE(8 * at + 4);
    const jump = (holds: boolean): void => void (at += code[8 * at + (holds ? 2 : 3)] ?? 0);
    if (op === 0x20) accumulator = wordAt(call, value);
    else if (op === 0x54) accumulator = (accumulator & value) >>> 0;
    else if (op === 0x15) jump(accumulator === value);
    else if (op === 0x35) jump(accumulator >= value);
    else if (op === 0x06) return verdicts[value] ?? `verdict ${value}`;
    else throw new Error(`unknown instruction ${op}`);
  }
  return "no return";
}

const verdicts: Readonly<Record<number, string>> = {
  0x7fff0000: "allow",
  0x80000000: "kill",
  0x00050001: "EPERM",
  0x00050026: "ENOSYS",
};

function wordAt(
  call: { readonly arch: number; readonly number: number; readonly args: readonly number[] },
  offset: number,
): number {
  if (offset === 0) return call.number;
  if (offset === 4) return call.arch;
  return (call.args[(offset - 16) / 8] ?? 0) >>> 0;
}

const policy: SeccompPolicy = {
  allowed: [
    { name: "read" },
    {
      name: "socket",
      when: [
        [
          { argument: 0, oneOf: [1, 2] },
          { argument: 1, mask: 0xf, oneOf: [1] },
        ],
      ],
    },
    { name: "setsockopt", when: [[{ argument: 1, noneOf: [1] }], [{ argument: 2, noneOf: [26, 50] }]] },
    { name: "write" },
  ],
  refused: ["mount"],
  others: "missing",
};

const rows: readonly [string, SyscallName, number[], string][] = [
  ["a call that is allowed", "read", [], "allow"],
  ["a call behind conditional ones", "write", [], "allow"],
  ["a call that is refused", "mount", [], "EPERM"],
  ["any other call", "ptrace", [], "ENOSYS"],
  ["arguments that all fit", "socket", [2, 1], "allow"],
  ["flags outside the mask", "socket", [1, 0o2004001], "allow"],
  ["a first argument that does not fit", "socket", [17, 1], "EPERM"],
  ["a second argument that does not fit", "socket", [2, 3], "EPERM"],
  ["the first of two lists", "setsockopt", [0, 6, 26], "allow"],
  ["the second of two lists", "setsockopt", [0, 1, 9], "allow"],
  ["neither of two lists", "setsockopt", [0, 1, 50], "EPERM"],
];

test.each(rows)("a filter decides %s", (...[, name, args, want]) => {
  expect(decide(assembleSeccomp(policy), { arch: x86, number: syscallNumbers[name], args })).toBe(want);
});

test("a filter ends the process on another architecture, and knows no x32 numbers", () => {
  const filter = assembleSeccomp(policy);
  expect([
    decide(filter, { arch: 0x40000003, number: syscallNumbers.read, args: [] }),
    decide(filter, { arch: x86, number: syscallNumbers.read + 0x40000000, args: [] }),
  ]).toEqual(["kill", "ENOSYS"]);
});

test("a filter can leave all others to other filters", () => {
  const filter = assembleSeccomp({ allowed: [], refused: ["execve"], others: "allowed" });
  expect([
    decide(filter, { arch: x86, number: syscallNumbers.execve, args: [] }),
    decide(filter, { arch: x86, number: syscallNumbers.mount, args: [] }),
  ]).toEqual(["EPERM", "allow"]);
});

test("assembleSeccomp() refuses jumps that do not fit", () => {
  const many = Array.from({ length: 300 }, (_, i) => i);
  expect(() =>
    assembleSeccomp({
      allowed: [{ name: "prctl", when: [[{ argument: 0, oneOf: many }]] }],
      refused: [],
      others: "missing",
    }),
  ).toThrow("jumps over at most 255");
});
