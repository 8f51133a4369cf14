/** A waypoint that is killed under load: what was under way is answered as failed and never served twice, the rest is served by a new one. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type Mesh, startMesh } from "../support/mesh.ts";
import { findProcesses } from "../support/mesh-node.ts";
import { internetAddress } from "../support/test-host.ts";
import { waitUntil } from "../support/wait-until.ts";

setDefaultTimeout(60_000);

/** One that is killed again and again is started ever later. */
const recoverMs = 30_000;

let mesh: Mesh;
let witness: Bun.Server<undefined>;
/** How often each call was begun. */
const begun = new Map<string, number>();
beforeAll(async () => {
  mesh = await startMesh({ flags: ["--pool-size", "3"] });
  witness = mesh.host.onInternet(() =>
    Bun.serve({ hostname: internetAddress, port: 0, idleTimeout: 0, fetch: (request) => note(request.url) }),
  );
  const at = `${internetAddress}:${witness.port}`;
  const scale = { concurrency: 100, max: 1, idleMs: 1000 };
  await mesh.deployFunctions("w", { work: { source: work, scale, env: { WITNESS: at }, egress: [at] } });
});
afterAll(async () => {
  await mesh.down();
  expect(await mesh.leaks()).toEqual([]);
  await witness.stop(true);
  await mesh.host.close();
}, 30_000);

/** Takes its time, and tells the witness, who outlives it, of each call that it begins to serve. */
const work = `export default { async fetch(request, env) {
  const { pathname, searchParams } = new URL(request.url);
  await request.text();
  await fetch("http://" + env.WITNESS + "/" + searchParams.get("id"));
  await Bun.sleep(pathname === "/slow" ? 30_000 : 20);
  return new Response("worked");
} };`;

function note(url: string): Response {
  const id = new URL(url).pathname.slice(1);
  begun.set(id, (begun.get(id) ?? 0) + 1);
  return new Response("noted");
}

interface Waypoint {
  readonly namespace: string;
  readonly state: string;
  readonly pid?: number;
}

/** The process that serves the group, by its number on the mesh's host. */
async function waypointPid(): Promise<number | undefined> {
  const unix = join(mesh.runDir, "admin/node-runtime.sock");
  const { waypoints } = (await (await fetch("http://admin/config_dump", { unix })).json()) as {
    readonly waypoints: readonly Waypoint[];
  };
  return waypoints.find(({ namespace, state }) => namespace === "w" && state === "awake")?.pid;
}

/** Kills it, as its host would for want of memory. @returns its number */
async function killWaypoint(): Promise<number> {
  const pid = await waitUntil("the waypoint is awake", waypointPid, recoverMs);
  expect((await mesh.host.run(["kill", "-9", String(pid)])).code).toBe(0);
  return pid;
}

interface Call {
  readonly id: string;
  readonly status: number;
  readonly body: string;
}

async function call(id: string, path = "/", method = "GET"): Promise<Call> {
  const body = method === "POST" ? { body: "x".repeat(1000) } : {};
  const answer = await mesh.call("work.w", { path: `${path}?id=${id}`, method, ...body });
  return { id, status: answer.status, body: answer.body };
}

/** A call that crosses with the kill fails, and says so; the edge notices, and a new waypoint serves. */
async function servedAgain(killed = 0): Promise<void> {
  const statuses: number[] = [];
  await waitUntil(
    "a call is served",
    async () => {
      const { status } = await call(crypto.randomUUID());
      statuses.push(status);
      return status === 200;
    },
    recoverMs,
  );
  expect(statuses.filter((status) => ![200, 502, 503].includes(status))).toEqual([]);
  expect(await waypointPid()).not.toBe(killed);
}

const programs = ["k8s/control-plane/main.ts", "ztunnel/main.ts", "functions/main.ts", "--edge"];

/** Descriptors that each program holds. */
function descriptors(): number[] {
  return programs.map((program) => {
    const [found] = findProcesses(mesh, program);
    return found === undefined ? 0 : readdirSync(`/proc/${found.pid}/fd`).length;
  });
}

/** Waypoints that the node runtime has started: those that serve, and the spare one. */
function genericWaypoints(): number {
  return findProcesses(mesh, "waypoint/main.ts").filter(({ command }) => command.includes("--generic"))
    .length;
}

test("calls under way are answered 502 at once and not served again, and the next ones by a new waypoint", async () => {
  for (const method of ["GET", "POST"]) {
    const ids = Array.from({ length: 8 }, () => crypto.randomUUID());
    const calls = ids.map((id) => call(id, "/slow", method));
    await waitUntil("all are under way", () => ids.every((id) => begun.get(id) === 1));
    const killed = await killWaypoint();
    const answers = await Promise.all(calls);
    expect(answers.map(({ status }) => status)).toEqual(ids.map(() => 502));
    await servedAgain(killed);
    expect(ids.map((id) => begun.get(id))).toEqual(ids.map(() => 1));
  }
});

/** Sixteen callers at once, while the waypoint is killed again and again, and a while longer. */
async function callWhileKilling(kills: number): Promise<readonly Call[]> {
  const load = { isOn: true };
  const answers: Call[] = [];
  const worker = async (method: string): Promise<void> => {
    while (load.isOn) answers.push(await call(crypto.randomUUID(), "/", method));
  };
  const someMore = async (): Promise<void> => {
    const { length } = answers;
    await waitUntil("calls are answered", () => answers.length > length + 50);
  };
  const workers = Array.from({ length: 16 }, (_, i) => worker(i % 2 === 0 ? "GET" : "POST"));
  for (let kill = 0; kill < kills; kill++) {
    await someMore();
    const killed = await killWaypoint();
    await waitUntil(
      "another waypoint serves",
      async () => {
        const pid = await waypointPid();
        return pid !== undefined && pid !== killed;
      },
      recoverMs,
    );
  }
  await someMore();
  load.isOn = false;
  await Promise.all(workers);
  return answers;
}

/** Until no worker is left: one that was still leased to a waypoint that is gone would stay. */
async function untilWorkersEnded(): Promise<void> {
  await waitUntil("no worker is left", async () =>
    (await mesh.instances()).every((instance) => instance.function !== "work"),
  );
}

test("under load nothing is served twice or lost without a word, and nothing of the killed ones is left", async () => {
  await servedAgain();
  // After one kill under load everything is there that is made once, and as many connections are kept as will be.
  const answers = [...(await callWhileKilling(1))];
  await untilWorkersEnded();
  const before = descriptors();
  answers.push(...(await callWhileKilling(3)));
  const statuses = new Set(answers.map(({ status }) => status));
  expect([...statuses].filter((status) => ![200, 502, 503].includes(status))).toEqual([]);
  expect(answers.slice(-16).map(({ status }) => status)).toEqual(Array.from({ length: 16 }, () => 200));
  expect([...begun.values()].filter((times) => times > 1)).toEqual([]);
  expect(answers.filter(({ id, status }) => status === 200 && begun.get(id) !== 1)).toEqual([]);
  await untilWorkersEnded();
  await waitUntil("those that serve, and a spare one, run", () => genericWaypoints() <= 3);
  const after = { counts: descriptors() };
  await waitUntil("no program holds more descriptors", () => {
    after.counts = descriptors();
    return after.counts.every((count, i) => count <= (before[i] ?? 0));
  }).catch(() => expect(after.counts).toEqual(before));
});
