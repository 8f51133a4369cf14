/** The node runtime as a process, with real slots, a scripted API and a scripted ztunnel. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { meshErrorCode } from "#host/mesh-error.ts";
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

async function known(revision: string, caller: NodeCaller): Promise<void> {
  // The watch tells it in its own time; asking for a revision of which nothing is known says not-found.
  await waitUntil(`${revision} is known`, async () => {
    const code = await caller.ask("activate", { revision }).then(() => "ok", meshErrorCode);
    return code !== "not-found";
  });
}

test("an activated function answers in its slot with its variables and secrets, and has its identity", async () => {
  host.api.put("secrets", {
    metadata: { namespace: "shop", name: "api" },
    data: { token: btoa("s3cret") },
  } as never);
  const revision = host.api.addRevision("cart-v1", hello, {
    env: { NAME: "cart" },
    secrets: { TOKEN: { secret: "api", key: "token" } },
  });
  using waypoint = await host.call("waypoint");
  await known(revision, waypoint);
  const given = await waypoint.ask("activate", { revision });
  expect(given).toMatchObject({
    port: 8080,
    identity: "spiffe://cluster.local/ns/shop/sa/cart",
    rung: "running",
  });
  const address = String(given["address"]);
  expect(address).toMatch(/^10\.244\.0\.\d+$/);
  const slot = [...ztunnel.slots.values()].find((each) => each.address === address);
  expect(slot).toMatchObject({
    nameserver: "10.96.0.10",
    assigned: { revision, namespace: "shop", serviceAccount: "cart" },
  });
  expect(await ztunnel.ask(address)).toEndWith("hello cart s3cret");
  using admin = await host.call("admin");
  expect(await admin.ask("instances")).toMatchObject({
    instances: [
      { function: "cart", revision: "cart-v1", namespace: "shop", address, state: "running", rung: "pooled" },
    ],
  });
}, 30_000);
