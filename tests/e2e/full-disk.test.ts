import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Mesh, startMesh } from "../support/mesh.ts";
import { openTestHost, type TestHost } from "../support/test-host.ts";

setDefaultTimeout(60_000);

let host: TestHost;
let mesh: Mesh;
let disk: string;
beforeAll(async () => {
  host = await openTestHost();
  disk = join(host.dir, "disk");
  mkdirSync(disk);
  await host.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "none", disk]);
  mesh = await startMesh({ host, dataDir: disk });
}, 60_000);
afterAll(() => host.close());

const version = (word: string): string =>
  `export default { fetch: () => new Response("${word}") }; // ${"x".repeat(1000)}`;

test("a deploy on a full disk is refused clearly, the old revision serves, and the next deploy succeeds once there is space", async () => {
  await mesh.deployFunctions("a", { hello: { source: version("one"), revision: "v1" } });
  expect((await mesh.call("hello.a")).body).toBe("one");
  await host.run(["sh", "-c", `cat /dev/zero > ${disk}/ballast; sync`]);
  const failed = await mesh
    .deployFunctions(
      "a",
      { hello: { source: version("two"), revision: "v2" }, other: { source: version("three") } },
      { timeoutS: 10 },
    )
    .then(
      () => "it went through",
      (error: unknown) => String(error),
    );
  expect(failed).toMatch(/no space|disk is full|disk full|507/i);
  expect((await mesh.call("hello.a")).body).toBe("one");
  await host.run(["rm", `${disk}/ballast`]);
  await mesh.deployFunctions("a", { hello: { source: version("two"), revision: "v2" } });
  expect((await mesh.call("hello.a")).body).toBe("two");
}, 60_000);

test("a mesh does not come up on a full disk, and says so", async () => {
  const full = join(host.dir, "full");
  mkdirSync(full);
  await host.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", full]);
  await host.run(["sh", "-c", `cat /dev/zero > ${full}/ballast`]);
  const { code, stderr } = await mesh.command([
    "up",
    "--run-dir",
    join(host.dir, "run-full"),
    "--data-dir",
    full,
    "--api-port",
    "0",
    "--edge-port",
    "0",
  ]);
  expect(code).toBe(2);
  expect(stderr).toContain(`Cannot write to the data folder ${full}: `);
  expect(stderr.toLowerCase()).toContain("no space left");
});
