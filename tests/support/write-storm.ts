/** A client that writes to an API that may be killed at any moment, and knows afterwards what must be there: for tests. */
import { KubeError } from "#host/kube/kube-error.ts";
import type { KubeClient } from "#host/kube/kube-client.ts";
import { type ConfigMapObject as ConfigMap, configMapResource } from "../../k8s/model/core-objects.ts";

/** What an object may look like: its number, or that it is not there. */
type State = number | "absent";

/** One object as its only writer knows it. */
interface Known {
  /** As the last answer said. */
  readonly state: State;
  /** What it may have become by a write that was never answered. */
  readonly pending?: State;
}

/** A writer of objects that nobody else writes. */
export interface StormWriter {
  /** How many writes were answered. */
  readonly answered: number;
  /** Largest version that an answer carried. */
  readonly version: number;
  /** Writes until told to stop or until the API is gone. */
  run(signal: AbortSignal): Promise<void>;
  /** Compares with what is there, and goes on from that. @returns what is not as it must be. */
  settle(objects: readonly ConfigMap[]): readonly string[];
}

/** Opens a writer. @param random Decides what it writes. */
export function stormWriter(kube: KubeClient, prefix: string, random: () => number): StormWriter {
  const known = new Map<string, Known>();
  let serial = 0;
  let answered = 0;
  let version = 0;

  const note = (name: string, state: State, at?: string): void => {
    known.set(name, { state });
    answered++;
    version = Math.max(version, Number(at ?? 0));
  };

  async function write(): Promise<void> {
    const name = `${prefix}-${Math.floor(random() * 8)}`;
    const { state } = known.get(name) ?? { state: "absent" as const };
    const next = ++serial;
    if (state === "absent") {
      known.set(name, { state, pending: next });
      const made = await kube.create(configMapResource, draft(name, next));
      note(name, next, made.metadata.resourceVersion);
    } else if (random() < 0.3) {
      known.set(name, { state, pending: "absent" });
      await kube.delete(configMapResource, key(name));
      note(name, "absent");
    } else {
      known.set(name, { state, pending: next });
      const { metadata, data } = draft(name, next);
      const value = { metadata: { labels: metadata.labels }, data };
      const patched = await kube.patch(configMapResource, key(name), { kind: "merge", value });
      note(name, next, patched.metadata.resourceVersion);
    }
  }

  return {
    get answered() {
      return answered;
    },
    get version() {
      return version;
    },
    async run(signal) {
      while (!signal.aborted) {
        try {
          await write();
        } catch (error) {
          // A refusal is an answer, and there is none to be expected: nobody else writes these.
          if (error instanceof KubeError) throw error;
          return;
        }
      }
    },
    settle(objects) {
      const found = new Map(objects.map((object) => [object.metadata.name, object]));
      const wrong: string[] = [];
      for (const [name, { state, pending }] of known) {
        const object = found.get(name);
        const is: State = object === undefined ? "absent" : numberOf(object);
        if (is !== state && is !== pending) wrong.push(`${name}: ${is}, not ${state} or ${pending ?? "-"}`);
        known.set(name, { state: is });
        found.delete(name);
      }
      for (const [name, object] of found) {
        if (name.startsWith(`${prefix}-`)) wrong.push(`${name}: ${numberOf(object)}, which nobody wrote`);
      }
      return wrong;
    },
  };
}

function key(name: string): { readonly namespace: string; readonly name: string } {
  return { namespace: "default", name };
}

/** An object that says its number in four places, so that half of a write would show. */
function draft(name: string, number: number) {
  const text = String(number);
  return {
    metadata: { ...key(name), labels: { storm: "1", number: text } },
    data: { first: text, second: text.repeat(20) },
  };
}

/** The number of an object; NaN when its places do not agree. */
function numberOf({ metadata, data }: ConfigMap): number {
  const number = metadata.labels?.["number"] ?? "";
  const isWhole = data?.["first"] === number && data["second"] === number.repeat(20);
  return isWhole ? Number(number) : Number.NaN;
}
