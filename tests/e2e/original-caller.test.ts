/** On whom policies are decided in a whole mesh: the original caller, by the waypoint and by the destination's ztunnel, past the waypoint, and on streams that are open. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { NetworkNamespace } from "#host/linux/namespaces.ts";
import { Conversation, converseFrom } from "../support/conversation.ts";
import { type Mesh, startMesh } from "../support/mesh.ts";
import { allLogs, dialInNode, mint, openNodeNetwork, spiffeId } from "../support/mesh-node.ts";
import { waitUntil } from "../support/wait-until.ts";

const longMs = 30_000;
const idle = { scale: { idleMs: 600_000 } };
const caller = `export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    const answer = await fetch("http://target.goods" + pathname);
    return new Response(answer.body, { status: answer.status });
  },
};`;
const target = `export default {
  fetch(request) {
    if (new URL(request.url).pathname !== "/stream") return new Response("served");
    const stop = request.signal;
    return new Response(new ReadableStream({
      async pull(controller) {
        if (stop.aborted) return controller.close();
        controller.enqueue(new TextEncoder().encode("tick "));
        await Bun.sleep(5);
      },
    }));
  },
};`;

let mesh: Mesh;
let node: NetworkNamespace;
beforeAll(async () => {
  mesh = await startMesh();
  node = openNodeNetwork(mesh);
  await mesh.deployFunctions("goods", { target: { source: target, ...idle } });
  const people = { source: caller, ...idle };
  await mesh.deployFunctions("people", { friend: people, stranger: people });
  await mesh.deployFunctions("others", { outsider: people });
}, 90_000);
afterAll(async () => {
  node.close();
  await mesh.down();
  await mesh.host.close();
}, 60_000);

const callers = ["friend.people", "stranger.people", "outsider.others"] as const;

/** Replaces the one policy that selects the target. */
function setPolicy(action: "ALLOW" | "DENY", rule: object): Promise<void> {
  const spec = { selector: { matchLabels: { app: "target" } }, action, rules: [rule] };
  const policy = {
    apiVersion: "security.istio.io/v1",
    kind: "AuthorizationPolicy",
    metadata: { name: "rule" },
  };
  return mesh.applyObjects("goods", JSON.stringify({ ...policy, spec }));
}

async function statuses(): Promise<readonly number[]> {
  const answers = await Promise.all(callers.map((name) => mesh.call(name)));
  return answers.map(({ status }) => status);
}

async function untilStatuses(wanted: readonly number[]): Promise<void> {
  const seen: { last: readonly number[] } = { last: [] };
  const agrees = async (): Promise<boolean> => {
    seen.last = await statuses();
    return String(seen.last) === String(wanted);
  };
  await waitUntil(`the callers are answered ${wanted.join()}`, agrees, longMs).catch((error: unknown) => {
    throw new Error(`${String(error)}; the last answers were ${seen.last.join()}`);
  });
}

/** A policy that denies nobody who is there. */
async function allowAll(): Promise<void> {
  await setPolicy("DENY", from({ principals: [principal("nobody")] }));
  await untilStatuses([200, 200, 200]);
}

async function addressOf(name: string): Promise<string> {
  const found = await waitUntil(`${name} has an instance`, async () =>
    (await mesh.instances()).find((instance) => `${instance.function}.${instance.namespace}` === name),
  );
  return found.address;
}

function from(source: object): object {
  return { from: [{ source }] };
}

const principal = (name: string, namespace = "people"): string => `cluster.local/ns/${namespace}/sa/${name}`;

test("a policy is decided on the original caller behind the waypoint, which answers 403 and names the policy", async () => {
  await allowAll();
  const friendAddress = await addressOf("friend.people");
  const rows: readonly ["ALLOW" | "DENY", object, readonly number[]][] = [
    ["ALLOW", from({ principals: [principal("friend")] }), [200, 403, 403]],
    ["ALLOW", from({ namespaces: ["people"] }), [200, 200, 403]],
    ["DENY", from({ namespaces: ["people"] }), [403, 403, 200]],
    ["DENY", from({ principals: [principal("stranger")] }), [200, 403, 200]],
    ["DENY", { to: [{ operation: { ports: ["8080"] } }] }, [403, 403, 403]],
    ["DENY", { to: [{ operation: { ports: ["9090"] } }] }, [200, 200, 200]],
    ["DENY", from({ ipBlocks: [friendAddress] }), [403, 200, 200]],
    ["ALLOW", from({ ipBlocks: [friendAddress] }), [200, 403, 403]],
    ["ALLOW", from({ ipBlocks: ["10.244.0.0/25"] }), [200, 200, 200]],
    ["ALLOW", from({ ipBlocks: ["203.0.113.0/24"] }), [403, 403, 403]],
    ["ALLOW", from({ notNamespaces: ["others"] }), [200, 200, 403]],
  ];
  for (const [action, rule, wanted] of rows) {
    await setPolicy(action, rule);
    await untilStatuses(wanted);
  }
  const refusals = allLogs(mesh)
    .split("\n")
    .filter((line) => line.includes("response_code=403") && line.includes('policy="goods/rule"'));
  for (const name of callers) {
    const [account = "", namespace = ""] = name.split(".");
    expect(refusals.some((line) => line.includes(`src.identity="${spiffeId(namespace, account)}"`))).toBe(
      true,
    );
  }
}, 120_000);

const withName = (name: string | undefined): [string, string][] =>
  name === undefined ? [] : [["lambient-caller", name]];

/** Sends one request on a CONNECT to the target's instance. @returns the refusal's status, or what the target said */
async function askInstance(
  as: "friend" | "waypoint" | "other waypoint" | "edge",
  named?: string,
): Promise<number | string> {
  const certificate = await {
    friend: () => mint(mesh, "ztunnel", spiffeId("people", "friend")),
    waypoint: () => mint(mesh, "waypoint", spiffeId("goods", "waypoint")),
    "other waypoint": () => mint(mesh, "waypoint", spiffeId("people", "waypoint")),
    edge: () => mint(mesh, "edge", spiffeId("lambient-system", "edge")),
  }[as]();
  const to = await addressOf("target.goods");
  const tunnel = await dialInNode(mesh, node, { certificate, to, expected: spiffeId("goods", "target") });
  try {
    const outcome = await tunnel.connect([
      [":method", "CONNECT"],
      [":authority", `${to}:8080`],
      ...withName(named),
    ]);
    if (outcome.kind === "refused") return outcome.status;
    const talk = new Conversation(outcome.stream);
    talk.stream.write(Buffer.from("GET / HTTP/1.1\r\nhost: target\r\nconnection: close\r\n\r\n"));
    await talk.over();
    return talk.received.includes("served") ? "served" : talk.received;
  } finally {
    tunnel.close();
  }
}

test("an instance is reached through its own waypoint only, on whose word alone the caller is another", async () => {
  await setPolicy("DENY", from({ principals: [principal("stranger")] }));
  await untilStatuses([200, 403, 200]);
  const friend = `${spiffeId("people", "friend")};10.244.0.9`;
  const stranger = `${spiffeId("people", "stranger")};10.244.0.9`;
  // The control: the same dial with the certificate of the bound waypoint is served.
  expect(await askInstance("waypoint", friend)).toBe("served");
  // The destination's own refusal, which a waypoint without the policy would leave to it.
  const before = mesh.log("ztunnel").length;
  expect(await askInstance("waypoint", stranger)).toBe(401);
  await waitUntil("the destination's line names the policy", () =>
    mesh
      .log("ztunnel")
      .slice(before)
      .split("\n")
      .some(
        (line) => line.includes('direction="inbound"') && line.includes("explicitly denied by: goods/rule"),
      ),
  );
  // Malformed or doubled, the name is refused.
  expect(await askInstance("waypoint", "nobody")).toBe(400);
  expect(await askInstance("waypoint", `${friend}, ${friend}`)).toBe(400);
  // A valid certificate is not enough, whatever its holder says of the caller.
  for (const as of ["friend", "other waypoint", "edge"] as const) {
    expect([as, await askInstance(as)]).toEqual([as, 401]);
    expect([as, await askInstance(as, friend)]).toEqual([as, 401]);
  }
  await waitUntil("the line says why", () =>
    mesh.log("ztunnel").includes("the workload is reached through its waypoint only"),
  );
}, 60_000);

function cuts(): number {
  return allLogs(mesh).split("connection closed due to policy change").length;
}

async function openStream(name: string): Promise<Conversation> {
  const port = Number(new URL(mesh.edge).port);
  const talk = await converseFrom(mesh.host.libc, mesh.host.network.fd, "127.0.0.1", port);
  talk.stream.write(Buffer.from(`GET /stream HTTP/1.1\r\nhost: ${name}\r\n\r\n`));
  await waitUntil(`${name} streams`, () => talk.received.includes("tick"), longMs);
  return talk;
}

test("a stream that carries bytes is cut when a policy forbids it, and those still allowed go on", async () => {
  await allowAll();
  const [friend, stranger, outsider] = await Promise.all(callers.map(openStream));
  if (friend === undefined || stranger === undefined || outsider === undefined) throw new Error("no stream");
  const before = cuts();
  const startedAt = performance.now();
  await setPolicy("DENY", from({ principals: [principal("friend")] }));
  await waitUntil("the friend's stream is cut", () => friend.closed ?? friend.isEnded, longMs);
  const cutMs = performance.now() - startedAt;
  expect(friend.received).not.toEndWith("0\r\n\r\n");
  for (const talk of [stranger, outsider]) {
    expect(talk.closed).toBeUndefined();
    const sofar = talk.received.length;
    await waitUntil("it goes on", () => talk.received.length > sofar + 100);
    expect(talk.isEnded).toBe(false);
    talk.stream.reset();
  }
  await waitUntil("the log says why", () => cuts() > before);
  const text = "from the start of the command that writes the policy to the end of the stream";
  console.info(`${Math.round(cutMs)} ms ${text}`);
}, 90_000);
