import { expect, test } from "bun:test";
import { findCgroupMounts } from "./cgroup.ts";

const rows: readonly [string, string[], ReturnType<typeof findCgroupMounts>][] = [
  [
    "version 2 alone",
    ["30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"],
    { unified: "/sys/fs/cgroup", memoryV1: undefined, pidsV1: undefined },
  ],
  [
    "a hybrid machine",
    [
      "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw",
      "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
      "39 31 0:36 / /sys/fs/cgroup/pids rw shared:4 - cgroup cgroup rw,pids",
      "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
    ],
    { unified: "/sys/fs/cgroup/unified", memoryV1: "/sys/fs/cgroup/memory", pidsV1: "/sys/fs/cgroup/pids" },
  ],
  ["version 1 alone", ["35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"], undefined],
  ["nothing", [""], undefined],
];

test.each(rows)("findCgroupMounts() on %s", (_, lines, want) => {
  expect(findCgroupMounts(lines.join("\n"))).toEqual(want);
});
