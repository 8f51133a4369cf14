/** Certificates on a whole mesh: short-lived ones are renewed under load and no call fails; with the authority away they expire, and calls with them. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { type Mesh, startMesh } from "../support/mesh.ts";
import { findProcesses, spiffeId } from "../support/mesh-node.ts";
import { waitUntil } from "../support/wait-until.ts";

const longMs = 30_000;
const lifeMs = 4000;
const renewalsWanted = 3;
const awake = { scale: { idleMs: 600_000 } };

let mesh: Mesh;
beforeAll(async () => {
  mesh = await startMesh({ env: { LAMBIENT_SVID_TTL_MS: String(lifeMs) } });
  await mesh.deployFunctions("short", {
    front: {
      source: `export default {
        async fetch() {
          const answer = await fetch("http://back/");
          return new Response("front of " + (await answer.text()), { status: answer.status });
        },
      };`,
      ...awake,
    },
    back: { source: `export default { fetch: () => new Response("back") };`, ...awake },
  });
}, 90_000);
afterAll(async () => {
  await mesh.down();
  await mesh.host.close();
}, 60_000);

/** A call's status with its body, or why there was none. */
async function call(): Promise<string> {
  try {
    const { status, body } = await mesh.call("front.short", { timeoutMs: 10_000 });
    return `${status} ${body.slice(0, 200)}`;
  } catch (error) {
    return String(error);
  }
}

interface Certificate {
  readonly state: string;
  readonly serial: string | undefined;
}

/** The certificate that a program holds of an identity, by its own account; ztunnel tells it in Istio's words. */
async function certificateIn(program: string, identity: string): Promise<Certificate | undefined> {
  const unix = join(mesh.runDir, "admin", `${program}.sock`);
  const { certificates } = (await (
    await fetch("http://admin/config_dump", { unix, keepalive: false })
  ).json()) as {
    readonly certificates: readonly {
      readonly identity: string;
      readonly state: string;
      readonly serial?: string;
      readonly certChain?: readonly { readonly serialNumber: string }[];
    }[];
  };
  const found = certificates.find((certificate) => certificate.identity === identity);
  return found && { state: found.state, serial: found.serial ?? found.certChain?.[0]?.serialNumber };
}

/** Who holds what on the way of a call. */
const holders = [
  ["edge", spiffeId("lambient-system", "edge")],
  ["waypoint.short.waypoint", spiffeId("short", "waypoint")],
  ["ztunnel", spiffeId("short", "front")],
  ["ztunnel", spiffeId("short", "back")],
] as const;

test("certificates of seconds are renewed under load, and no call fails", async () => {
  expect(await call()).toBe("200 front of back");
  const serials = new Map(holders.map(([, identity]) => [identity, new Set<string>()]));
  const outcomes = new Map<string, number>();
  const loading = { isOver: false };
  const load = Array.from({ length: 4 }, async () => {
    while (!loading.isOver) {
      const outcome = await call();
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
  });
  await waitUntil(
    "every identity on the way was renewed",
    async () => {
      for (const [program, identity] of holders) {
        const serial = (await certificateIn(program, identity))?.serial;
        if (serial !== undefined) serials.get(identity)?.add(serial);
      }
      return [...serials.values()].every((seen) => seen.size > renewalsWanted);
    },
    longMs,
  ).finally(() => (loading.isOver = true));
  await Promise.all(load);
  const calls = outcomes.get("200 front of back") ?? 0;
  console.info(`${calls} calls while each of ${serials.size} identities was renewed ${renewalsWanted} times`);
  expect([...outcomes.keys()]).toEqual(["200 front of back"]);
  expect(calls).toBeGreaterThan(100);
}, 60_000);

test("with the authority stopped certificates expire and calls fail; with it back they work again", async () => {
  expect(await call()).toBe("200 front of back");
  const [plane] = findProcesses(mesh, "k8s/control-plane/main.ts");
  if (plane === undefined) throw new Error("no control plane runs");
  process.kill(plane.pid, "SIGSTOP");
  try {
    // Nobody needs the control plane for a call.
    expect(await call()).toBe("200 front of back");
    await waitUntil("calls fail", async () => !(await call()).startsWith("200"), longMs);
    // Once failed they stay so, whichever connections are left.
    for (let i = 0; i < 20; i++) expect(await call()).not.toStartWith("200");
    for (const [program, identity] of holders) {
      await waitUntil(
        `${identity} has expired`,
        async () => /expired|unavailable/i.test((await certificateIn(program, identity))?.state ?? ""),
        longMs,
      );
    }
  } finally {
    process.kill(plane.pid, "SIGCONT");
  }
  await waitUntil("calls work again", async () => (await call()) === "200 front of back", longMs);
  for (let i = 0; i < 20; i++) expect(await call()).toBe("200 front of back");
  expect(findProcesses(mesh, "k8s/control-plane/main.ts").map(({ pid }) => pid)).toEqual([plane.pid]);
}, 120_000);
