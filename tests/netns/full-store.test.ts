/** The API's store on a disk that is full, a real tmpfs of 4 MB: refused clearly, the last good state serves, and writing goes on once there is space. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, rmdirSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "#host/clock.ts";
import { KubeError } from "#host/kube/kube-error.ts";
import { silentLog } from "#host/log.ts";
import type { Api } from "../../k8s/api/api.ts";
import { openApi } from "../../k8s/api/open-api.ts";
import { configMapResource } from "../../k8s/model/core-objects.ts";

const disk = mkdtempSync(join(tmpdir(), "lambient-disk-"));
const ballast = join(disk, "ballast");
const admin = { name: "admin", groups: ["system:masters"] };

function run(...command: readonly string[]): void {
  const { exitCode, stderr } = Bun.spawnSync([...command]);
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr.toString()}`);
}

beforeAll(() => run("mount", "-t", "tmpfs", "-o", "size=4m", "none", disk));
afterAll(() => {
  run("umount", disk);
  rmdirSync(disk);
});

function open(): Api {
  return openApi({
    dataFile: join(disk, "store.db"),
    clock: systemClock,
    random: Math.random,
    log: silentLog,
  });
}

/** Leaves no byte free. */
function fillDisk(): void {
  const { bavail, bsize } = statfsSync(disk);
  writeFileSync(ballast, new Uint8Array(bavail * bsize));
}

function key(name: string): { namespace: string; name: string } {
  return { namespace: "default", name };
}

test("a full disk refuses writes with 507, serves the rest, and takes writes again once there is space", async () => {
  const api = open();
  const { client } = api;
  const data = { text: "x".repeat(20_000) };
  await client.create(configMapResource, { metadata: key("good"), data });
  fillDisk();
  let made = 0;
  let failure: unknown;
  // What the log's last page still holds may be used up first.
  while (failure === undefined && made < 1000) {
    try {
      await client.create(configMapResource, { metadata: key(`late-${made}`), data });
      made++;
    } catch (error) {
      failure = error;
    }
  }
  if (!(failure instanceof KubeError)) throw new Error(`expected a refusal: ${String(failure)}`);
  expect([failure.httpStatus, failure.reason, failure.code]).toEqual([
    507,
    "InsufficientStorage",
    "io-failed",
  ]);
  expect(failure.message).toContain("no space is left on the file system");

  const url = "https://x/api/v1/namespaces/default/configmaps";
  const body = JSON.stringify({ metadata: { name: "http" }, data });
  const refused = await api.handle(new Request(url, { method: "POST", body }), admin);
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([507, "5"]);
  expect((await client.get(configMapResource, key("good"))).data).toEqual(data);
  const { items, metadata } = await client.list(configMapResource);
  expect(items).toHaveLength(made + 1);

  const told: string[] = [];
  const ended = new AbortController();
  const isTold = Promise.withResolvers<void>();
  client.watch(configMapResource, {
    onEvent(event) {
      told.push(event.object.metadata.name);
      if (event.object.metadata.name === "after") isTold.resolve();
    },
    signal: ended.signal,
  });
  rmSync(ballast);
  const after = await client.create(configMapResource, { metadata: key("after"), data });
  await isTold.promise;
  ended.abort();
  expect(told).not.toContain("http");
  // What was refused has used up no version.
  expect(Number(after.metadata.resourceVersion)).toBe(Number(metadata.resourceVersion) + 1);
  api.close();

  const again = open();
  expect((await again.client.list(configMapResource)).items).toHaveLength(made + 2);
  again.close();
});

test("a store that cannot be made on a full disk says so", () => {
  rmSync(join(disk, "store.db"), { force: true });
  fillDisk();
  expect(open).toThrow(/no space is left|Cannot open the store/);
  rmSync(ballast);
});
