import { expect, test } from "bun:test";
import { readCgroupMounts } from "./cgroup.ts";
import { listProcesses, thaw, whileFrozen } from "./freezer.ts";

test("a group that is gone has no processes, cannot be frozen and need not be thawed", () => {
  const mounts = readCgroupMounts();
  const gone = `lambient-gone-${crypto.randomUUID()}`;
  expect(listProcesses(mounts, gone)).toEqual([]);
  expect(() => whileFrozen(mounts, gone, 10, () => 1)).toThrow("ENOENT");
  thaw(mounts, gone);
});
