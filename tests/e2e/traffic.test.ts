/** Traffic through live waypoints: a split counted over thousands of requests, and groups that sleep and wake between calls. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import type { IpAddress } from "#core/address/ip.ts";
import { startConnect } from "#host/linux/sockets.ts";
import { connectStream } from "#host/tunnel/socket-stream.ts";
import { type Mesh, startMesh } from "../support/mesh.ts";
import { waitUntil } from "../support/wait-until.ts";

const longMs = 30_000;
const waypointIdleMs = 300;
const functionIdleMs = 100;

let mesh: Mesh;
beforeAll(async () => {
  mesh = await startMesh({
    env: { LAMBIENT_WAYPOINT_IDLE_MS: String(waypointIdleMs) },
    flags: ["--pool-size", "6"],
  });
}, 60_000);
afterAll(async () => {
  await mesh.down();
  await mesh.host.close();
}, 60_000);

/** Sums a metric's series whose labels hold the texts; by the program's admin socket. */
async function metric(program: string, name: string, labels: readonly string[] = []): Promise<number> {
  const unix = join(mesh.runDir, "admin", `${program}.sock`);
  const text = await (await fetch("http://admin/metrics", { unix, keepalive: false })).text();
  return text
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => labels.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

/** Asks so often on one connection to the edge, one request after the other. @returns everything that was answered */
async function askOften(host: string, times: number): Promise<string> {
  const { libc, network } = mesh.host;
  // Sound: the address is canonical.
  const to = { address: "127.0.0.1" as IpAddress, port: Number(new URL(mesh.edge).port) };
  const stream = await connectStream({ kind: "fd", fd: startConnect(libc, network.fd, { to }) });
  const request = Buffer.from(`GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
  const over = Promise.withResolvers<string>();
  let answered = "";
  let count = 0;
  stream.handle({
    onData(bytes) {
      answered += Buffer.from(bytes).toString();
      const answers = answered.split(/<v\d>/).length - 1;
      if (answers === count) return;
      count = answers;
      if (count < times) stream.write(request);
      else over.resolve(answered);
    },
    onDrain() {},
    onEnd: () => over.resolve(answered),
    onClose: () => over.resolve(answered),
  });
  stream.write(request);
  const text = await over.promise;
  stream.reset();
  return text;
}

/** Requests that the waypoint counts as served by a revision of the split. */
function counted(version: string): Promise<number> {
  const labels = [`destination_version="price-${version}"`, 'response_code="200"'];
  return metric("waypoint.split.waypoint", "istio_requests_total", labels);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}

test("a split of 90 to 10 holds over more than 10 000 requests, by the replies and by the waypoint's own count", async () => {
  const source = `export default { fetch: (_, env) => new Response("<" + env.WORD + ">") };`;
  const price = { source, scale: { idleMs: 600_000, max: 1 } };
  await mesh.deployFunctions("split", { price: { ...price, revision: "v1", env: { WORD: "v1" } } });
  const traffic = [
    { revision: "v1", percent: 90 },
    { revision: "v2", percent: 10 },
  ];
  await mesh.deployFunctions("split", {
    price: { ...price, revision: "v2", env: { WORD: "v2" }, traffic },
  });
  await waitUntil(
    "both revisions answer",
    async () => (await askOften("price.split", 50)).includes("<v2>"),
    longMs,
  );
  const before = await Promise.all(["v1", "v2"].map(counted));
  const [connections, each] = [16, 700];
  const answers = await Promise.all(Array.from({ length: connections }, () => askOften("price.split", each)));
  const text = answers.join("");
  const of = (word: string): number => text.split(word).length - 1;
  const [v1, v2] = [of("<v1>"), of("<v2>")];
  const total = connections * each;
  expect([v1 + v2, of("HTTP/1.1 200")]).toEqual([total, total]);
  const after = await Promise.all(["v1", "v2"].map(counted));
  expect(after.map((count, i) => count - (before[i] ?? 0))).toEqual([v1, v2]);
  // Four standard deviations of a binomial share: outside of it once in 16 000 runs of a just split.
  const margin = 4 * Math.sqrt((0.1 * 0.9) / total);
  console.info(
    `${v2} of ${total} to v2: ${percent(v2 / total)}, wanted 10 % ± ${percent(margin)} (99.994 % interval)`,
  );
  expect(Math.abs(v2 / total - 0.1)).toBeLessThan(margin);
}, 60_000);

/** How often a waypoint was woken. */
function wakes(): Promise<number> {
  return metric("node-runtime", "lambient_waypoint_wake_milliseconds_count", ['result="awake"']);
}

test("a group that sleeps between calls, or is about to, fails none", async () => {
  const scale = { idleMs: functionIdleMs };
  await mesh.deployFunctions("nap", {
    front: {
      source: `export default { fetch: async () => new Response("front of " + (await (await fetch("http://back/")).text())) };`,
      scale,
    },
    back: { source: `export default { fetch: () => new Response("back") };`, scale },
  });
  const outcomes = new Map<string, number>();
  const callAtOnce = async (times: number): Promise<void> => {
    const answers = await Promise.all(Array.from({ length: times }, () => mesh.call("front.nap")));
    for (const { status, body } of answers)
      outcomes.set(`${status} ${body}`, (outcomes.get(`${status} ${body}`) ?? 0) + 1);
  };
  const before = await wakes();
  for (let round = 0; round < 10; round++) {
    await callAtOnce(1 + (round % 5));
    if (round < 3)
      await waitUntil(
        "the group sleeps",
        async () => (await mesh.instances()).every((one) => one.namespace !== "nap"),
        longMs,
      );
  }
  // Around the moment of falling asleep: not to wait for it, but to meet it.
  for (let round = 0; round < 24; round++) {
    await callAtOnce(1 + (round % 3));
    await Bun.sleep(functionIdleMs + waypointIdleMs - 40 + 7 * round);
  }
  const slept = (await wakes()) - before;
  const calls = [...outcomes.values()].reduce((sum, count) => sum + count, 0);
  console.info(`${calls} calls, ${slept} wakes`);
  expect([...outcomes.keys()]).toEqual(["200 front of back"]);
  expect(slept).toBeGreaterThan(5);
}, 90_000);

test("a function has its variables, secrets and bindings, and its lines are read across instances that are gone", async () => {
  const secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "keys" },
    stringData: { main: "open sesame" },
  };
  await mesh.deployFunctions(
    "env",
    {
      asker: {
        source: `const id = crypto.randomUUID();
          export default {
            async fetch(_, env) {
              console.log("line of", id);
              const bound = await env.OTHER.fetch("http://any/path?x=1", { method: "POST", body: "said" });
              return Response.json({ id, word: env.WORD, key: env.KEY, bound: await bound.text() });
            },
          };`,
        env: { WORD: "word" },
        secrets: { KEY: { secret: "keys", key: "main" } },
        bindings: [{ name: "OTHER", function: "other" }],
        scale: { idleMs: functionIdleMs },
      },
      other: {
        source: `export default { fetch: async (request) =>
          new Response([request.method, new URL(request.url).pathname, await request.text()].join(" ")) };`,
      },
    },
    { objects: JSON.stringify(secret) },
  );
  const ids: string[] = [];
  for (let i = 0; i < 3; i++) {
    const { id, ...rest } = JSON.parse((await mesh.call("asker.env")).body) as Record<string, string>;
    expect(rest).toEqual({ word: "word", key: "open sesame", bound: "POST /path said" });
    ids.push(id ?? "");
    await waitUntil(
      "the instance is gone",
      async () =>
        (await mesh.instances()).every((one) => one.namespace !== "env" || one.function !== "asker"),
      longMs,
    );
  }
  expect(new Set(ids).size).toBe(3);
  const lines = await waitUntil("all lines are there", async () => {
    const told = await mesh.json<{ readonly text: string; readonly instance: string }[]>("logs", "asker.env");
    return told.length >= 3 ? told : undefined;
  });
  expect(lines.map(({ text }) => text)).toEqual(ids.map((id) => `line of ${id}`));
  expect(new Set(lines.map(({ instance }) => instance)).size).toBe(3);
}, 60_000);
