/**
 * A mesh whose control plane is replaced by a recorded discovery server and authority: the programs, each started by its own main.ts, go
 * on; a waypoint that is not told of its policies leaves the refusal to the destination, which is told, and refuses what it does not know.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { clone } from "@bufbuild/protobuf";
import { AuthorizationSchema } from "#core/proto/istio/authorization_pb.js";
import { WaypointSchema } from "#core/proto/lambient/discovery_pb.js";
import { type Mesh, startMesh } from "../support/mesh.ts";
import { findProcesses, spiffeId } from "../support/mesh-node.ts";
import { type RecordedMesh, replaceControlPlane } from "../support/recorded-mesh.ts";
import { waitUntil } from "../support/wait-until.ts";

const longMs = 30_000;
const policy = {
  apiVersion: "security.istio.io/v1",
  kind: "AuthorizationPolicy",
  metadata: { name: "no-strangers" },
  spec: {
    selector: { matchLabels: { app: "target" } },
    action: "DENY",
    rules: [{ from: [{ source: { principals: ["cluster.local/ns/people/sa/stranger"] } }] }],
  },
};
const caller = `export default {
  async fetch() {
    const answer = await fetch("http://target.goods/");
    return new Response(await answer.text(), { status: answer.status });
  },
};`;

let mesh: Mesh;
let recorded: RecordedMesh;
beforeAll(async () => {
  mesh = await startMesh({ env: { LAMBIENT_POLICY_HOLD_MS: "500" } });
  await mesh.deployFunctions("goods", {
    target: { source: `export default { fetch: () => new Response("served") };` },
  });
  await mesh.deployFunctions("people", { friend: { source: caller }, stranger: { source: caller } });
  await mesh.applyObjects("goods", JSON.stringify(policy));
  await untilStatuses(200, 403);
  recorded = await replaceControlPlane(mesh);
}, 90_000);
afterAll(async () => {
  recorded.close();
  await mesh.down();
  await mesh.host.close();
}, 60_000);

async function statusOf(name: string): Promise<number> {
  try {
    return (await mesh.call(name, { timeoutMs: 10_000 })).status;
  } catch {
    return 0; // the edge has just been killed
  }
}

async function untilStatuses(...wanted: readonly number[]): Promise<void> {
  const seen: { last: readonly number[] } = { last: [] };
  await waitUntil(
    `friend and stranger are answered ${wanted.join()}`,
    async () => {
      seen.last = await Promise.all(["friend.people", "stranger.people"].map(statusOf));
      return String(seen.last) === String(wanted);
    },
    longMs,
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}; the last answers were ${seen.last.join()}`);
  });
}

/** Serves waypoints everything, or everything but policies. */
function tellWaypoints(what: "everything" | "no policies"): void {
  const { waypoints, policies } = recorded.recording;
  const told = new Map(
    [...waypoints].map(([name, waypoint]) => {
      const copy = clone(WaypointSchema, waypoint);
      if (what === "no policies") for (const service of copy.services) service.authorizationPolicies = [];
      return [name, copy];
    }),
  );
  recorded.forWaypoints.replace(WaypointSchema, told);
  recorded.forWaypoints.replace(AuthorizationSchema, what === "everything" ? policies : new Map());
}

test("programs started by their own main.ts under the recorded server serve and refuse as before", async () => {
  tellWaypoints("everything");
  await untilStatuses(200, 403);
  for (const program of ["ztunnel", "edge", "waypoint"]) expect(recorded.followers).toContain(program);
  const signed = new Set(recorded.authority.signed);
  for (const identity of [
    spiffeId("lambient-system", "edge"),
    spiffeId("goods", "waypoint"),
    spiffeId("people", "friend"),
    spiffeId("goods", "target"),
  ])
    expect(signed.has(identity)).toBe(true);
  const commands = findProcesses(mesh, "/main.ts").map(({ command }) => command);
  for (const words of [
    ["ztunnel/main.ts"],
    ["functions/main.ts"],
    ["waypoint/main.ts", "--edge"],
    ["waypoint/main.ts", "--generic"],
  ])
    expect([words, commands.some((command) => words.every((word) => command.includes(word)))]).toEqual([
      words,
      true,
    ]);
}, 60_000);

test("a waypoint from which its policies are withheld leaves the refusal to the destination: its 401", async () => {
  tellWaypoints("everything");
  await untilStatuses(200, 403);
  const before = mesh.log("ztunnel").length;
  const denials = (): readonly string[] =>
    mesh
      .log("ztunnel")
      .slice(before)
      .split("\n")
      .filter(
        (line) =>
          line.includes('direction="inbound"') && line.includes("explicitly denied by: goods/no-strangers"),
      );
  // While the waypoint refuses, the destination is never asked.
  expect(denials()).toEqual([]);
  tellWaypoints("no policies");
  await waitUntil(
    "the destination refuses",
    async () => {
      expect(await statusOf("stranger.people")).toBeGreaterThanOrEqual(400);
      return denials().length > 0;
    },
    longMs,
  );
  expect(await statusOf("friend.people")).toBe(200);
  const seen = mesh
    .log("node-runtime")
    .split("\n")
    .filter((line) => line.includes(`src.identity="${spiffeId("people", "stranger")}"`))
    .at(-1);
  expect(seen).toContain(`response_code_details="the destination answered the tunnel's CONNECT with 401"`);
}, 90_000);

test("inbound is refused while the destination does not hold the policies that its template names", async () => {
  tellWaypoints("no policies");
  await waitUntil("friend is served", async () => (await statusOf("friend.people")) === 200, longMs);
  recorded.forOthers.replace(AuthorizationSchema, new Map());
  await waitUntil("friend is not served", async () => (await statusOf("friend.people")) !== 200, longMs);
  const before = mesh.log("ztunnel").length;
  for (let i = 0; i < 5; i++) expect(await statusOf("friend.people")).toBe(503);
  await waitUntil("the line says why", () =>
    mesh.log("ztunnel").slice(before).includes("failed to fetch information about local workload"),
  );
  recorded.forOthers.replace(AuthorizationSchema, recorded.recording.policies);
  await waitUntil("friend is served again", async () => (await statusOf("friend.people")) === 200, longMs);
}, 90_000);
