/** Kill -9 of the control plane in the middle of a storm of writes: what was answered is there, nothing is half there, and watchers miss nothing. */
import { expect, test } from "bun:test";
import { findObject } from "#host/kube/kube-client.ts";
import { KubeError } from "#host/kube/kube-error.ts";
import {
  type ConfigMapObject as ConfigMap,
  configMapResource,
  namespaceResource,
  serviceResource,
  serviceAccountResource,
} from "../../k8s/model/core-objects.ts";
import { type ControlPlane, startControlPlane } from "../support/control-plane.ts";
import { waitUntil } from "../support/wait-until.ts";
import { stormWriter } from "../support/write-storm.ts";

const rounds = 6;
const writers = 4;
const storm = { namespace: "default", labelSelector: "storm=1" };

/** Numbers of [0, 1) that a seed decides. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Follows all objects through every restart, and finds what is told twice or out of order. */
function follow(plane: ControlPlane, signal: AbortSignal) {
  const seen = new Map<string, { readonly uid: string; readonly version: number }>();
  const wrong: string[] = [];
  plane.kube.watch<ConfigMap>(configMapResource, {
    ...storm,
    signal,
    onEvent({ type, object }) {
      const { name, uid, resourceVersion } = object.metadata;
      const before = seen.get(name);
      const version = Number(resourceVersion);
      if (type === "DELETED") {
        if (before?.uid !== uid) wrong.push(`${name} went, which was not there`);
        seen.delete(name);
        return;
      }
      if ((type === "ADDED") !== (before === undefined)) wrong.push(`${name}: ${type} out of order`);
      if (before !== undefined && version <= before.version) {
        wrong.push(`${name}: ${version} after ${before.version}`);
      }
      seen.set(name, { uid, version });
    },
  });
  return { seen, wrong };
}

/** What several objects say together: addresses that are one's own, and children that go with their parents. */
interface Relations {
  /** Addresses by the names of the services that were answered with them. */
  readonly addresses: Map<string, string>;
  /** Children whose parents' deletion was answered. */
  readonly orphans: Set<string>;
}

/** Makes services and families until the API is gone. */
async function relate(plane: ControlPlane, { addresses, orphans }: Relations, signal: AbortSignal) {
  const { kube } = plane;
  try {
    while (!signal.aborted) {
      const name = `s${addresses.size}-${crypto.randomUUID().slice(0, 8)}`;
      const at = { namespace: "default", name };
      const service = await kube.create(serviceResource, { metadata: at, spec: { ports: [{ port: 80 }] } });
      addresses.set(name, service.spec.clusterIP ?? "");
      const parent = await kube.create(configMapResource, { metadata: at });
      const { uid } = parent.metadata;
      const child = { namespace: "default", name: `${name}-child` };
      const ownerReferences = [{ apiVersion: "v1", kind: "ConfigMap", name, uid }];
      await kube.create(configMapResource, { metadata: { ...child, ownerReferences } });
      await kube.delete(configMapResource, at);
      orphans.add(child.name);
    }
  } catch (error) {
    if (error instanceof KubeError) throw error;
    // The API is gone, as it was to be.
  }
}

async function list(plane: ControlPlane): Promise<{ items: readonly ConfigMap[]; version: number }> {
  const { items, metadata } = await plane.kube.list(configMapResource, storm);
  return { items, version: Number(metadata.resourceVersion) };
}

function versionsOf(items: readonly ConfigMap[]): Record<string, number> {
  return Object.fromEntries(items.map(({ metadata }) => [metadata.name, Number(metadata.resourceVersion)]));
}

test("kill -9 at any write loses nothing that was answered, and watchers see it all once and in order", async () => {
  const seed = Number(process.env["LAMBIENT_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`seed ${seed}`);
  const random = randomOf(seed);
  await using plane = await startControlPlane();
  const ended = new AbortController();
  const { seen, wrong } = follow(plane, ended.signal);
  const clients = Array.from({ length: writers }, (_, at) =>
    stormWriter(plane.kube, `w${at}`, randomOf(seed + at)),
  );
  const answered = (): number => clients.reduce((sum, client) => sum + client.answered, 0);
  const spaces: string[] = [];
  const relations: Relations = { addresses: new Map(), orphans: new Set() };
  let newest = 0;
  for (let round = 0; round < rounds; round++) {
    const stop = new AbortController();
    const killAt = answered() + 1 + Math.floor(random() * 150);
    const running = Promise.all([
      ...clients.map((client) => client.run(stop.signal)),
      relate(plane, relations, stop.signal),
    ]);
    await waitUntil("enough was written", () => answered() >= killAt);
    const name = `storm-${round}`;
    // The follow-up of a namespace is what a kill right after it interrupts.
    await plane.kube.create(namespaceResource, { metadata: { name } });
    spaces.push(name);
    await plane.stop("SIGKILL");
    stop.abort();
    await running;
    await plane.start();
    const { items, version } = await list(plane);
    newest = Math.max(newest, ...clients.map((client) => client.version));
    expect(version).toBeGreaterThanOrEqual(newest);
    newest = version;
    expect(clients.flatMap((client) => client.settle(items))).toEqual([]);
    await waitUntil("the watcher has caught up", async () => {
      const now = versionsOf((await list(plane)).items);
      return Bun.deepEquals(now, Object.fromEntries([...seen].map(([key, at]) => [key, at.version])));
    });
  }
  for (const namespace of spaces) {
    await waitUntil(`${namespace} has its account`, () =>
      findObject(plane.kube, serviceAccountResource, { namespace, name: "default" }),
    );
  }
  const services = await plane.kube.list(serviceResource, { namespace: "default" });
  const found = new Map(services.items.map(({ metadata, spec }) => [metadata.name, spec.clusterIP ?? ""]));
  for (const [name, address] of relations.addresses) expect([name, found.get(name)]).toEqual([name, address]);
  expect(new Set(found.values()).size).toBe(found.size);
  await waitUntil("no child outlives its parent", async () => {
    const { items } = await plane.kube.list(configMapResource, { namespace: "default" });
    return !items.some(({ metadata }) => relations.orphans.has(metadata.name));
  });
  expect(wrong).toEqual([]);
  ended.abort();
}, 120_000);
