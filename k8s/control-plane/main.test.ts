/** The control plane as a process: objects go in by its API, and what proxies need comes out by discovery and authority. */
import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Authorization, AuthorizationSchema } from "#core/proto/istio/authorization_pb.js";
import { type Address, AddressSchema } from "#core/proto/istio/workload_pb.js";
import {
  type RevisionTemplate,
  RevisionTemplateSchema,
  type Waypoint,
  WaypointSchema,
} from "#core/proto/lambient/discovery_pb.js";
import { parseReleaseKey, verifyRelease } from "#core/release/release-signature.ts";
import { openAuthorityClient } from "#host/certificates/authority-client.ts";
import { openCertificateKeeper } from "#host/certificates/certificate-keeper.ts";
import { createKeyAndCsr } from "#host/certificates/key-and-csr.ts";
import { type Discovery, openDiscovery } from "#host/discovery/open-discovery.ts";
import { watchType } from "#host/discovery/watched-type.ts";
import { functionResource, gatewayResource, revisionResource } from "#host/kube/known-resources.ts";
import { openSpanExporter, postToStore } from "#host/spans/span-exporter.ts";
import { type ControlPlane, startControlPlane } from "../../tests/support/control-plane.ts";
import { scriptNodeRuntime } from "../../tests/support/scripted-node-runtime.ts";
import { spiffeId } from "../../tests/support/test-ca.ts";
import { waitUntil } from "../../tests/support/wait-until.ts";
import { authorizationPolicyResource } from "../model/authorization-policy.ts";
import { namespaceResource } from "../model/core-objects.ts";
import { httpRouteResource } from "../model/http-route.ts";

const code = 'export default { fetch() { return new Response("hello"); } };';
const bundle = `sha256:${createHash("sha256").update(code).digest("hex")}`;

function into<Message>(
  map: Map<string, Message>,
): (changed: readonly { name: string; message: Message }[], removed: readonly string[]) => void {
  return (changed, removed) => {
    for (const { name, message } of changed) map.set(name, message);
    for (const name of removed) map.delete(name);
  };
}

/** What a program's discovery holds at each moment. */
function follow(plane: ControlPlane, program: string) {
  const policies = new Map<string, Authorization>();
  const templates = new Map<string, RevisionTemplate>();
  const addresses = new Map<string, Address>();
  const waypoints = new Map<string, Waypoint>();
  const types =
    program === "ztunnel"
      ? [
          watchType(AuthorizationSchema, { onUpdate: into(policies) }),
          watchType(RevisionTemplateSchema, { onUpdate: into(templates) }),
          watchType(AddressSchema, { onUpdate: into(addresses) }),
        ]
      : [watchType(WaypointSchema, { onUpdate: into(waypoints) })];
  const discovery: Discovery = openDiscovery({ channel: plane.channel(program), nodeId: program, types });
  return { policies, templates, addresses, waypoints, discovery };
}

async function deploy(plane: ControlPlane, name: string, revision: string, env: Record<string, string> = {}) {
  const put = await plane.fetch("admin", `/bundles/${bundle}`, { method: "PUT", body: code });
  expect([200, 201]).toContain(put.status);
  const spec = { revision, template: { bundle, env } } as never;
  await plane.kube.create(functionResource, { metadata: { namespace: "shop", name }, spec });
}

const ready = async (plane: ControlPlane, name: string): Promise<string | undefined> =>
  (await plane.kube.get(functionResource, { namespace: "shop", name })).status?.conditions?.find(
    (each) => each.type === "Ready",
  )?.status;

test("a function becomes everything that proxies need, within its own namespace's rules", async () => {
  await using plane = await startControlPlane();
  using node = scriptNodeRuntime(plane.runDir);
  await plane.kube.create(namespaceResource, { metadata: { name: "shop" } });
  const ztunnel = follow(plane, "ztunnel");
  const waypoint = follow(plane, "waypoint");
  await deploy(plane, "price", "v1");
  await waitUntil("the function is ready", async () => (await ready(plane, "price")) === "True");
  expect(node.checked).toEqual(["shop/price-v1"]);

  const template = await waitUntil("the template is there", () => ztunnel.templates.get("shop/price-v1"));
  expect(template).toMatchObject({
    namespace: "shop",
    function: "price",
    serviceAccount: "price",
    trustDomain: "cluster.local",
    port: 8080,
    service: "shop/price.shop.svc.cluster.local",
    waypointIdentity: "spiffe://cluster.local/ns/shop/sa/waypoint",
    authorizationPolicies: [],
  });
  const gateway = await plane.kube.get(gatewayResource, { namespace: "shop", name: "waypoint" });
  expect(gateway.status?.addresses).toEqual([{ type: "IPAddress", value: "10.245.0.2" }]);
  const config = await waitUntil("the waypoint routes to the revision", () => {
    const found = waypoint.waypoints.get("shop/waypoint");
    return found?.services[0]?.routes.at(-1)?.backends[0]?.target.case === "revision" ? found : undefined;
  });
  expect(config.services[0]).toMatchObject({ name: "price", routes: [{ name: "default" }] });
  const edge = waypoint.waypoints.get("lambient-system/edge");
  expect(edge?.services[0]?.routes[0]?.backends[0]?.target).toMatchObject({
    case: "service",
    value: { hostname: "price.shop.svc.cluster.local", port: 80 },
  });

  node.answers.instances = [
    {
      instance: "price-v1-1",
      namespace: "shop",
      revision: "price-v1",
      function: "price",
      address: "10.244.0.9",
    },
  ];
  const workload = await waitUntil("the instance is a workload", () =>
    ztunnel.addresses.get("Kubernetes//Pod/shop/price-v1-1"),
  );
  expect(workload.type).toMatchObject({
    case: "workload",
    value: { serviceAccount: "price", canonicalName: "price" },
  });
  const reports = await plane.fetch("admin", "/lambient/v1/instances");
  expect(await reports.json()).toMatchObject({ instances: [{ instance: "price-v1-1" }] });

  const policy = {
    metadata: { namespace: "shop", name: "deny-other" },
    spec: { action: "DENY" as const, rules: [{ from: [{ source: { namespaces: ["other"] } }] }] },
  };
  await plane.kube.create(authorizationPolicyResource, policy);
  await waitUntil("the policy is there", () => ztunnel.policies.get("shop/deny-other"));
  await waitUntil("the template names the policy", () =>
    ztunnel.templates.get("shop/price-v1")?.authorizationPolicies.includes("shop/deny-other"),
  );
  await plane.kube.delete(authorizationPolicyResource, { namespace: "shop", name: "deny-other" });
  await waitUntil("the policy is gone", () => !ztunnel.policies.has("shop/deny-other"));
  await plane.kube.delete(functionResource, { namespace: "shop", name: "price" });
  await waitUntil("everything of the function is gone", () => ztunnel.templates.size === 0);
  await waitUntil("its waypoint is gone", () => !waypoint.waypoints.has("shop/waypoint"));
  ztunnel.discovery.close();
  waypoint.discovery.close();
}, 30_000);

test("a new revision that does not load leaves the last good one serving, with the reason in the status", async () => {
  await using plane = await startControlPlane();
  using node = scriptNodeRuntime(plane.runDir);
  node.answers.refused.set("shop/price-v2", "it exports no fetch");
  await plane.kube.create(namespaceResource, { metadata: { name: "shop" } });
  await deploy(plane, "price", "v1");
  await waitUntil("v1 is ready", async () => (await ready(plane, "price")) === "True");
  const key = { namespace: "shop", name: "price" };
  const change = { spec: { revision: "v2", template: { env: { A: "2" } } } };
  await plane.kube.patch(functionResource, key, { kind: "merge", value: change });
  await waitUntil("v2 is refused", async () => (await ready(plane, "price")) === "False");
  const refused = await plane.kube.get(functionResource, key);
  expect(refused.status).toMatchObject({
    latestRevision: "v2",
    latestReadyRevision: "v1",
    traffic: [{ revision: "v1", percent: 100 }],
    conditions: [{ type: "Ready", reason: "RevisionFailed", message: "revision v2: it exports no fetch" }],
  });
  // Other content under a name that exists.
  const other = { spec: { revision: "v1", template: { env: { A: "3" } } } };
  await plane.kube.patch(functionResource, key, { kind: "merge", value: other });
  const clash = await waitUntil("the clash is told", async () => {
    const found = await plane.kube.get(functionResource, key);
    return found.status?.conditions?.[0]?.reason === "RevisionExists" ? found : undefined;
  });
  expect(clash.status?.traffic).toEqual([{ revision: "v1", percent: 100 }]);
  // A split over both, once v2 is there with other content.
  node.answers.refused.clear();
  const split = {
    spec: {
      revision: "v3",
      traffic: [
        { revision: "v1", percent: 90 },
        { revision: "v3", percent: 10 },
      ],
    },
  };
  await plane.kube.patch(functionResource, key, { kind: "merge", value: split });
  await waitUntil("the split is applied", async () => (await ready(plane, "price")) === "True");
  const applied = await plane.kube.get(functionResource, key);
  expect(applied.status?.traffic).toEqual(split.spec.traffic);
}, 30_000);

test("revisions carry a signature that the published key verifies; keys are private files", async () => {
  await using plane = await startControlPlane();
  await plane.kube.create(namespaceResource, { metadata: { name: "shop" } });
  await deploy(plane, "price", "v1");
  const revision = await waitUntil("the revision is made", () =>
    plane.kube.get(revisionResource, { namespace: "shop", name: "price-v1" }),
  );
  const key = parseReleaseKey(readFileSync(join(plane.runDir, "release-key.pem"), "utf8"));
  if (!key.ok) throw new Error(key.error);
  const { namespace, name } = revision.metadata;
  expect(verifyRelease({ namespace, name, spec: revision.spec }, key.value)).toEqual({
    ok: true,
    value: true,
  });
  const forged = { ...revision.spec, function: "price", signature: revision.spec.signature };
  await plane.kube.create(revisionResource, { metadata: { namespace, name: "price-forged" }, spec: forged });
  await waitUntil("the forged one is refused", async () => {
    const found = await plane.kube.get(revisionResource, { namespace, name: "price-forged" });
    return found.status?.conditions?.some((each) => each.reason === "SignatureInvalid");
  });
  const stores = ["objects.sqlite", "objects.sqlite-wal", "spans.sqlite"];
  const modes = ["authority/root-key.pem", "authority/release-key", ...stores].map(
    (file) => statSync(join(plane.dataDir, file)).mode & 0o777,
  );
  expect(modes).toEqual(modes.map(() => 0o600));
}, 30_000);

test("the authority signs what a program may have, refuses the rest, and survives a restart with its root", async () => {
  await using plane = await startControlPlane({ flags: ["--svid-ttl-ms", "2000"] });
  await plane.kube.create(namespaceResource, { metadata: { name: "shop" } });
  await deploy(plane, "price", "v1");
  await waitUntil("the waypoint is there", () =>
    plane.kube.get(gatewayResource, { namespace: "shop", name: "waypoint" }),
  );
  const ask = async (program: string, identity: string): Promise<string> => {
    const client = openAuthorityClient({ channel: plane.channel(program) });
    const id = spiffeId(identity);
    const outcome = await client.sign(id, createKeyAndCsr(id).csrPem).then(
      () => "signed",
      (error: { code?: string }) => error.code ?? "",
    );
    client.close();
    return outcome;
  };
  expect(await ask("ztunnel", "ns/shop/sa/price")).toBe("signed");
  expect(await ask("ztunnel", "ns/lambient-system/sa/node")).toBe("signed");
  expect(await ask("waypoint", "ns/shop/sa/waypoint")).toBe("signed");
  expect(await ask("edge", "ns/lambient-system/sa/edge")).toBe("signed");
  const refused: readonly (readonly [string, string])[] = [
    ["ztunnel", "ns/shop/sa/waypoint"],
    ["ztunnel", "ns/shop/sa/other"],
    ["ztunnel", "ns/other/sa/price"],
    ["ztunnel", "spiffe://elsewhere/ns/shop/sa/price"],
    ["waypoint", "ns/shop/sa/price"],
    ["waypoint", "ns/lambient-system/sa/node"],
    ["edge", "ns/shop/sa/price"],
    ["edge", "ns/lambient-system/sa/node"],
    ["admin", "ns/shop/sa/price"],
    ["node-runtime", "ns/shop/sa/price"],
  ];
  for (const [program, identity] of refused) {
    expect([program, identity, await ask(program, identity)]).toEqual([program, identity, "not-permitted"]);
  }

  // A request for one identity under another's name.
  const client = openAuthorityClient({ channel: plane.channel("ztunnel") });
  const stolen = createKeyAndCsr(spiffeId("ns/shop/sa/other")).csrPem;
  const mismatch = await client.sign(spiffeId("ns/shop/sa/price"), stolen).catch((error: unknown) => error);
  expect(mismatch).toMatchObject({ code: "bad-input" });

  // A life of two seconds: renewed while the authority runs, good until it expires while it does not.
  const price = spiffeId("ns/shop/sa/price");
  const backoff = { firstMs: 20, longestMs: 50, jitter: 0 };
  const keeper = openCertificateKeeper({ sign: (id, csr) => client.sign(id, csr), backoff });
  const first = await keeper.get(price);
  await waitUntil("it is renewed", () => keeper.peek(price)?.serial !== first.serial);
  expect(keeper.peek(price)?.rootsPem).toBe(first.rootsPem);
  await plane.stop("SIGKILL");
  expect(keeper.peek(price)).toBeDefined();
  await waitUntil("it expires", () => keeper.states().get(price)?.kind === "expired");
  expect(await keeper.get(price).catch((error: unknown) => error)).toMatchObject({ code: "unavailable" });
  await plane.start();
  const again = await waitUntil("it is minted again", () => keeper.peek(price));
  expect(again.rootsPem).toBe(first.rootsPem);
  keeper.close();
  client.close();
}, 30_000);

test("routes split a service's traffic, and their status says what is wrong", async () => {
  await using plane = await startControlPlane();
  using _node = scriptNodeRuntime(plane.runDir);
  await plane.kube.create(namespaceResource, { metadata: { name: "shop" } });
  await deploy(plane, "price", "v1");
  await waitUntil("the function is ready", async () => (await ready(plane, "price")) === "True");
  const { waypoints, discovery } = follow(plane, "waypoint");
  const route = {
    metadata: { namespace: "shop", name: "beta" },
    spec: {
      parentRefs: [{ group: "", kind: "Service", name: "price" }],
      rules: [
        {
          matches: [{ headers: [{ name: "x-beta", value: "1" }] }],
          backendRefs: [
            { group: "lambient.dev", kind: "Revision", name: "price-v1", weight: 3 },
            { name: "nowhere", weight: 1 },
          ],
        },
      ],
    },
  };
  await plane.kube.create(httpRouteResource, route as never);
  const config = await waitUntil("the route is there", () =>
    waypoints.get("shop/waypoint")?.services[0]?.routes.find((each) => each.name === "shop/beta/0"),
  );
  expect(config.matches[0]?.headers[0]).toMatchObject({ name: "x-beta", value: "1" });
  expect(config.backends.map(({ weight, target }) => [weight, target.case])).toEqual([
    [300, "revision"],
    [100, "invalid"],
  ]);
  const told = await waitUntil("the status says so", async () => {
    const found = await plane.kube.get(httpRouteResource, { namespace: "shop", name: "beta" });
    return found.status?.parents?.length === 1 ? found : undefined;
  });
  expect(told.status?.parents).toMatchObject([
    {
      controllerName: "lambient.dev/mesh",
      conditions: [
        { type: "Accepted", status: "True" },
        {
          type: "ResolvedRefs",
          status: "False",
          reason: "BackendNotFound",
          message: "Service shop/nowhere does not exist",
        },
      ],
    },
  ]);
  discovery.close();
}, 30_000);

test("tokens open what is their program's and nothing else; spans outlive the process", async () => {
  await using plane = await startControlPlane();
  using node = scriptNodeRuntime(plane.runDir);
  const rows: readonly (readonly [string | undefined, string, string, number])[] = [
    [undefined, "GET", "/api/v1/namespaces", 401],
    ["nonsense", "GET", "/api/v1/namespaces", 401],
    ["admin", "GET", "/api/v1/namespaces", 200],
    ["ztunnel", "GET", "/api/v1/namespaces", 403],
    ["node-runtime", "GET", "/apis/lambient.dev/v1alpha1/revisions", 200],
    ["node-runtime", "GET", "/api/v1/secrets", 403],
    ["ztunnel", "PUT", `/bundles/${bundle}`, 403],
    ["node-runtime", "PUT", `/bundles/${bundle}`, 403],
    ["node-runtime", "GET", `/bundles/${bundle}`, 404],
    [undefined, "GET", "/traces", 401],
    ["waypoint", "GET", "/traces", 403],
    ["admin", "GET", `/traces/${"0".repeat(32)}`, 404],
    ["admin", "GET", "/lambient/v1/nothing", 404],
    ["admin", "GET", "/lambient/v1/logs?namespace=shop", 400],
    ["control-plane", "POST", "/v1/traces", 403],
  ];
  for (const [program, method, path, status] of rows) {
    const init = method === "GET" ? { method } : { method, body: "{}" };
    const response = await plane.fetch(program, path, init);
    await response.arrayBuffer();
    expect([program, method, path, response.status]).toEqual([program, method, path, status]);
  }
  node.answers.logs = { lines: [{ text: "hello" }], cursor: "7" };
  await waitUntil("the node runtime is connected", async () => {
    const response = await plane.fetch("admin", "/lambient/v1/logs?namespace=shop&function=web&tail=5");
    return response.status === 200 && ((await response.json()) as { cursor: string }).cursor === "7";
  });
  expect(node.logQueries.at(-1)).toEqual({ namespace: "shop", function: "web", tailLines: 5 });

  const followed = await plane.fetch("admin", "/lambient/v1/logs?namespace=shop&function=web&follow=true");
  const reader = (followed.body ?? new ReadableStream()).getReader();
  const { value } = (await reader.read()) as { value?: Uint8Array };
  expect(new TextDecoder().decode(value).split("\n")[0]).toBe('{"text":"hello"}');
  await reader.cancel();

  const traceId = "a".repeat(32);
  const exporter = openSpanExporter({
    resource: { service: "waypoint", instance: "w-1" },
    post: postToStore(plane.runDir, "waypoint"),
  });
  exporter.record({
    traceId,
    spanId: "b".repeat(16),
    parentSpanId: undefined,
    name: "GET /",
    kind: "server",
    startMs: 1,
    endMs: 2,
    attributes: { "http.response.status_code": 200 },
    links: [],
    error: undefined,
  });
  await exporter.flush(5000);
  expect([exporter.exported, exporter.dropped]).toEqual([1, 0]);
  expect(await plane.stop()).toBe(0);
  await plane.start();
  const story = (await (await plane.fetch("admin", `/traces/${traceId}`)).json()) as { spans: object[] };
  expect(story.spans).toMatchObject([{ name: "GET /", service: "waypoint", relation: "own" }]);
  expect(await plane.admin("/metrics")).toContain("lambient_spans 1\n");
}, 30_000);

test.each([
  [["--api-port", "x"], 2, 'Cannot read --api-port as a whole number from 0 to 65535: "x"'],
  [["--nonsense", "1"], 2, "Cannot read the arguments as flags"],
  [["--run-dir", "relative"], 2, 'Cannot read --run-dir as an absolute path: "relative"'],
])("main.ts %j ends with %i and says why", async (flags, exitCode, said) => {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "main.ts"), ...flags], { stderr: "pipe" });
  const text = await child.stderr.text();
  expect([await child.exited, text]).toEqual([exitCode, expect.stringContaining(said)]);
});
