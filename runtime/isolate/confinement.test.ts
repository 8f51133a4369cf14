import { expect, test } from "bun:test";
import { isConfined } from "./confinement.ts";

const confined: Readonly<Record<string, string>> = {
  Uid: "2000000002\t2000000002\t2000000002\t2000000002",
  Gid: "2000000002\t2000000002\t2000000002\t2000000002",
  Groups: " ",
  CapInh: "0000000000000000",
  CapPrm: "0000000000000000",
  CapEff: "0000000000000000",
  CapBnd: "0000000000000000",
  CapAmb: "0000000000000000",
  NoNewPrivs: "1",
  Seccomp: "2",
  Seccomp_filters: "2",
};

function status(changes: Readonly<Record<string, string>>): string {
  const lines = Object.entries({ ...confined, ...changes }).map(([name, value]) => `${name}:\t${value}`);
  return `Name:\tbun\n${lines.join("\n")}\n`;
}

const rows: readonly [string, Record<string, string>, boolean][] = [
  ["a confined thread", {}, true],
  ["a third filter", { Seccomp_filters: "3" }, true],
  ["one filter only", { Seccomp_filters: "1" }, false],
  ["no filter", { Seccomp: "0" }, false],
  ["a saved root user", { Uid: "2000000002\t2000000002\t0\t2000000002" }, false],
  ["the root group", { Gid: "0\t0\t0\t0" }, false],
  ["a supplementary group", { Groups: "4 " }, false],
  ["a capability that a program file could give back", { CapBnd: "0000000000000001" }, false],
  ["an inheritable capability", { CapInh: "0000000000000400" }, false],
  ["new privileges", { NoNewPrivs: "0" }, false],
];

test.each(rows)("isConfined() judges %s", (_, changes, want) => {
  expect(isConfined(status(changes))).toBe(want);
});

test("isConfined() says no to a text that is not a status", () => {
  expect(isConfined("")).toBe(false);
});
