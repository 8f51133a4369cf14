/** The node runtime as a process, with real slots, a scripted API and a scripted ztunnel. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { defaultScale, type RevisionSpec } from "#core/release/function-spec.ts";
import { errorText, meshErrorCode } from "#host/mesh-error.ts";
import { type NodeCaller, type NodeRuntimeHost, startNodeRuntime } from "../support/node-runtime.ts";
import type { ScriptedZtunnel } from "../support/scripted-ztunnel.ts";
import { waitUntil } from "../support/wait-until.ts";

let host: NodeRuntimeHost;
let ztunnel: ScriptedZtunnel;

beforeAll(async () => {
  host = await startNodeRuntime({ flags: ["--pool-size", "2"] });
  ztunnel = await host.connectZtunnel();
  await host.whenReady();
}, 30_000);

afterAll(async () => {
  await host[Symbol.asyncDispose]();
}, 30_000);

const hello = `export default { fetch: (request, env) => new Response("hello " + env.NAME + " " + env.TOKEN) };`;

/** Adds a revision and waits until the node runtime knows it. */
async function deploy(name: string, code: string, part: Partial<RevisionSpec> = {}): Promise<string> {
  const uid = host.api.addRevision(name, code, part);
  await waitUntil(`${uid} is known`, async () => {
    const { revisions = [] } = await host.readDump();
    return revisions.some(({ revision }) => revision === uid);
  });
  return uid;
}

async function whenGone(caller: NodeCaller, instance: unknown): Promise<unknown> {
  const told = await waitUntil(`${String(instance)} is gone`, () =>
    caller.told.find(({ method, params }) => method === "instance-gone" && params["instance"] === instance),
  );
  return told.params["reason"];
}

test("an activated function answers in its slot with its variables and secrets, and has its identity", async () => {
  host.api.put("secrets", {
    metadata: { namespace: "shop", name: "api" },
    data: { token: btoa("s3cret") },
  } as never);
  const revision = await deploy("cart-v1", hello, {
    env: { NAME: "cart" },
    secrets: { TOKEN: { secret: "api", key: "token" } },
  });
  using waypoint = await host.call("waypoint");
  const given = await waypoint.ask("activate", { revision });
  expect(given).toMatchObject({
    port: 8080,
    identity: "spiffe://cluster.local/ns/shop/sa/cart",
  });
  const { rung } = given;
  expect(["pooled", "new"]).toContain(String(rung));
  const address = String(given["address"]);
  expect(address).toMatch(/^10\.244\.0\.\d+$/);
  const slot = [...ztunnel.slots.values()].find((each) => each.address === address);
  expect(slot).toMatchObject({
    nameserver: "10.96.0.10",
    assigned: { revision, namespace: "shop", serviceAccount: "cart" },
  });
  expect(await ztunnel.ask(address)).toEndWith("hello cart s3cret");
  expect(await waypoint.ask("activate", { revision })).toEqual({ ...given, rung: "running" });
  using admin = await host.call("admin");
  const { instances } = await admin.ask("instances");
  expect(instances).toContainEqual({
    instance: given["instance"],
    function: "cart",
    revision: "cart-v1",
    namespace: "shop",
    address,
    state: "running",
    rung,
    startedAtMs: expect.any(Number),
  });
  expect(await host.readMetrics()).toContain(
    `lambient_activations_total{rung="${String(rung)}",result="ok"}`,
  );
}, 30_000);

test("no user code runs before ztunnel has acknowledged whose the slot is", async () => {
  const code = `const loadedAtMs = Date.now(); console.log("it runs"); export default { fetch: () => new Response(String(loadedAtMs)) };`;
  const revision = await deploy("strict-v1", code);
  // Both the function's slot and the check's are needed before ztunnel is held up, which no new slot would pass.
  await waitUntil("two slots are ready", async () => {
    const { slots } = (await host.readDump()) as unknown as { slots: { ready: number } };
    return slots.ready === 2;
  });
  const acknowledged = Promise.withResolvers<void>();
  ztunnel.withhold = ({ case: kind }) => (kind === "assign" ? acknowledged.promise : undefined);
  using waypoint = await host.call("waypoint");
  using controlPlane = await host.call("control-plane");
  const asked = waypoint.ask("activate", { revision });
  await waitUntil("it is told to come", () =>
    waypoint.told.some(({ method }) => method === "instance-coming"),
  );
  // The same module loads whole in a slot that waits for nothing: so long, at least, the other one did not run.
  const spec = host.api.revisionSpec("strict-v1", code);
  expect(
    await controlPlane.ask("check", { revision: { namespace: "shop", name: "strict-v1", spec } }),
  ).toEqual({
    loaded: true,
    handlers: ["fetch"],
  });
  const names = { namespace: "shop", function: spec.function };
  const text = async () => JSON.stringify(await controlPlane.ask("logs", names));
  expect(await text()).not.toContain("it runs");
  const acknowledgedAtMs = Date.now();
  acknowledged.resolve();
  ztunnel.withhold = () => undefined;
  const { address } = await asked;
  const loadedAtMs = Number((await ztunnel.ask(String(address))).split("\r\n").at(-1));
  expect(loadedAtMs).toBeGreaterThanOrEqual(acknowledgedAtMs);
  await waitUntil("its line is there", async () => (await text()).includes("it runs"));
}, 30_000);

test("an instance whose waypoint leaves stops after its idle time; one that is released idle stops at once", async () => {
  const revision = await deploy("idle-v1", hello, { scale: { ...defaultScale, idleMs: 300 } });
  const first = await host.call("waypoint");
  const given = await first.ask("activate", { revision });
  const address = String(given["address"]);
  first[Symbol.dispose]();
  await waitUntil(
    "ztunnel is told",
    () => ![...ztunnel.slots.values()].some((slot) => slot.address === address),
  );
  using second = await host.call("waypoint");
  const again = await second.ask("activate", { revision });
  expect(again["instance"]).not.toBe(given["instance"]);
  expect(again["address"]).not.toBe(address);
  await second.ask("release", { instance: again["instance"], idle: true });
  await waitUntil("it is gone", async () => {
    const { instances = [] } = await host.readDump();
    return instances.every(({ instance }) => instance !== again["instance"]);
  });
}, 30_000);

test("a crash is told with its reason, and the next call gets a new instance", async () => {
  const code = `export default { fetch: (request) => { if (request.url.endsWith("/die")) process.exit(3); return new Response("alive"); } };`;
  const revision = await deploy("crash-v1", code);
  using waypoint = await host.call("waypoint");
  const given = await waypoint.ask("activate", { revision });
  await ztunnel.ask(String(given["address"]), "/die").catch(() => "");
  expect(await whenGone(waypoint, given["instance"])).toBe("crash");
  const next = await waypoint.ask("activate", { revision });
  expect(next["instance"]).not.toBe(given["instance"]);
  expect(await ztunnel.ask(String(next["address"]))).toEndWith("alive");
}, 30_000);

test("calls at once share one instance; further ones start up to scale.max", async () => {
  const revision = await deploy("many-v1", hello, { scale: { ...defaultScale, max: 2 } });
  using waypoint = await host.call("waypoint");
  const both = await Promise.all([
    waypoint.ask("activate", { revision }),
    waypoint.ask("activate", { revision }),
  ]);
  expect(both[0]["instance"]).toBe(both[1]["instance"]);
  const further = await waypoint.ask("activate", { revision, further: true });
  expect(further["instance"]).not.toBe(both[0]["instance"]);
  expect(await waypoint.ask("activate", { revision, further: true }).catch(errorText)).toBe(
    "Cannot activate shop/many-v1: all 2 of scale.max 2 instances run already",
  );
}, 30_000);

const broken: [string, string, string][] = [
  ["does not parse", "export default {", "load failed: Cannot parse the bundle"],
  [
    "throws at import",
    `throw new Error("no luck");`,
    "load failed: Cannot import the bundle: it threw: Error: no luck",
  ],
  ["exports no fetch", "export default { get() {} };", "load failed: Cannot find a fetch handler"],
  ["exits at import", "process.exit(4);", "load failed: Cannot load the function: its process exited with 4"],
  ["never settles", "await new Promise(() => {});", "load failed: the bundle's import did not settle within"],
];
test.each(broken)(
  "a bundle that %s is told so by check and by activate",
  async (_, code, reason) => {
    const scale = { ...defaultScale, activationTimeoutMs: 700 };
    using controlPlane = await host.call("control-plane");
    const spec = host.api.revisionSpec("broken-v1", code, { scale });
    const checked = await controlPlane.ask("check", {
      revision: { namespace: "shop", name: "broken-v1", spec },
    });
    expect(checked["loaded"]).toBe(false);
    expect(checked["reason"]).toStartWith(reason);
    const revision = await deploy(`broken${broken.findIndex((row) => row[1] === code)}-v1`, code, { scale });
    using waypoint = await host.call("waypoint");
    const refused = await waypoint.ask("activate", { revision }).catch((error: unknown) => error);
    expect(errorText(refused)).toMatch(/^(load failed: |Cannot start )/);
    expect(meshErrorCode(refused)).toBe(code.startsWith("await") ? "timeout" : "unavailable");
  },
  30_000,
);

test("a good bundle passes its check, with or without its secrets' network", async () => {
  using controlPlane = await host.call("control-plane");
  const spec = host.api.revisionSpec("fine-v1", `export default { fetch() {}, scheduled() {} };`);
  expect(await controlPlane.ask("check", { revision: { namespace: "shop", name: "fine-v1", spec } })).toEqual(
    {
      loaded: true,
      handlers: ["fetch", "scheduled"],
    },
  );
  const missing = host.api.revisionSpec("fine-v2", hello, { secrets: { T: { secret: "none", key: "k" } } });
  expect(
    await controlPlane.ask("check", { revision: { namespace: "shop", name: "fine-v2", spec: missing } }),
  ).toEqual({
    loaded: false,
    reason: "Cannot read Secret shop/none: it does not exist; create it and deploy again",
  });
}, 30_000);

test("a revision whose signature is wrong is never run", async () => {
  const revision = await deploy("forged-v1", hello, { signature: Buffer.alloc(64).toString("base64") });
  using waypoint = await host.call("waypoint");
  expect(await waypoint.ask("activate", { revision }).catch(errorText)).toBe(
    "Cannot activate shop/forged-v1: Cannot accept revision shop/forged-v1 as released by this mesh: its signature does not fit its content",
  );
  expect([...ztunnel.slots.values()].every((slot) => slot.assigned?.revision !== revision)).toBe(true);
}, 30_000);

test("what instances write is kept across their deaths, and can be followed", async () => {
  const code = `console.log("loaded"); export default { fetch: () => { console.error("served"); return new Response("x"); } };`;
  const revision = await deploy("talk-v1", code);
  using waypoint = await host.call("waypoint");
  using admin = await host.call("admin");
  const given = await waypoint.ask("activate", { revision });
  const name = { namespace: "shop", function: "talk" };
  const read = async (query: object = {}) => {
    const { lines, cursor } = await admin.ask("logs", { ...name, ...query });
    return { lines: lines as { text: string; stream: string; revision: string }[], cursor };
  };
  const first = await waitUntil("its first line is kept", async () => {
    const found = await read();
    return found.lines.length > 0 ? found : undefined;
  });
  expect(first.lines).toMatchObject([
    { text: "loaded", stream: "stdout", revision: "talk-v1", instance: given["instance"] },
  ]);
  const following = read({ cursor: first.cursor, waitMs: 20_000 });
  await ztunnel.ask(String(given["address"]));
  expect((await following).lines).toMatchObject([{ text: "served", stream: "stderr" }]);
  await waypoint.ask("release", { instance: given["instance"], idle: true });
  await waypoint.ask("activate", { revision });
  await waitUntil("three lines are kept", async () => (await read()).lines.length === 3);
  expect((await read({ tailLines: 1 })).lines).toMatchObject([{ text: "loaded" }]);
}, 30_000);

test("a schedule runs its handler in a trace of its own, and says when and how", async () => {
  const code = `export default { fetch() {}, scheduled: (event) => { console.log("ran", event.cron); } };`;
  const revision = await deploy("report-v1", code);
  host.api.put("functions", {
    metadata: { namespace: "shop", name: "report" },
    spec: { schedules: [{ cron: "* * * * * *" }] },
    status: { latestReadyRevision: "v1" },
  } as never);
  using admin = await host.call("admin");
  const done = await waitUntil("it has run", async () => {
    const { schedules } = await admin.ask("schedules");
    return (schedules as Record<string, unknown>[]).find(({ lastResult }) => lastResult === "succeeded");
  });
  expect(done).toMatchObject({ namespace: "shop", function: "report", cron: "* * * * * *" });
  const { lines } = await admin.ask("logs", { namespace: "shop", function: "report" });
  expect(JSON.stringify(lines)).toContain("ran * * * * * *");
  const span = await waitUntil("its span has come", () =>
    host.api.traces.find((body) => body.includes('"name":"scheduled"')),
  );
  expect(span).toContain('"stringValue":"function"');
  expect(span).toContain("report-v1-");
  host.api.remove("functions", "shop", "report");
  host.api.remove("revisions", "shop", "report-v1");
  await waitUntil("its instances are stopped", async () => {
    const { instances = [] } = await host.readDump();
    return instances.every((each) => `shop/${String(each["revision"])}` !== revision);
  });
}, 30_000);

test("a sampled request's span is exported as its instance's, with the caller's trace", async () => {
  const revision = await deploy("traced-v1", hello);
  using waypoint = await host.call("waypoint");
  const given = await waypoint.ask("activate", { revision });
  const traceId = "7".repeat(32);
  const traceparent = `00-${traceId}-${"8".repeat(16)}-01`;
  await ztunnel.ask(String(given["address"]), "/seen", { traceparent });
  const body = await waitUntil("its span has come", () =>
    host.api.traces.find((each) => each.includes(traceId)),
  );
  for (const part of ["function", String(given["instance"]), "traced-v1", "GET /seen", "8".repeat(16)])
    expect(body).toContain(`"${part}"`);
}, 30_000);

test("a ztunnel that comes back is given every slot and every running instance again", async () => {
  const revision = await deploy("stay-v1", hello);
  using waypoint = await host.call("waypoint");
  const given = await waypoint.ask("activate", { revision });
  ztunnel.close();
  const meanwhile = waypoint.ask("activate", { revision: await deploy("later-v1", hello) });
  ztunnel = await host.connectZtunnel();
  await waitUntil("the snapshot is there", () => ztunnel.isSnapshotSent);
  const slot = [...ztunnel.slots.values()].find((each) => each.address === given["address"]);
  expect(slot?.assigned?.revision).toBe(revision);
  expect(await ztunnel.ask(String((await meanwhile)["address"]))).toContain("200 OK");
}, 30_000);

test("a ztunnel that refuses a slot's identity fails that activation only", async () => {
  const revision = await deploy("refused-v1", hello);
  using waypoint = await host.call("waypoint");
  ztunnel.refuse = (payload) => (payload.case === "assign" ? "no certificate" : undefined);
  expect(await waypoint.ask("activate", { revision }).catch(errorText)).toContain(
    'ztunnel says "no certificate"',
  );
  ztunnel.refuse = () => undefined;
  expect(await waypoint.ask("activate", { revision })).toMatchObject({
    identity: "spiffe://cluster.local/ns/shop/sa/refused",
  });
}, 30_000);
