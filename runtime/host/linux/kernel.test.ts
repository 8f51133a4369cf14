import { expect, test } from "bun:test";
import { findKernelProblems, type KernelFacts } from "./kernel.ts";

const all = 0x1ffffffffffn;

const rows: readonly [string, KernelFacts, string[]][] = [
  ["a fitting machine", { release: "6.18.44", effectiveUid: 0, capabilities: all }, []],
  ["the oldest kernel", { release: "5.9.0-1-amd64", effectiveUid: 0, capabilities: all }, []],
  [
    "an older kernel",
    { release: "5.4.0", effectiveUid: 0, capabilities: all },
    ["Cannot capture connections by sk_lookup on kernel 5.4.0: 5.9 or newer is needed"],
  ],
  [
    "another user",
    { release: "6.1.0", effectiveUid: 1000, capabilities: 0n },
    ["Cannot make namespaces as user 1000: root is needed; run the command with sudo"],
  ],
  [
    "a container's root",
    { release: "6.1.0", effectiveUid: 0, capabilities: all & ~(1n << 21n) & ~(1n << 12n) },
    [
      "Cannot make slots without CAP_NET_ADMIN, CAP_SYS_ADMIN: start the container or service with these capabilities",
    ],
  ],
];

test.each(rows)("findKernelProblems() on %s", (_, facts, want) => {
  expect(findKernelProblems(facts)).toEqual(want);
});
