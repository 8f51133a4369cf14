/** Events as they come to stand in an API, and go from it. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { systemClock } from "#host/clock.ts";
import { silentLog } from "#host/log.ts";
import { podObject } from "../../../tests/support/workload-objects.ts";
import { waitUntil } from "../../../tests/support/wait-until.ts";
import { openApi } from "../../api/open-api.ts";
import { type EventObject, eventResource } from "../../model/event.ts";
import type { NodeObject } from "../../model/node.ts";
import { makeEventRecorder } from "./event-recorder.ts";
import { pruneEvents, startPruning } from "./prune-events.ts";

/** The machine may be busy with other tests. */
setDefaultTimeout(60_000);

const startMs = Date.parse("2026-01-01T00:00:00Z");

function rig() {
  const api = openApi({ dataFile: ":memory:", clock: systemClock, random: Math.random, log: silentLog });
  const clock = new FakeClock(startMs);
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  const recorder = makeEventRecorder({ client: api.client, clock, host: "node-0", onError });
  const all = async (): Promise<readonly EventObject[]> => (await api.client.list(eventResource)).items;
  return { api, clock, errors, onError, recorder, all };
}

const about = { ...podObject("web"), metadata: { ...podObject("web").metadata, namespace: "default" } };
const said = { about, type: "Warning", reason: "Failed", message: "no" } as const;

test("what is said stands in the object's namespace, and counts", async () => {
  const { api, clock, errors, recorder, all } = rig();
  recorder.record("kubelet", said);
  clock.advance(5000);
  recorder.record("kubelet", said);
  const event = await waitUntil("it is counted", async () => (await all()).find(({ count }) => count === 2));
  expect(event).toMatchObject({
    metadata: { namespace: "default" },
    involvedObject: { kind: "Pod", apiVersion: "v1", namespace: "default", name: "web", uid: "uid-web" },
    reason: "Failed",
    message: "no",
    type: "Warning",
    source: { component: "kubelet", host: "node-0" },
    reportingComponent: "kubelet",
    firstTimestamp: "2026-01-01T00:00:00Z",
    lastTimestamp: "2026-01-01T00:00:05Z",
  });
  // One that was deleted meanwhile is written anew with its count.
  await api.client.delete(eventResource, { namespace: "default", name: event.metadata.name });
  recorder.record("kubelet", said);
  await waitUntil("it is there again", async () => (await all()).find(({ count }) => count === 3));
  expect(errors).toEqual([]);
  api.close();
});

test("what is about no namespace stands in default; what cannot be written is reported", async () => {
  const { api, errors, recorder, all } = rig();
  const metadata = {
    name: "node-0",
    uid: "n",
    resourceVersion: "1",
    creationTimestamp: "2026-01-01T00:00:00Z",
  };
  const node: NodeObject = { apiVersion: "v1", kind: "Node", metadata };
  recorder.record("c", { ...said, about: node });
  await waitUntil("it is there", async () => (await all()).length === 1);
  recorder.record("c", { ...said, about: podObject("elsewhere") });
  await waitUntil("it is reported", () => errors.length === 1);
  recorder.close();
  recorder.record("c", said);
  expect((await all()).map(({ metadata: { namespace } }) => namespace)).toEqual(["default"]);
  api.close();
});

function podOf(name: string) {
  return { ...about, metadata: { ...about.metadata, name, uid: name } };
}

test("more than may wait is dropped", async () => {
  const { api, recorder, all } = rig();
  for (let i = 0; i < 1100; i++) recorder.record("c", { ...said, about: podOf(`p${i}`) });
  await waitUntil("those that waited are written", async () => (await all()).length >= 1000, 40_000);
  // The first was taken to be written already.
  expect((await all()).length).toBeLessThanOrEqual(1001);
  api.close();
});

test("Events go after an hour, and the oldest beyond a number", async () => {
  const { api, clock, onError, recorder, all } = rig();
  const times = ["2026-01-01T00:10:00Z", "2026-01-01T00:20:00Z", "2026-01-01T00:30:00Z"];
  for (const [index, lastTimestamp] of times.entries()) {
    const metadata = { namespace: "default", name: `e${index}` };
    await api.client.create(eventResource, {
      metadata,
      involvedObject: { namespace: "default" },
      lastTimestamp,
    });
  }
  clock.advance(75 * 60_000);
  expect(await pruneEvents({ client: api.client, clock, onError })).toBe(1);
  expect(await pruneEvents({ client: api.client, clock, onError, eventsMax: 1 })).toBe(1);
  expect((await all()).map(({ metadata }) => metadata.name)).toEqual(["e2"]);
  const pruning = startPruning({ client: api.client, clock, onError });
  clock.advance(20 * 60_000);
  await waitUntil("the last goes by itself", async () => (await all()).length === 0);
  pruning.close();
  recorder.close();
  api.close();
});
