import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { importSPKI, jwtVerify } from "jose";
import {
  commandFake,
  fakeGroups,
  type FakePlace,
  readFakeTrace,
  superviseFakes,
  untilRunning,
} from "../support/fake-mesh.ts";
import { findLeaks, type HostSnapshot, listCgroups } from "../support/host-snapshot.ts";
import { openTestHost, type TestHost } from "../support/test-host.ts";
import { waitUntil } from "../support/wait-until.ts";

setDefaultTimeout(60_000);

let host: TestHost;
let before: HostSnapshot;

beforeAll(async () => {
  host = await openTestHost();
  before = await host.snapshot();
});
afterAll(() => host.close());

function place(): FakePlace {
  const folder = mkdtempSync(join(host.dir, "m-"));
  return { host, runDir: join(folder, "run"), dataDir: join(folder, "data"), runs: [] };
}

async function expectClean(at: FakePlace): Promise<void> {
  // A killed process is gone for its parent a moment before it is gone from /proc.
  await waitUntil(
    "nothing is left",
    async () => findLeaks(before, await host.snapshot()).length === 0,
    3000,
  ).catch(() => {});
  expect(findLeaks(before, await host.snapshot())).toEqual([]);
  const groups = await fakeGroups(at);
  expect(groups.size).toBeGreaterThan(0);
  expect(listCgroups(groups)).toEqual([]);
  expect(existsSync(at.runDir)).toBe(false);
}

test("a mesh comes up in its namespaces, answers status, and down leaves nothing", async () => {
  const at = place();
  const it = await superviseFakes(at);
  await untilRunning(it);
  const [plane, ztunnel, runtime, edge] = ["control-plane", "ztunnel", "node-runtime", "edge"].map((name) =>
    readFakeTrace(at, name),
  );
  expect(ztunnel?.network).not.toBe(plane?.network);
  expect(ztunnel?.mount).not.toBe(plane?.mount);
  expect(runtime).toMatchObject({ network: ztunnel?.network, mount: ztunnel?.mount, hostname: "node-0" });
  expect(edge).toMatchObject({ network: ztunnel?.network, mount: ztunnel?.mount });
  expect(edge?.listener).toStartWith("socket:");
  expect(plane?.listener).not.toStartWith("socket:");
  const [group] = await fakeGroups(at);
  expect(plane?.cgroup).toContain(`/${group}/control-plane/main`);
  const status = await commandFake(at, "status", "-o", "json");
  expect(status.code).toBe(0);
  const told = JSON.parse(status.stdout) as {
    readonly state: string;
    readonly programs: { name: string; state: string; pid: number }[];
  };
  expect(told.state).toBe("running");
  expect(told.programs.map(({ name, state }) => `${name} ${state}`)).toEqual([
    "control-plane ready",
    "ztunnel ready",
    "node-runtime ready",
    "node ready",
    "edge ready",
  ]);
  expect((await commandFake(at, "status")).stdout).toContain("node-runtime   ready");
  const down = await commandFake(at, "down", "-o", "json");
  expect({ code: down.code, told: JSON.parse(down.stdout) as unknown }).toEqual({
    code: 0,
    told: { run: at.runDir, supervisor: "stopped" },
  });
  expect(await it.wait()).toMatchObject({ code: 0 });
  await expectClean(at);
}, 30_000);

test("tokens name their program, are for their owner only, and are verified by the key beside them", async () => {
  const at = place();
  const it = await superviseFakes(at);
  await untilRunning(it);
  expect(statSync(at.runDir).mode & 0o777).toBe(0o700);
  const key = await importSPKI(readFileSync(join(at.runDir, "token-key.pem"), "utf8"), "ES256");
  const names = readdirSync(join(at.runDir, "tokens")).toSorted();
  expect(names).toEqual(["admin", "control-plane", "edge", "node", "node-runtime", "waypoint", "ztunnel"]);
  for (const name of names) {
    const path = join(at.runDir, "tokens", name);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const { payload } = await jwtVerify(readFileSync(path, "utf8"), key, { audience: "lambient" });
    expect(payload.sub).toBe(`system:lambient:${name}`);
  }
  expect(statSync(join(at.runDir, "kubeconfig")).mode & 0o777).toBe(0o600);
  await it.signal("SIGTERM");
  await it.wait();
  await expectClean(at);
}, 30_000);

test("a program that is killed is started again, without its leftovers, while the others go on", async () => {
  const at = place();
  const it = await superviseFakes(at);
  await untilRunning(it);
  const first = readFakeTrace(at, "node-runtime");
  const others = ["control-plane", "ztunnel", "edge"].map((name) => readFakeTrace(at, name).pid);
  await host.run(["kill", "-9", String(first.pid)]);
  await waitUntil("it runs again", () => readFakeTrace(at, "node-runtime").pid !== first.pid);
  const second = readFakeTrace(at, "node-runtime");
  expect(second.network).toBe(first.network);
  expect(["control-plane", "ztunnel", "edge"].map((name) => readFakeTrace(at, name).pid)).toEqual(others);
  await waitUntil("one sleep is left", async () => {
    const { processes } = await host.snapshot();
    return processes.filter((line) => line.includes("sleep 1000")).length === 1;
  });
  await it.signal("SIGTERM");
  await it.wait();
  await expectClean(at);
}, 30_000);

test("a second mesh in the same run folder is refused, naming the first; another folder is fine", async () => {
  const at = place();
  const it = await superviseFakes(at);
  await untilRunning(it);
  const second = await (await superviseFakes(at)).wait();
  expect(second.code).toBe(1);
  expect(second.stderr).toContain(`process ${it.pid} runs it already`);
  expect((await commandFake(at, "status")).code).toBe(0);
  const elsewhere = place();
  const other = await superviseFakes(elsewhere);
  await untilRunning(other);
  await other.signal("SIGTERM");
  await other.wait();
  await it.signal("SIGTERM");
  await it.wait();
  await expectClean(at);
}, 30_000);

test("a program that fails to start is named with its words, and nothing is left", async () => {
  const at = place();
  const { code, stderr } = await (await superviseFakes(at, "-", "fail ztunnel")).wait();
  expect(code).toBe(1);
  expect(stderr).toBe("Cannot start ztunnel: exit code 3; it said: Cannot run ztunnel: told so\n");
  await expectClean(at);
}, 30_000);

test("a program that ignores its end is killed with the deadline", async () => {
  const at = place();
  const it = await superviseFakes(at, "-", "deaf edge");
  await untilRunning(it);
  await it.signal("SIGTERM");
  expect((await it.wait()).code).toBe(0);
  await expectClean(at);
}, 30_000);

const steps = [
  "lock",
  "sweep",
  "tokens",
  "listen",
  "network",
  "start control-plane",
  "start ztunnel",
  "start node-runtime",
  "start node",
  "start edge",
  "publish",
  "running",
  "stop edge",
  "stop node",
  "stop node-runtime",
  "stop ztunnel",
  "stop control-plane",
  "kill what is left",
  "close the edge's listener",
  "remove the run folder",
];

test.each(steps)(
  "killed at the step %p, the next run sweeps what was left and ends clean",
  async (step) => {
    const at = place();
    const first = await superviseFakes(at, step);
    if (steps.indexOf(step) > steps.indexOf("running")) {
      await untilRunning(first);
      await first.signal("SIGTERM");
    }
    expect((await first.wait()).signal).toBe("SIGKILL");
    const second = await superviseFakes(at);
    await untilRunning(second);
    expect((await commandFake(at, "status")).code).toBe(0);
    await second.signal("SIGTERM");
    expect((await second.wait()).code).toBe(0);
    await expectClean(at);
  },
  30_000,
);

test("when the supervisor is killed its programs go on, and the next run takes their place", async () => {
  const at = place();
  const first = await superviseFakes(at);
  await untilRunning(first);
  await first.signal("SIGKILL");
  await first.wait();
  const old = readFakeTrace(at, "ztunnel").pid;
  const alive = (await host.snapshot()).processes.filter((line) => line.startsWith(`${old} `));
  expect(alive.length).toBe(1);
  const second = await superviseFakes(at);
  await untilRunning(second);
  expect((await host.snapshot()).processes.filter((line) => line.startsWith(`${old} `))).toEqual([]);
  await second.signal("SIGTERM");
  await second.wait();
  await expectClean(at);
}, 30_000);

test("after the supervisor was killed status says so, and down ends what it left", async () => {
  const at = place();
  const it = await superviseFakes(at);
  await untilRunning(it);
  await it.signal("SIGKILL");
  await it.wait();
  const status = await commandFake(at, "status");
  expect(status.code).toBe(1);
  expect(status.stderr).toContain("it was killed, and its programs serve on");
  expect(await commandFake(at, "down")).toMatchObject({
    code: 0,
    stderr:
      "The supervisor was killed: ending the programs that it left\nStopped: nothing of the mesh is left\n",
  });
  await expectClean(at);
});

test("the checker reports what is planted", async () => {
  const planted = await host.spawn(["sleep", "1000"]);
  await host.run(["mount", "-t", "tmpfs", "none", "/mnt"]);
  const leaks = findLeaks(before, await host.snapshot());
  expect(leaks.some((leak) => leak.startsWith(`processes: ${planted.pid}`))).toBe(true);
  expect(leaks).toContain("mounts: / at /mnt");
  await host.run(["umount", "/mnt"]);
  await planted.signal("SIGKILL");
  await planted.wait();
});
