/** Pods that nobody ends, on an API in memory whose time is stepped. */
import { expect, test } from "bun:test";
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
