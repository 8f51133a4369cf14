import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { chownSync, existsSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lambient } from "../support/mesh.ts";
import { openTestHost, type RunResult, type TestHost } from "../support/test-host.ts";
import { waitUntil } from "../support/wait-until.ts";

setDefaultTimeout(60_000);

let host: TestHost;
beforeAll(async () => {
  host = await openTestHost();
});
afterAll(() => host.close());

interface Place {
  readonly runDir: string;
  readonly dataDir: string;
}

function place(): Place {
  const folder = mkdtempSync(join(host.dir, "refused-"));
  return { runDir: join(folder, "run"), dataDir: join(folder, "data") };
}

async function up({ runDir, dataDir }: Place, ...flags: string[]): Promise<RunResult> {
  return host.run([...lambient, "up", "--run-dir", runDir, "--data-dir", dataDir, ...flags], {
    env: { NO_COLOR: "1" },
  });
}

/** One clear message, a non-zero exit, and nothing made. */
function expectRefusal({ code, stdout, stderr }: RunResult, at: Place, message: string): void {
  expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: "", stderr: `error: ${message}\n` });
  expect(existsSync(join(at.runDir, "tokens"))).toBe(false);
}

test("a port in use is refused, naming who listens there", async () => {
  const at = place();
  const squatter = await host.spawn([
    process.execPath,
    "-e",
    "Bun.listen({ hostname: '127.0.0.1', port: 8080, socket: { data() {} } }); console.log('listens')",
  ]);
  await waitUntil("it listens", async () => (await squatter.output()).stdout.includes("listens"));
  const refused = await up(at);
  const holder = /listen on 127.0.0.1:8080: (.+) \(pid (\d+)\) listens there/.exec(refused.stderr);
  expect(holder?.[2]).toBe(String(squatter.pid));
  expectRefusal(
    refused,
    at,
    `Cannot listen on 127.0.0.1:8080: ${holder?.[1]} (pid ${squatter.pid}) listens there; stop it or choose another --edge-port`,
  );
  await squatter.signal("SIGKILL");
  await squatter.wait();
});

test("a data folder of another version is refused, and left as it is", async () => {
  const at = place();
  mkdirSync(at.dataDir, { recursive: true });
  writeFileSync(join(at.dataDir, "version"), "99\n");
  expectRefusal(
    await up(at),
    at,
    `Cannot use the data folder ${at.dataDir}: it is of version "99", this program needs 1; use the program that wrote it or another --data-dir`,
  );
  expect(await Bun.file(join(at.dataDir, "version")).text()).toBe("99\n");
});

test("a data folder of something else is refused", async () => {
  const at = place();
  mkdirSync(at.dataDir, { recursive: true });
  writeFileSync(join(at.dataDir, "thesis.txt"), "years of work\n");
  expectRefusal(
    await up(at),
    at,
    `Cannot use ${at.dataDir} as a data folder: it holds files but no version file; choose an empty --data-dir`,
  );
});

test("a run folder with other files is refused, and its files are left", async () => {
  const at = place();
  mkdirSync(at.runDir, { recursive: true });
  writeFileSync(join(at.runDir, "thesis.txt"), "years of work\n");
  expectRefusal(
    await up(at),
    at,
    `Cannot use ${at.runDir} as a run folder: it holds other files, such as "thesis.txt"; choose an empty or absent --run-dir`,
  );
  expect(existsSync(join(at.runDir, "thesis.txt"))).toBe(true);
});

test("a run folder of another user is refused", async () => {
  const at = place();
  mkdirSync(at.runDir, { recursive: true });
  chownSync(at.runDir, 65_534, 65_534);
  expectRefusal(
    await up(at),
    at,
    `Cannot use ${at.runDir} as a run folder: it belongs to user 65534, who could read the tokens in it; choose another --run-dir`,
  );
});

test("flags that make no sense are all told at once", async () => {
  const at = place();
  expectRefusal(
    await up(at, "--api-port", "many", "--pool-size", "0", "--node-range", "10.96.0.0/16"),
    at,
    [
      'Cannot read --api-port as a whole number from 0 to 65535: "many"',
      'Cannot read --pool-size as a whole number from 1 to 64: "0"',
      "Cannot use --service-range 10.96.0.0/16: it overlaps --node-range 10.96.0.0/16; choose disjoint ranges",
    ].join("\n"),
  );
  expect(existsSync(at.runDir)).toBe(false);
});

test("an unknown flag or command is told with the likely one", async () => {
  const flag = await host.run([...lambient, "up", "--pool-sise", "3"]);
  expect(flag).toMatchObject({ code: 2, stderr: expect.stringContaining("(Did you mean --pool-size?)") });
  const command = await host.run([...lambient, "deplyo"]);
  expect(command).toMatchObject({ code: 2, stderr: expect.stringContaining("(Did you mean deploy?)") });
});
