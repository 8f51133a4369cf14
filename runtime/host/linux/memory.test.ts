import { expect, test } from "bun:test";
import { ptr, read } from "bun:ffi";
import { MemoryBuilder, u32s } from "./memory.ts";

test("seal() lays parts out aligned, with pointers that lead to them", () => {
  const memory = new MemoryBuilder();
  const head = memory.add(new Uint8Array(12));
  const name = memory.addText("lo");
  const list = memory.addTexts(["a", "bc"]);
  memory.point(head, name);
  const sealed = memory.seal();
  const base = ptr(sealed);
  const text = (address: number): string =>
    sealed.toString("utf8", address - base, sealed.indexOf(0, address - base));
  expect([head % 8, name % 8, list % 8]).toEqual([0, 0, 0]);
  expect(text(Number(read.u64(base, head)))).toBe("lo");
  expect([
    text(Number(read.u64(base, list))),
    text(Number(read.u64(base, list + 8))),
    read.u64(base, list + 16),
  ]).toEqual(["a", "bc", 0n]);
});

test("u32s() writes numbers as the kernel reads them", () => {
  expect([...u32s(1, -1)]).toEqual([1, 0, 0, 0, 255, 255, 255, 255]);
});
