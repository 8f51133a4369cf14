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
afterAll(async () => {
  // Ended in order: killed with its host, a mesh would leave its control groups.
  await mesh.down();
  expect(await mesh.leaks()).toEqual([]);
  await host.close();
}, 30_000);

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

/** A function whose bundle takes 720 kB. */
function big(word: string): string {
  const ballast = JSON.stringify(crypto.randomUUID().repeat(20_000));
  return `const ballast = ${ballast}; export default { fetch: () => new Response("${word}" + ballast.length) };`;
}

test("a bundle that fills the disk while it is stored leaves nothing half-written, and the old revision serves", async () => {
  await mesh.deployFunctions("b", { hello: { source: version("small"), revision: "v1" } });
  expect((await mesh.call("hello.b")).body).toBe("small");
  const bundles = async (): Promise<string> =>
    (await host.run(["find", `${disk}/bundles`, "-type", "f"])).stdout;
  const before = await bundles();
  // Room for a part of the bundle only.
  await host.run([
    "sh",
    "-c",
    `free=$(df --output=avail ${disk} | tail -1); head -c $(((free - 256) * 1024)) /dev/zero > ${disk}/ballast`,
  ]);
  const failed = await mesh
    .deployFunctions("b", { hello: { source: big("large "), revision: "v2" } }, { timeoutS: 10 })
    .then(
      () => "it went through",
      (error: unknown) => String(error),
    );
  expect(failed).toMatch(/no space|disk is full|disk full|507/i);
  expect((await mesh.call("hello.b")).body).toBe("small");
  expect(await bundles()).toBe(before);
  await host.run(["rm", `${disk}/ballast`]);
  await mesh.deployFunctions("b", { hello: { source: big("large "), revision: "v2" } });
  expect((await mesh.call("hello.b")).body).toBe("large 720000");
});

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
  await host.run(["umount", full]);
  expect(code).toBe(2);
  expect(stderr).toContain(`Cannot write to the data folder ${full}: `);
  expect(stderr.toLowerCase()).toContain("no space left");
});
