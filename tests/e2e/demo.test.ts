import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import type { Check, Evidence } from "../../scripts/demo/evidence.ts";
import { findLeaks } from "../support/host-snapshot.ts";
import { openTestHost, type TestHost } from "../support/test-host.ts";
import { waitUntil } from "../support/wait-until.ts";

setDefaultTimeout(60_000);

let host: TestHost;
beforeAll(async () => {
  host = await openTestHost();
});
afterAll(() => host.close());

test("the demo holds, tells its evidence as one object, and leaves nothing", async () => {
  const before = await host.snapshot();
  const demo = [process.execPath, join(import.meta.dir, "../../scripts/demo.ts"), "--once", "--json"];
  const { code, stdout, stderr } = await host.run(demo, { timeoutMs: 120_000, env: { TMPDIR: host.dir } });
  if (stdout === "") throw new Error(`The demo ended with ${code}: ${stderr}`);
  const found = JSON.parse(stdout) as Evidence & { readonly checks: readonly Check[] };
  expect(found.checks.filter(({ holds }) => !holds)).toEqual([]);
  expect({ code, last: stderr.trim().split("\n").at(-1) }).toEqual({ code: 0, last: "Ending the mesh …" });
  expect(found.cold.p99).toBeUndefined();
  await waitUntil(
    "nothing is left",
    async () => findLeaks(before, await host.snapshot()).length === 0,
    3000,
  ).catch(() => {});
  expect(findLeaks(before, await host.snapshot())).toEqual([]);
}, 150_000);
