import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPodRecords, type PodRecord } from "./pod-record.ts";

const folder = mkdtempSync(join(tmpdir(), "records-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("what is written is read again, until it is removed", () => {
  const records = openPodRecords(join(folder, "made"));
  expect(records.readAll()).toEqual([]);
  const record: PodRecord = {
    uid: "u-1",
    namespace: "shop",
    name: "web",
    hasSandbox: true,
    address: undefined,
    startedAtMs: 5,
    failure: undefined,
    containers: { c: { restarts: 2, run: undefined, lastRun: undefined, backOff: undefined } },
  };
  records.write(record);
  records.write({ ...record, uid: "u-2" });
  writeFileSync(join(folder, "made/u-3.json"), "{ cut");
  expect(
    records
      .readAll()
      .map(({ uid }) => uid)
      .sort(),
  ).toEqual(["u-1", "u-2"]);
  expect(records.readAll()[0]).toMatchObject({ name: "web", containers: { c: { restarts: 2 } } });
  records.remove("u-1");
  records.remove("u-1");
  expect(records.readAll().map(({ uid }) => uid)).toEqual(["u-2"]);
});
