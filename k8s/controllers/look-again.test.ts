/** What is looked for again and again, on an API in memory whose time is stepped: Pods that nobody ends, nodes that fall silent. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { systemClock } from "#host/clock.ts";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { silentLog } from "#host/log.ts";
import { waitUntil } from "../../tests/support/wait-until.ts";
import { openApi } from "../api/open-api.ts";
import { lambientDefinitions } from "../model/definitions.ts";
import { type PodObject, podResource } from "../model/pod.ts";
import { nodeResource } from "../model/node.ts";
import { openPodCollector } from "./collect-pods.ts";
import { Informers } from "./informers.ts";
import { watchNodes } from "./watch-nodes.ts";

/** The machine may be busy with other tests. */
setDefaultTimeout(60_000);

const spec: PodObject["spec"] = { containers: [{ name: "c", image: "x" }] };

test("Pods of a node that stays away go, those of one that comes back do not", async () => {
  const api = openApi({
    dataFile: ":memory:",
    clock: systemClock,
    random: Math.random,
    log: silentLog,
    definitions: lambientDefinitions,
  });
  const { client } = api;
  const clock = new FakeClock();
  const unwatched: string[] = [];
  const informers = new Informers({
    client,
    clock: systemClock,
    onError: (kind) => void unwatched.push(kind),
  });
  const failures: string[] = [];
  const collector = openPodCollector({
    client,
    informers,
    clock,
    random: Math.random,
    log: silentLog,
    record: () => {},
    onFailure: (component) => void failures.push(component),
  });
  for (const name of ["gone", "away"]) {
    await client.create(podResource, {
      metadata: { namespace: "default", name },
      spec: { ...spec, nodeName: name },
    });
  }
  informers.start();
  await informers.synced;
  const step = async (): Promise<void> => {
    clock.advance(10_000);
    await waitUntil("it has looked", () => clock.pending > 0);
  };
  await step();
  await client.create(nodeResource, { metadata: { name: "away" } });
  await waitUntil("the node is known", () => informers.nodes.all().length === 1);
  for (let i = 0; i < 4; i++) await step();
  await waitUntil("the lost one is gone", async () => (await client.list(podResource)).items.length === 1);
  expect((await client.list(podResource)).items[0]?.metadata.name).toBe("away");
  expect([failures, unwatched]).toEqual([[], []]);
  collector.close();
  informers.close();
  api.close();
});

test("a node that falls silent is not ready any more, and says so; one that speaks is", async () => {
  const api = openApi({
    dataFile: ":memory:",
    clock: systemClock,
    random: Math.random,
    log: silentLog,
    definitions: lambientDefinitions,
  });
  const { client } = api;
  const clock = new FakeClock();
  const informers = new Informers({ client, clock: systemClock, onError: () => {} });
  const said: string[] = [];
  const watching = watchNodes({
    client,
    informers,
    clock,
    random: Math.random,
    log: silentLog,
    record: (_component, { about, reason }) => void said.push(`${about.metadata.name} ${reason}`),
    onFailure: () => {},
  });
  const speak = async (name: string): Promise<void> => {
    const lastHeartbeatTime = new Date(clock.nowMs()).toISOString();
    const conditions = [{ type: "Ready", status: "True", lastHeartbeatTime }];
    await client.patchStatus(nodeResource, { name }, { kind: "merge", value: { status: { conditions } } });
  };
  for (const name of ["quiet", "well"]) {
    await client.create(nodeResource, { metadata: { name } });
    await speak(name);
  }
  informers.start();
  await informers.synced;
  for (let i = 0; i < 5; i++) {
    clock.advance(10_000);
    await speak("well");
    await waitUntil("it has looked", () => clock.pending > 0);
  }
  const readyOf = async (name: string): Promise<string | undefined> =>
    (await client.get(nodeResource, { name })).status?.conditions?.[0]?.status;
  await waitUntil("the quiet one is not ready", async () => (await readyOf("quiet")) === "Unknown");
  expect([await readyOf("well"), said]).toEqual(["True", ["quiet NodeNotReady"]]);
  watching.close();
  informers.close();
  api.close();
});

test("a look that fails is counted, and there is another", async () => {
  const api = openApi({
    dataFile: ":memory:",
    clock: systemClock,
    random: Math.random,
    log: silentLog,
    definitions: lambientDefinitions,
  });
  const { client } = api;
  const clock = new FakeClock();
  const informers = new Informers({ client, clock: systemClock, onError: () => {} });
  const failures: string[] = [];
  const watching = watchNodes({
    client,
    informers,
    clock,
    random: Math.random,
    log: silentLog,
    record() {
      throw new Error("the store is full");
    },
    onFailure: (component) => void failures.push(component),
  });
  await client.create(nodeResource, { metadata: { name: "quiet" } });
  const conditions = [
    { type: "Ready", status: "True", lastHeartbeatTime: new Date(clock.nowMs()).toISOString() },
  ];
  await client.patchStatus(
    nodeResource,
    { name: "quiet" },
    { kind: "merge", value: { status: { conditions } } },
  );
  informers.start();
  await informers.synced;
  for (let i = 0; i < 6; i++) {
    clock.advance(10_000);
    await waitUntil("it has looked", () => clock.pending > 0);
  }
  await waitUntil("a failure is counted", () => failures.includes("node-controller"));
  watching.close();
  informers.close();
  api.close();
});
