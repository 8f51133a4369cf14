import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "bun:test";
import { parseIp } from "#core/address/ip.ts";
import { formatSpiffeId } from "#core/identity/spiffe-id.ts";
import { type RevisionBackend, RevisionBackendSchema } from "#core/proto/lambient/discovery_pb.js";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { MeshError, type MeshErrorCode } from "#host/mesh-error.ts";
import { Ending } from "./ending.ts";
import { InstanceLeases } from "./instance-leases.ts";
import type { Activated, Lease, LeaseOutcome } from "./lease-outcome.ts";

const never = new Ending();
const identity = formatSpiffeId({ trustDomain: "cluster.local", namespace: "shop", serviceAccount: "web" });

function backend(fields: MessageInitShape<typeof RevisionBackendSchema> = {}): RevisionBackend {
  return create(RevisionBackendSchema, {
    uid: "shop/web-v1",
    concurrency: 2,
    maxInstances: 2,
    idleMs: 1000n,
    activationTimeoutMs: 5000n,
    ...fields,
  });
}

/** A node runtime whose answers the test gives by hand. */
class ScriptedNode {
  readonly asked: { further: boolean; answer: PromiseWithResolvers<Activated> }[] = [];
  readonly released: string[] = [];
  readonly forgotten: string[] = [];
  readonly clock = new FakeClock();
  readonly leases = new InstanceLeases({
    activation: {
      activate: (_, further) => {
        const answer = Promise.withResolvers<Activated>();
        this.asked.push({ further, answer });
        return answer.promise;
      },
      release: (instance) => void this.released.push(instance),
    },
    clock: this.clock,
    queueMax: 3,
    onForgotten: (instance) => void this.forgotten.push(instance),
  });

  async give(call: number, instance: string): Promise<void> {
    const ip = parseIp("10.244.0.2");
    if (!ip.ok) throw new Error(ip.error);
    this.asked[call]?.answer.resolve({
      instance,
      address: { ip: ip.value, port: 8080 },
      identity,
      rung: "pooled",
    });
    await settled();
  }

  async fail(call: number, code: MeshErrorCode): Promise<void> {
    this.asked[call]?.answer.reject(new MeshError(code, `scripted ${code}`));
    await settled();
  }
}

/** Lets everything that is resolved already run. */
async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

/** Outcomes as text, in the order in which they came. */
function collect(asks: readonly (LeaseOutcome | Promise<LeaseOutcome>)[]): {
  seen: string[];
  leases: Lease[];
} {
  const collected: { seen: string[]; leases: Lease[] } = { seen: [], leases: [] };
  for (const ask of asks) {
    void Promise.resolve(ask).then((outcome) => {
      if (outcome.kind === "leased") collected.leases.push(outcome.lease);
      const text =
        outcome.kind === "leased"
          ? `${outcome.lease.instance} ${outcome.lease.rung}`
          : `${outcome.why}: ${outcome.reason}`;
      return collected.seen.push(text);
    });
  }
  return collected;
}

test("requests for a cold revision share one activation, and the next finds it running", async () => {
  const node = new ScriptedNode();
  const got = collect([node.leases.acquire(backend(), never), node.leases.acquire(backend(), never)]);
  expect(node.asked.map(({ further }) => further)).toEqual([false]);
  await node.give(0, "i1");
  expect(got.seen).toEqual(["i1 pooled", "i1 pooled"]);
  got.leases[0]?.release();
  expect(node.leases.acquire(backend(), never)).toMatchObject({ kind: "leased", lease: { rung: "running" } });
});

test("a further instance is asked for only when all known ones are full", async () => {
  const node = new ScriptedNode();
  const got = collect([1, 2, 3].map(() => node.leases.acquire(backend(), never)));
  expect(node.asked.map(({ further }) => further)).toEqual([false, true]);
  await node.give(0, "i1");
  await node.give(1, "i2");
  expect(got.seen).toEqual(["i1 pooled", "i1 pooled", "i2 pooled"]);
  // The next goes to the less busy one.
  expect(node.leases.acquire(backend(), never)).toMatchObject({ lease: { instance: "i2" } });
});

test("at the maximum requests wait for room, in order, and the queue is bounded", async () => {
  const node = new ScriptedNode();
  const limits = backend({ concurrency: 1, maxInstances: 1 });
  const got = collect([1, 2, 3].map(() => node.leases.acquire(limits, never)));
  await node.give(0, "i1");
  expect(got.seen).toEqual(["i1 pooled"]);
  const more = collect([node.leases.acquire(limits, never), node.leases.acquire(limits, never)]);
  await settled();
  expect(more.seen).toEqual(["overflow: 3 requests wait for shop/web-v1 already"]);
  got.leases[0]?.release();
  await settled();
  expect(got.seen).toEqual(["i1 pooled", "i1 running"]);
  expect(node.asked.length).toBe(1);
});

test("waiting ends: 504 without an instance, overflow when all stay full, abandoned by its caller", async () => {
  const node = new ScriptedNode();
  const gone = new Ending();
  const cold = collect([node.leases.acquire(backend(), never), node.leases.acquire(backend(), gone)]);
  gone.finish();
  await settled();
  expect(cold.seen).toEqual(["abandoned: the caller went away"]);
  node.clock.advance(5000);
  await settled();
  expect(cold.seen[1]).toBe("timeout: no instance of shop/web-v1 within 5000 ms");
  await node.give(0, "i1");
  const limits = backend({ concurrency: 1, maxInstances: 1 });
  const full = collect([node.leases.acquire(limits, never), node.leases.acquire(limits, never)]);
  node.clock.advance(5000);
  await settled();
  expect(full.seen).toEqual(["i1 pooled", "overflow: all instances of shop/web-v1 stayed full for 5000 ms"]);
});

test.each<[MeshErrorCode, string]>([
  ["timeout", "timeout: scripted timeout"],
  ["unavailable", "unavailable: scripted unavailable"],
  ["not-found", "unavailable: scripted not-found"],
])("a failed activation (%s) fails those that wait, and the next tries again", async (code, want) => {
  const node = new ScriptedNode();
  const got = collect([node.leases.acquire(backend(), never)]);
  await node.fail(0, code);
  expect(got.seen).toEqual([want]);
  void node.leases.acquire(backend(), never);
  expect(node.asked.length).toBe(2);
});

test("a node at its limit is asked again while requests wait, then they overflow", async () => {
  const node = new ScriptedNode();
  const got = collect([node.leases.acquire(backend(), never)]);
  await node.fail(0, "limit-reached");
  expect([got.seen, node.asked.length]).toEqual([[], 1]);
  node.clock.advance(1000);
  expect(node.asked.length).toBe(2);
  await node.fail(1, "limit-reached");
  node.clock.advance(4000);
  await settled();
  expect(got.seen[0]).toStartWith("overflow: ");
});

test("an activation that gives a known, full instance does not spin", async () => {
  const node = new ScriptedNode();
  const limits = backend({ concurrency: 1 });
  collect([node.leases.acquire(limits, never), node.leases.acquire(limits, never)]);
  await node.give(0, "i1");
  await node.give(1, "i1");
  expect(node.asked.length).toBe(2);
});

test("idle instances are released after the revision's idleMs, busy ones stay", async () => {
  const node = new ScriptedNode();
  const got = collect([1, 2, 3].map(() => node.leases.acquire(backend(), never)));
  await node.give(0, "i1");
  await node.give(1, "i2");
  got.leases[2]?.release();
  node.clock.advance(999);
  expect(node.released).toEqual([]);
  node.clock.advance(1);
  expect([node.released, node.forgotten]).toEqual([["i2"], ["i2"]]);
  got.leases[0]?.release();
  got.leases[1]?.release();
  node.clock.advance(1000);
  expect(node.released).toEqual(["i2", "i1"]);
  expect([node.leases.instances, node.clock.pending]).toEqual([0, 0]);
});

test("a short idle time is kept, though an instance of a longer one idles already", async () => {
  const node = new ScriptedNode();
  const long = collect([node.leases.acquire(backend({ uid: "shop/long", idleMs: 30_000n }), never)]);
  await node.give(0, "long");
  long.leases[0]?.release();
  const short = collect([node.leases.acquire(backend({ uid: "shop/short", idleMs: 300n }), never)]);
  await node.give(1, "short");
  short.leases[0]?.release();
  node.clock.advance(300);
  expect(node.released).toEqual(["short"]);
  node.clock.advance(29_700);
  expect(node.released).toEqual(["short", "long"]);
});

test("an instance that is gone is not used again; those that wait get another", async () => {
  const node = new ScriptedNode();
  const limits = backend({ concurrency: 1, maxInstances: 1 });
  const got = collect([node.leases.acquire(limits, never), node.leases.acquire(limits, never)]);
  await node.give(0, "i1");
  node.leases.onGone("i1");
  expect(node.forgotten).toEqual(["i1"]);
  await node.give(1, "i2");
  expect(got.seen).toEqual(["i1 pooled", "i2 pooled"]);
  got.leases[0]?.release();
  expect(node.leases.inUse).toBe(1);
});

test("an instance that could not be reached is stopped when nobody uses it, else avoided", async () => {
  const node = new ScriptedNode();
  const got = collect([1, 2, 3].map(() => node.leases.acquire(backend(), never)));
  await node.give(0, "i1");
  await node.give(1, "i2");
  got.leases[0]?.discard();
  expect(node.leases.acquire(backend(), never)).toMatchObject({ lease: { instance: "i2" } });
  got.leases[1]?.discard();
  expect(node.released).toEqual(["i1"]);
});

test("warm() starts one instance ahead and no second", () => {
  const node = new ScriptedNode();
  node.leases.warm(backend());
  node.leases.warm(backend());
  expect(node.asked.length).toBe(1);
});

test("the first request after warm() says what started the instance", async () => {
  const node = new ScriptedNode();
  node.leases.warm(backend());
  await node.give(0, "i1");
  const got = collect([node.leases.acquire(backend(), never), node.leases.acquire(backend(), never)]);
  await settled();
  expect(got.seen).toEqual(["i1 pooled", "i1 running"]);
});

test("when the node runtime is gone nothing of it is used", async () => {
  const node = new ScriptedNode();
  const got = collect([node.leases.acquire(backend(), never)]);
  await node.give(0, "i1");
  got.leases[0]?.release();
  node.leases.onNodeGone();
  expect(node.leases.instances).toBe(0);
  void node.leases.acquire(backend(), never);
  expect(node.asked.length).toBe(2);
});
