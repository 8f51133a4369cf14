/** Functions as users of Kubernetes see them: applied with a bundle by its digest, their instances as Pods with logs, behind the calls and never in their way. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { PodObject } from "../../k8s/model/pod.ts";
import { type Mesh, startMesh } from "../support/mesh.ts";
import { waitUntil } from "../support/wait-until.ts";

setDefaultTimeout(30_000);

let mesh: Mesh;
beforeAll(async () => {
  mesh = await startMesh();
  await mesh.applyObjects("shop", "");
}, 90_000);
afterAll(async () => {
  await mesh.down();
  expect(await mesh.leaks()).toEqual([]);
  await mesh.host.close();
}, 60_000);

const source = `export default { fetch(request) {
  const { pathname } = new URL(request.url);
  console.log("asked for", pathname);
  if (pathname === "/die") process.exit(7);
  return new Response("hello");
} };`;

async function instancePods(name: string): Promise<readonly PodObject[]> {
  const path = `/api/v1/namespaces/shop/pods?labelSelector=lambient.dev/function=${name}`;
  const { status, body } = await mesh.apiFetch(path);
  expect(status).toBe(200);
  return (JSON.parse(body) as { items: readonly PodObject[] }).items;
}

async function push(name: string, text: string): Promise<string> {
  const path = join(mesh.host.dir, `${name}.ts`);
  writeFileSync(path, text);
  const { code, stdout, stderr } = await mesh.command(["bundle", "push", path]);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
  return stdout.trim();
}

async function applyFunction(name: string, bundle: string): Promise<void> {
  const object = {
    apiVersion: "lambient.dev/v1alpha1",
    kind: "Function",
    metadata: { name, namespace: "shop" },
    spec: { template: { bundle, scale: { idleMs: 1500 } } },
  };
  const { status, body } = await mesh.apiFetch("/apis/lambient.dev/v1alpha1/namespaces/shop/functions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(object),
  });
  if (status !== 201) throw new Error(`Cannot create the function: ${status} ${body}`);
  await waitUntil("it is ready", async () => {
    const answer = await mesh.apiFetch(`/apis/lambient.dev/v1alpha1/namespaces/shop/functions/${name}`);
    return /"type":"Ready","status":"True"/.test(answer.body);
  });
}

test("a bundle that was pushed is deployed by its digest; its instance is a Pod with a log, and says how it ended", async () => {
  await applyFunction("web", await push("web", source));
  expect((await mesh.call("web.shop", { path: "/one" })).body).toBe("hello");
  const [pod] = await waitUntil("the instance is shown", async () => {
    // Calls keep it awake until it has lived long enough to be shown.
    await mesh.call("web.shop", { path: "/again" });
    const pods = await instancePods("web");
    return pods[0]?.status?.phase === "Running" ? [pods[0]] : undefined;
  });
  const [instance] = await mesh.instances();
  expect(pod).toMatchObject({
    metadata: { name: instance?.instance ?? "", labels: { app: "web" } },
    status: { podIP: instance?.address ?? "", containerStatuses: [{ name: "function", ready: true }] },
  });
  const name = pod?.metadata.name ?? "";
  const log = await mesh.apiFetch(`/api/v1/namespaces/shop/pods/${name}/log`);
  expect(log.body).toStartWith("asked for /one\nasked for /again\n");
  await waitUntil(
    "it idles, and says so",
    async () => (await instancePods("web"))[0]?.status?.phase === "Succeeded",
  );
});

test("one that crashes has failed", async () => {
  await applyFunction("frail", await push("frail", source));
  await waitUntil("it is shown", async () => {
    await mesh.call("frail.shop", { path: "/" });
    return (await instancePods("frail"))[0]?.status?.phase === "Running";
  });
  await mesh.call("frail.shop", { path: "/die" });
  const failed = await waitUntil("it has failed", async () =>
    (await instancePods("frail")).find(({ status }) => status?.phase === "Failed"),
  );
  expect(failed.status?.containerStatuses?.[0]?.state.terminated).toMatchObject({
    exitCode: 1,
    reason: "Error",
  });
});

test("a manifest's functions are pushed together, each with its digest", async () => {
  const manifest = { namespace: "shop", functions: { a: { main: "./a.ts" }, b: { main: "./b.ts" } } };
  writeFileSync(join(mesh.host.dir, "lambient.jsonc"), JSON.stringify(manifest));
  for (const name of ["a", "b"]) writeFileSync(join(mesh.host.dir, `${name}.ts`), `${source} // ${name}`);
  const pushed = await mesh.json<readonly { name: string; digest: string }[]>(
    "bundle",
    "push",
    mesh.host.dir,
  );
  expect(pushed.map(({ name }) => name)).toEqual(["a", "b"]);
  const table = await mesh.command(["bundle", "push", mesh.host.dir]);
  expect(table.stdout).toContain("FUNCTION");
  const missing = await mesh.command(["bundle", "push", join(mesh.host.dir, "none.ts")]);
  expect([missing.code, missing.stderr]).toEqual([2, expect.stringContaining("Cannot bundle the function")]);
});
