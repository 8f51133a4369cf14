/** Pods and functions of one mesh call each other by name, before and after the namespace is labelled: each is known by its identity where both are of the mesh. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { bunInPods, bunMount, bunVolume } from "../support/bun-in-pods.ts";
import { type Mesh, startMesh } from "../support/mesh.ts";
import { waitUntil } from "../support/wait-until.ts";

const longMs = 30_000;

/** Answers who it is and who asks; `/call?<url>` asks on. */
const server = `
Bun.serve({ hostname: "0.0.0.0", port: 8080, async fetch(request, server) {
  const url = new URL(request.url);
  if (url.pathname === "/call") {
    const answer = await fetch(decodeURIComponent(url.search.slice(1)), { keepalive: false });
    return new Response(await answer.text(), { status: answer.status });
  }
  const caller = request.headers.get("x-forwarded-client-cert") ?? "nobody";
  return Response.json({ name: process.env.NAME, peer: server.requestIP(request).address, caller });
} });`;

const asking = `export default { async fetch(request) {
  const asked = decodeURIComponent(new URL(request.url).search.slice(1));
  if (asked === "") return Response.json({ name: "price", caller: request.headers.get("x-forwarded-client-cert") });
  const answer = await fetch(asked, { keepalive: false });
  return new Response(await answer.text(), { status: answer.status });
} };`;

let mesh: Mesh;

beforeAll(async () => {
  mesh = await startMesh();
  await mesh.deployFunctions("shop", { price: { source: asking } });
  for (const name of ["web", "cart"]) await addPod(name);
}, 90_000);
afterAll(async () => {
  await mesh.down();
  await mesh.host.close();
}, 60_000);

async function create(path: string, object: object): Promise<void> {
  const headers = { "content-type": "application/json" };
  const { status, body } = await mesh.apiFetch(path, {
    method: "POST",
    headers,
    body: JSON.stringify(object),
  });
  if (status !== 201) throw new Error(`Cannot create ${path}: ${status} ${body}`);
}

async function patch(path: string, value: object): Promise<void> {
  const headers = { "content-type": "application/merge-patch+json" };
  const { status, body } = await mesh.apiFetch(path, {
    method: "PATCH",
    headers,
    body: JSON.stringify(value),
  });
  if (status !== 200) throw new Error(`Cannot patch ${path}: ${status} ${body}`);
}

const core = "/api/v1/namespaces/shop";

async function addPod(name: string, labels: Readonly<Record<string, string>> = {}): Promise<void> {
  await create(`${core}/serviceaccounts`, { metadata: { name } });
  await create(`${core}/services`, {
    metadata: { name },
    spec: { selector: { app: name }, ports: [{ name: "http", port: 80, targetPort: "http" }] },
  });
  await create(`${core}/pods`, {
    metadata: { name, labels: { app: name, ...labels } },
    spec: {
      serviceAccountName: name,
      volumes: [bunVolume],
      containers: [
        {
          name: "main",
          image: "local",
          command: [bunInPods, "-e", server],
          volumeMounts: [bunMount],
          env: [{ name: "NAME", value: name }],
          ports: [{ name: "http", containerPort: 8080 }],
          readinessProbe: { httpGet: { path: "/", port: "http" }, periodSeconds: 1 },
        },
      ],
    },
  });
  await waitUntil(
    `${name} is ready`,
    async () => {
      const { body } = await mesh.apiFetch(`${core}/pods/${name}`);
      const { status } = JSON.parse(body) as { status?: { conditions?: { type: string; status: string }[] } };
      const isReady =
        status?.conditions?.some((each) => each.type === "Ready" && each.status === "True") === true;
      if (!isReady) throw new Error(body);
      return true;
    },
    longMs,
  );
}

/** Asks a Pod to ask on. @returns the status that came back */
async function statusBy(pod: string, host: string): Promise<number> {
  const url = `http://${pod}.shop/call?${encodeURIComponent(`http://${host}/`)}`;
  return (await mesh.call("price.shop", { path: `/?${encodeURIComponent(url)}` })).status;
}

interface Answer {
  readonly name: string;
  readonly peer?: string;
  readonly caller: string;
}

/** Asks by a chain of names: the edge, the function, then each Pod on the way. */
async function askBy(...names: readonly string[]): Promise<Answer> {
  const [last = "", ...before] = names.toReversed();
  let url = `http://${last}.shop/`;
  for (const name of before) url = `http://${name}.shop/call?${encodeURIComponent(url)}`;
  const { status, body } = await mesh.call("price.shop", { path: `/?${encodeURIComponent(url)}` });
  if (status !== 200) throw new Error(`Cannot ask ${url}: ${status} ${body}`);
  return JSON.parse(body) as Answer;
}

/** The identities whose tunnels have come to a workload, by ztunnel's counts. */
async function callersOf(workload: string): Promise<string[]> {
  const unix = join(mesh.runDir, "admin", "ztunnel.sock");
  const { body } = await mesh.host.fetch("http://admin/metrics", { unix });
  const opened = body.split("\n").filter((line) => line.startsWith("istio_tcp_connections_opened_total"));
  const arrived = opened.filter(
    (line) => line.includes('reporter="destination"') && line.includes(`destination_workload="${workload}"`),
  );
  return arrived.flatMap((line) => {
    const [, account] = /source_principal="spiffe:[^"]*\/sa\/([^"]*)".*="mutual_tls"/.exec(line) ?? [];
    return account === undefined ? [] : [account];
  });
}

async function addressOf(pod: string): Promise<string> {
  const { body } = await mesh.apiFetch(`${core}/pods/${pod}`);
  return (JSON.parse(body) as { status: { podIP: string } }).status.podIP;
}

/** Labels the namespace and waits until both Pods are taken in. */
async function enrol(): Promise<void> {
  const labels = { "istio.io/dataplane-mode": "ambient" };
  await patch("/api/v1/namespaces/shop", { metadata: { labels } });
  for (const pod of ["web", "cart"]) {
    await waitUntil(`${pod} is in the mesh`, async () => {
      const { body } = await mesh.apiFetch(`${core}/pods/${pod}`);
      const { annotations = {} } = (
        JSON.parse(body) as { metadata: { annotations?: Record<string, string> } }
      ).metadata;
      return annotations["ambient.istio.io/redirection"] === "enabled";
    });
  }
}

test("functions and Pods call each other by name, each as itself", async () => {
  expect(await askBy("web")).toMatchObject({ name: "web", caller: "nobody" });
  await enrol();
  const pairs = [
    ["price", "web"],
    ["web", "cart"],
  ] as const;
  for (const [caller, called] of pairs) {
    await waitUntil(`${caller} comes to ${called} by a tunnel`, async () => {
      expect(await askBy(...(caller === "price" ? [called] : [caller, called]))).toMatchObject({
        name: called,
      });
      return (await callersOf(called)).includes(caller);
    });
  }
  expect(await askBy("web", "cart")).toMatchObject({ peer: await addressOf("web") });
  const answer = await askBy("web", "price");
  expect(answer.name).toBe("price");
  expect(answer.caller).toContain("URI=spiffe://cluster.local/ns/shop/sa/web");
}, 60_000);

test("a Service of Pods stands behind a waypoint, which names the caller to them", async () => {
  await enrol();
  await create(`${core}/services`, {
    metadata: { name: "behind", labels: { "istio.io/use-waypoint": "waypoint" } },
    spec: { selector: { app: "cart" }, ports: [{ name: "http", port: 80, targetPort: "http" }] },
  });
  await waitUntil(
    "the caller is named by the waypoint",
    async () => {
      const answer = await askBy("web", "behind");
      expect(answer).toMatchObject({ name: "cart", peer: await addressOf("web") });
      return answer.caller.includes("URI=spiffe://cluster.local/ns/shop/sa/web");
    },
    longMs,
  );
  expect(await callersOf("cart")).toContain("waypoint");
  await waitUntil("the Service is told so", async () => {
    const { body } = await mesh.apiFetch(`${core}/services/behind`);
    return body.includes("Successfully attached to waypoint shop/waypoint");
  });
}, 60_000);

test("under STRICT Pods outside the mesh are refused, and probes pass", async () => {
  await enrol();
  await addPod("outside", { "istio.io/dataplane-mode": "none" });
  const cart = `${await addressOf("cart")}:8080`;
  for (const host of [cart, "cart.shop", "cart"]) expect(await statusBy("outside", host)).toBe(200);
  const metadata = { name: "default" };
  await create("/apis/security.istio.io/v1/namespaces/shop/peerauthentications", {
    metadata,
    spec: { mtls: { mode: "STRICT" } },
  });
  await waitUntil("it is refused", async () => (await statusBy("outside", cart)) !== 200, longMs);
  expect(await statusBy("outside", "cart.shop")).not.toBe(200);
  expect(await askBy("web", "cart")).toMatchObject({ name: "cart" });
  // It is ready by a probe that comes in plain.
  await addPod("late");
  expect(await askBy("web", "late")).toMatchObject({ name: "late" });
  await mesh.apiFetch("/apis/security.istio.io/v1/namespaces/shop/peerauthentications/default", {
    method: "DELETE",
  });
  await waitUntil("it is let in", async () => (await statusBy("outside", cart)) === 200, longMs);
}, 60_000);

test("a ztunnel that is killed serves its Pods again", async () => {
  await enrol();
  expect(await askBy("web", "cart")).toMatchObject({ name: "cart" });
  const before = await mesh.pidOf("ztunnel");
  await mesh.host.run(["kill", "-9", String(before)]);
  await waitUntil(
    "there is another",
    async () => (await mesh.pidOf("ztunnel").catch(() => before)) !== before,
    longMs,
  );
  await waitUntil(
    "Pods are served by tunnels again",
    async () => {
      expect(await askBy("web", "cart")).toMatchObject({ name: "cart" });
      return (await callersOf("cart")).includes("web");
    },
    longMs,
  );
}, 60_000);
