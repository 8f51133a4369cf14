/** Two meshes whose run folders have the same path in two mount namespaces: neither takes the other's processes for leftovers of its own. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  commandFake,
  fakeGroups,
  type FakePlace,
  readFakeTrace,
  superviseFakes,
  untilRunning,
} from "../support/fake-mesh.ts";
import { listCgroups } from "../support/host-snapshot.ts";
import { openTestHost, type TestHost } from "../support/test-host.ts";

setDefaultTimeout(60_000);

const programs = ["control-plane", "ztunnel", "node-runtime", "node", "edge"];
let hosts: readonly TestHost[];
let folder: string;
beforeAll(async () => {
  hosts = [await openTestHost(), await openTestHost()];
  folder = mkdtempSync(join(tmpdir(), "lambient-same-"));
});
afterAll(async () => {
  for (const host of hosts) await host.close();
  rmSync(folder, { recursive: true, force: true });
});

type Mount = (host: TestHost, at: string) => readonly string[];

/** What the one path is in each of the two mount namespaces. */
const mounts: [string, Mount][] = [
  ["file systems of their own", (_host, at) => ["-t", "tmpfs", "-o", "mode=700", "none", at]],
  ["two folders of one file system", (host, at) => ["--bind", mkdtempSync(join(host.dir, "bound-")), at]],
];

function alivePids(at: FakePlace): Promise<Set<number>> {
  return at.host
    .snapshot()
    .then(({ processes }) => new Set(processes.map((line) => Number(line.split(" ")[0]))));
}

function pidsOf(at: FakePlace): number[] {
  return programs.map((name) => readFakeTrace(at, name).pid);
}

/** The first mesh's processes are those that it started with, and its supervisor has not had to start one again. */
async function expectUntouched(at: FakePlace, pids: readonly number[]): Promise<void> {
  expect(pidsOf(at)).toEqual([...pids]);
  const alive = await alivePids(at);
  expect(pids.filter((pid) => !alive.has(pid))).toEqual([]);
  const status = await commandFake(at, "status", "-o", "json");
  const told = JSON.parse(status.stdout) as { readonly programs: { state: string; restarts: number }[] };
  expect(told.programs.map(({ state, restarts }) => [state, restarts])).toEqual(
    programs.map(() => ["ready", 0]),
  );
}

test.each(mounts)("on %s they live beside each other", async (_name, mount) => {
  const runDir = mkdtempSync(join(folder, "run-"));
  const [one, other] = await Promise.all(
    hosts.map(async (host): Promise<FakePlace> => {
      expect((await host.run(["mount", ...mount(host, runDir)])).code).toBe(0);
      const dataDir = join(host.dir, crypto.randomUUID());
      mkdirSync(dataDir);
      return { host, runDir, dataDir, runs: [] };
    }),
  );
  if (one === undefined || other === undefined) throw new Error("two hosts were opened");
  const first = await superviseFakes(one);
  await untilRunning(first);
  const pids = pidsOf(one);

  const second = await superviseFakes(other);
  await untilRunning(second);
  await expectUntouched(one, pids);

  // A killed mesh's programs are found by the next run of its folder: its own, and no other's.
  const orphans = pidsOf(other);
  await second.signal("SIGKILL");
  await second.wait();
  const third = await superviseFakes(other);
  await untilRunning(third);
  const alive = await alivePids(other);
  expect(orphans.filter((pid) => alive.has(pid))).toEqual([]);
  await expectUntouched(one, pids);

  // So does "down" after the supervisor was killed.
  await third.signal("SIGKILL");
  await third.wait();
  expect((await commandFake(other, "down")).stderr).toContain("The supervisor was killed");
  await expectUntouched(one, pids);

  expect(listCgroups(await fakeGroups(other))).toEqual([]);
  expect((await commandFake(one, "down")).code).toBe(0);
  expect(await first.wait()).toMatchObject({ code: 0 });
  expect(listCgroups(await fakeGroups(one))).toEqual([]);
});
