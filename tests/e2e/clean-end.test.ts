import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { cgroupPath } from "../../runtime/cli/supervisor/cgroup-path.ts";
import { findLeaks, type HostSnapshot, listCgroups } from "../support/host-snapshot.ts";
import { lambient, startMesh } from "../support/mesh.ts";
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

/** The seed of this run's moments; a failure is repeated with it. */
const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const moments = 20;

/** Numbers from 0 to 1 that a seed fixes (mulberry32). */
function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function leaks(runDir: string, ...cgroups: readonly string[]): Promise<string[]> {
  const groups = new Set(cgroups);
  const look = async (): Promise<string[]> => [
    ...findLeaks(before, await host.snapshot()),
    ...listCgroups(groups).map((path) => `cgroup: ${path}`),
    ...(existsSync(runDir) ? [`run folder: ${runDir}`] : []),
  ];
  await waitUntil("nothing is left", async () => (await look()).length === 0, 3000).catch(() => {});
  return look();
}

test("a mesh that served ends with nothing left, and so does the next on the same data", async () => {
  const folder = mkdtempSync(join(host.dir, "twice-"));
  const place = { host, runDir: join(folder, "run"), dataDir: join(folder, "data") };
  const first = await startMesh(place);
  await first.deployFunctions("a", {
    hello: { source: `export default { fetch: () => new Response("hi") };` },
  });
  expect((await first.call("hello.a")).body).toBe("hi");
  await first.down();
  expect(await leaks(place.runDir, first.cgroup)).toEqual([]);
  const second = await startMesh({ ...place, flags: ["--verbose"] });
  await waitUntil("the log is shown", async () =>
    (await second.up.output()).stderr.includes("control plane runs"),
  );
  // What was deployed is still there.
  expect((await second.call("hello.a")).body).toBe("hi");
  await second.up.signal("SIGINT");
  expect((await second.up.wait()).code).toBe(0);
  expect(await leaks(place.runDir, second.cgroup)).toEqual([]);
}, 60_000);

test("while a mesh runs, the host's network and mounts are as they were, and it listens on two ports of loopback", async () => {
  // The IPv6 tables change by themselves while the kernel makes sure of the wire's link-local address.
  const tables = ["route", "fib_trie"];
  const read = async (): Promise<string[]> => {
    const texts = await Promise.all(tables.map((table) => host.run(["cat", `/proc/net/${table}`])));
    return texts.map(({ stdout }) => stdout);
  };
  const networkBefore = await read();
  const mesh = await startMesh({ host });
  await mesh.deployFunctions("a", {
    hello: { source: `export default { fetch: () => new Response("hi") };` },
  });
  expect((await mesh.call("hello.a")).body).toBe("hi");
  expect(await read()).toEqual(networkBefore);
  const { links, mounts, sockets } = await host.snapshot();
  expect({ links, mounts }).toEqual({ links: before.links, mounts: before.mounts });
  const listeners = sockets.filter((socket) => socket.startsWith("tcp"));
  // 127.0.0.1 with 7443 and 8080, as the kernel writes them.
  expect(listeners.toSorted()).toEqual(["tcp 0100007F:1D13", "tcp 0100007F:1F90"]);
  await mesh.down();
  expect(await mesh.leaks()).toEqual([]);
});

test(`killed at ${moments} moments of seed ${seed}, the next run leaves nothing of either`, async () => {
  const random = randomFrom(seed);
  const folder = mkdtempSync(join(host.dir, "killed-"));
  const [runDir, dataDir] = [join(folder, "run"), join(folder, "data")];
  const flags = ["--run-dir", runDir, "--data-dir", dataDir, "--pool-size", "1"];
  const timed = await startMesh({ host, runDir, dataDir, flags: ["--pool-size", "1"] });
  await timed.down();
  const groups = new Set([timed.cgroup]);
  for (let moment = 0; moment < moments; moment++) {
    const phase = random();
    const up = await host.spawn([...lambient, "up", ...flags]);
    // Three in four during the start, the rest during the end.
    if (phase >= 0.75) {
      await waitUntil("it runs", async () => (await up.output()).stdout.includes("The mesh runs."), 60_000);
      await up.signal("SIGTERM");
    }
    await Bun.sleep(random() * (phase < 0.75 ? 1500 : 300)); // the moment is what is tested
    await up.signal("SIGKILL").catch(() => {}); // it had ended
    await up.wait();
    // Where there is no lock the end was complete.
    if (existsSync(join(runDir, "lock"))) groups.add(cgroupPath(runDir));
  }
  const last = await startMesh({ host, runDir, dataDir });
  await last.down();
  expect(await leaks(runDir, ...groups, last.cgroup)).toEqual([]);
}, 240_000);

test("when the supervisor is killed, functions go on being served; the next run takes over cleanly", async () => {
  const folder = mkdtempSync(join(host.dir, "orphan-"));
  const place = { host, runDir: join(folder, "run"), dataDir: join(folder, "data") };
  const first = await startMesh(place);
  await first.deployFunctions("a", {
    hello: { source: `export default { fetch: () => new Response("hi") };`, scale: { idleMs: 0 } },
  });
  await first.up.signal("SIGKILL");
  await first.up.wait();
  // Cold starts included: each call finds no instance.
  for (let i = 0; i < 3; i++) expect((await first.call("hello.a")).body).toBe("hi");
  const second = await startMesh(place);
  expect((await second.call("hello.a")).body).toBe("hi");
  await second.down();
  expect(await leaks(place.runDir, first.cgroup, second.cgroup)).toEqual([]);
}, 60_000);

test.each(["control-plane", "ztunnel", "node-runtime", "edge"])(
  "%s is killed: the mesh serves again",
  async (program) => {
    const mesh = await startMesh({ host });
    await mesh.deployFunctions("a", {
      hello: { source: `export default { fetch: () => new Response("hi") };` },
    });
    expect((await mesh.call("hello.a")).body).toBe("hi");
    const pid = await mesh.pidOf(program);
    await host.run(["kill", "-9", String(pid)]);
    await waitUntil(
      "another one is ready",
      async () => (await mesh.command(["status"])).code === 0 && (await mesh.pidOf(program)) !== pid,
      30_000,
    );
    await waitUntil(
      "calls are answered",
      async () => (await mesh.call("hello.a", { timeoutMs: 5000 })).body === "hi",
      30_000,
    );
    await mesh.down();
    expect(await mesh.leaks()).toEqual([]);
  },
  90_000,
);
