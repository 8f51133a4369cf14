import { expect, test } from "bun:test";
import { findLibraries } from "./engine-files.ts";

const maps = `00200000-00a00000 r--p 00000000 fe:00 1 /opt/bun/bin/bun
7f0000000000-7f0000001000 r--p 00000000 fe:00 2 /usr/lib/x/libm.so.6
7f0000001000-7f0000002000 r-xp 00001000 fe:00 2 /usr/lib/x/libm.so.6
7f0000003000-7f0000004000 rw-p 00000000 00:00 0
7f0000005000-7f0000006000 r--s 00000000 fe:00 3 /var/cache/data.bin
7f0000007000-7f0000008000 r-xp 00000000 fe:00 4 /usr/lib/x/ld-linux-x86-64.so.2
7fff00000000-7fff00001000 r-xp 00000000 00:00 0 [vdso]`;

test("findLibraries() binds every mapped shared library once, to its own path, and nothing else", () => {
  expect(findLibraries(maps, undefined)).toEqual([
    { source: "/usr/lib/x/libm.so.6", target: "/usr/lib/x/libm.so.6" },
    { source: "/usr/lib/x/ld-linux-x86-64.so.2", target: "/usr/lib/x/ld-linux-x86-64.so.2" },
  ]);
});

test("findLibraries() binds no loader twice", () => {
  const loader = "/usr/lib/x/ld-linux-x86-64.so.2";
  expect(findLibraries(maps, loader).filter(({ target }) => target === loader).length).toBe(1);
});
