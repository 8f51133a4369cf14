/** Whatever happens, whoever lists and then watches ends up with what is there: also when it is cut, when history is forgotten, and by selector. */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { systemClock } from "#host/clock.ts";
import type { KubeClient } from "#host/kube/kube-client.ts";
import { isNotFound } from "#host/kube/kube-error.ts";
import { silentLog } from "#host/log.ts";
import { openApi } from "../../k8s/api/open-api.ts";
import { defaultWatchLimits } from "../../k8s/api/watch-hub.ts";
import { configMapResource } from "../../k8s/model/core-objects.ts";

type Step =
  | { readonly kind: "put"; readonly name: string; readonly label: string; readonly data: string }
  | { readonly kind: "delete"; readonly name: string }
  /** Lets the watchers run. */
  | { readonly kind: "rest" };

const name = fc.constantFrom("a", "b", "c", "d");
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant("put" as const),
    name,
    label: fc.constantFrom("x", "y"),
    data: fc.string({ maxLength: 3 }),
  }),
  fc.record({ kind: fc.constant("delete" as const), name }),
  fc.record({ kind: fc.constant("rest" as const) }),
);

async function run(client: KubeClient, what: Step): Promise<void> {
  if (what.kind === "rest") {
    await Bun.sleep(0);
    return;
  }
  const key = { namespace: "default", name: what.name };
  try {
    if (what.kind === "delete") {
      await client.delete(configMapResource, key);
      return;
    }
    const value = { metadata: { labels: { l: what.label } }, data: { d: what.data } };
    await client.patch(configMapResource, key, { kind: "merge", value });
  } catch (error) {
    if (!isNotFound(error)) throw error;
    if (what.kind === "put") {
      await client.create(configMapResource, {
        metadata: { ...key, labels: { l: what.label } },
        data: { d: what.data },
      });
    }
  }
}

/** A watcher's picture of what is there. */
function follow(client: KubeClient, labelSelector: string, signal: AbortSignal): Map<string, string> {
  const seen = new Map<string, string>();
  client.watch(configMapResource, {
    namespace: "default",
    labelSelector,
    signal,
    onEvent({ type, object: { metadata } }) {
      const isKnown = seen.has(metadata.name);
      if (isKnown === (type === "ADDED")) throw new Error(`${type} of ${metadata.name} does not follow`);
      if (type === "DELETED") seen.delete(metadata.name);
      else seen.set(metadata.name, metadata.resourceVersion);
    },
    onError(error) {
      if (String(error).includes("does not follow")) seen.set("an event out of place", String(error));
    },
  });
  return seen;
}

async function present(client: KubeClient, labelSelector: string): Promise<[string, string][]> {
  const list = await client.list(configMapResource, { namespace: "default", labelSelector });
  return list.items.map(({ metadata }) => [metadata.name, metadata.resourceVersion]);
}

test.each([
  ["with room", defaultWatchLimits],
  [
    "with queues of two and a history of three",
    { ...defaultWatchLimits, queueEventsMax: 2, historyEventsMax: 3 },
  ],
])(
  "watchers end up with what is there, %s",
  async (_, watchLimits) => {
    // Short backoff: nothing in the test depends on the time. Watches' own ends, half an hour away, stay where they are.
    const clock = {
      ...systemClock,
      after: (delayMs: number, action: () => void) =>
        systemClock.after(delayMs < 10_000 ? 0 : delayMs, action),
    };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const api = openApi({
          dataFile: ":memory:",
          clock,
          random: Math.random,
          log: silentLog,
          watchLimits,
        });
        const client = api.client;
        const ended = new AbortController();
        const selectors = ["", "l=x", "l notin (x)"];
        const pictures = selectors.map((selector) => follow(client, selector, ended.signal));
        for (const what of steps) await run(client, what);
        for (const [index, selector] of selectors.entries()) {
          const want = JSON.stringify(await present(client, selector));
          const got = (): string =>
            JSON.stringify([...(pictures[index] ?? [])].sort(([left], [right]) => (left < right ? -1 : 1)));
          const deadlineMs = Date.now() + 5000;
          while (got() !== want && Date.now() < deadlineMs) await Bun.sleep(1);
          expect(got()).toBe(want);
        }
        ended.abort();
        api.close();
      }),
      { numRuns: 60 },
    );
  },
  60_000,
);
