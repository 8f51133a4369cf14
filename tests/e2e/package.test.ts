import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { openTestHost, type RunResult, type TestHost } from "../support/test-host.ts";

setDefaultTimeout(60_000);

const root = join(import.meta.dir, "../..");
let host: TestHost;
let elsewhere: string;

beforeAll(async () => {
  host = await openTestHost();
  elsewhere = join(host.dir, "elsewhere");
  await install(elsewhere);
}, 60_000);
afterAll(() => host.close());

/** Unpacks the packed tarball as an installer does, and links the dependencies that its package.json names: no registry is asked. */
async function install(folder: string): Promise<void> {
  const modules = join(folder, "node_modules");
  const place = join(modules, "lambient");
  mkdirSync(place, { recursive: true });
  const packed = Bun.spawn(["npm", "pack", "--pack-destination", host.dir, "--silent"], {
    cwd: root,
    stdout: "pipe",
  });
  const name = (await new Response(packed.stdout).text()).trim();
  expect(await packed.exited).toBe(0);
  expect(
    await Bun.spawn(["tar", "xzf", join(host.dir, name), "-C", place, "--strip-components=1"]).exited,
  ).toBe(0);
  const { dependencies, bin } = JSON.parse(readFileSync(join(place, "package.json"), "utf8")) as {
    readonly dependencies: Readonly<Record<string, string>>;
    readonly bin: Readonly<Record<string, string>>;
  };
  for (const dependency of Object.keys(dependencies)) {
    const link = join(modules, dependency);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(root, "node_modules", dependency), link);
  }
  mkdirSync(join(modules, ".bin"));
  for (const [command, path] of Object.entries(bin)) {
    symlinkSync(join("../lambient", path), join(modules, ".bin", command));
    expect(await Bun.spawn(["chmod", "+x", join(place, path)]).exited).toBe(0);
  }
  symlinkSync(process.execPath, join(modules, ".bin", "bun"));
}

async function bunx(...args: string[]): Promise<RunResult> {
  const bin = join(elsewhere, "node_modules/.bin");
  return host.run([process.execPath, "x", "--no-install", "lambient", ...args], {
    cwd: elsewhere,
    env: {
      PATH: `${bin}:/usr/bin:/bin`,
      LAMBIENT_RUN_DIR: join(host.dir, "run"),
      LAMBIENT_DATA_DIR: join(host.dir, "data"),
      NO_COLOR: "1",
    },
  });
}

test("the tarball holds what runs, and no tests", () => {
  const place = join(elsewhere, "node_modules/lambient");
  for (const path of [
    "LICENSE",
    "README.md",
    "runtime/cli/main.ts",
    "k8s/control-plane/main.ts",
    "ztunnel/main.ts",
    "functions/main.ts",
    "waypoint/main.ts",
    "runtime/host/linux/native.c",
  ]) {
    expect(existsSync(join(place, path))).toBe(true);
  }
  const files = [...new Bun.Glob("**/*").scanSync(place)];
  expect(files.filter((path) => path.endsWith(".test.ts") || path.startsWith("tests/"))).toEqual([]);
});

test("bunx lambient brings a mesh up from there, deploys and calls a function, and ends it", async () => {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    readonly version: string;
  };
  expect(await bunx("--version")).toMatchObject({ code: 0, stdout: `${version}\n` });
  const before = await host.snapshot();
  const up = await bunx("up", "--detach");
  expect(up).toMatchObject({ code: 0, stdout: expect.stringContaining("The mesh runs.") });
  expect(await bunx("up")).toMatchObject({ code: 1, stderr: expect.stringContaining("runs it already") });
  expect(
    await bunx("deploy", join(elsewhere, "node_modules/lambient/functions/examples/hello")),
  ).toMatchObject({ code: 0 });
  const answer = await bunx("invoke", "hello.hello");
  expect(JSON.parse(answer.stdout)).toMatchObject({ hello: "world" });
  expect(await bunx("down")).toMatchObject({ code: 0 });
  const { processes } = await host.snapshot();
  expect(processes.filter((line) => !before.processes.includes(line))).toEqual([]);
}, 60_000);
