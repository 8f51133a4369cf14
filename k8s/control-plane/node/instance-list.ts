/** The running instances, asked of the node runtime again and again: held in memory, as they die with it. */
import type { Clock, Timer } from "#host/clock.ts";
import type { InstanceObject } from "../../translate/mesh-objects.ts";
import type { NodeLink } from "./node-link.ts";

/** An instance as it is told on: what the node runtime says, read as far as it is understood. */
export interface InstanceReport extends InstanceObject {
  readonly state: string;
  readonly startedAtMs: number;
  readonly rung: string;
}

/** An instance that is gone, as the node runtime tells of it. */
export interface EndedInstance {
  readonly instance: string;
  readonly namespace: string;
  /** `crash`, `oom`, `idle`, `stopped` or `load-failed`. */
  readonly reason: string;
  readonly endedAtMs: number;
}

/** See the file's head. */
export interface InstanceList {
  readonly instances: readonly InstanceReport[];
  /** Those that ended last. */
  readonly ended: readonly EndedInstance[];
  /** The link came up: ask now. */
  linkUp(): void;
  /** The link is down: unless it comes back soon, the instances of a node runtime that is gone are gone with it. */
  linkDown(): void;
  /** Resolves once the node runtime has answered for the first time, or when nothing came within the time. */
  whenKnown(timeoutMs: number): Promise<void>;
  close(): void;
}

/** Between two questions: nobody waits for the answer, as whoever starts an instance learns its address at once. */
const intervalMs = 200;
const timeoutMs = 5000;
/** A node runtime that lost only its connection is back sooner. */
const graceMs = 2000;

/** Starts with an empty list; `onChange` is called when it becomes another. */
export function makeInstanceList(ask: NodeLink["request"], clock: Clock, onChange: () => void): InstanceList {
  let instances: readonly InstanceReport[] = [];
  let ended: readonly EndedInstance[] = [];
  let text = "[]";
  let timer: Timer | undefined;
  let isUp = false;
  const known = Promise.withResolvers<void>();

  const set = (next: readonly InstanceReport[]): void => {
    const nextText = JSON.stringify(next);
    if (nextText === text) return;
    // An instance that is as it was stays the same object: what is made of it is then not made anew.
    const before = new Map(instances.map((each) => [JSON.stringify(each), each]));
    instances = next.map((each) => before.get(JSON.stringify(each)) ?? each);
    text = nextText;
    onChange();
  };
  const poll = async (): Promise<void> => {
    try {
      const answer = await ask("instances", {}, timeoutMs);
      ended = readList(answer, "ended").flatMap(readEnded);
      set(readList(answer, "instances").flatMap(readInstance));
      known.resolve();
    } catch {
      // The link reports its own end; a question that timed out is asked again.
    }
    if (isUp) timer = clock.after(intervalMs, () => void poll());
  };
  const stop = (): void => {
    isUp = false;
    timer?.cancel();
  };
  return {
    get instances() {
      return instances;
    },
    get ended() {
      return ended;
    },
    linkUp() {
      stop();
      isUp = true;
      void poll();
    },
    linkDown() {
      stop();
      timer = clock.after(graceMs, () => set([]));
    },
    async whenKnown(withinMs) {
      const late = clock.after(withinMs, () => known.resolve());
      await known.promise;
      late.cancel();
    },
    close: stop,
  };
}

function readList(answer: unknown, name: string): readonly unknown[] {
  const list = fieldsOf(answer)[name];
  return Array.isArray(list) ? list : [];
}

function fieldsOf(value: unknown): Record<string, unknown> {
  // Sound: any object can be read by key, and each value read is checked.
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function readEnded(value: unknown): EndedInstance[] {
  const { instance, namespace, reason, endedAtMs } = fieldsOf(value);
  if (typeof instance !== "string" || typeof namespace !== "string") return [];
  return [
    {
      instance,
      namespace,
      reason: typeof reason === "string" ? reason : "",
      endedAtMs: typeof endedAtMs === "number" ? endedAtMs : 0,
    },
  ];
}

function readInstance(value: unknown): InstanceReport[] {
  const fields = fieldsOf(value);
  const text = (name: string): string => (typeof fields[name] === "string" ? fields[name] : "");
  const startedAtMs = typeof fields["startedAtMs"] === "number" ? fields["startedAtMs"] : 0;
  const report: InstanceReport = {
    instance: text("instance"),
    namespace: text("namespace"),
    // The node runtime names a revision by its object; another form would be "<namespace>/<name>".
    revision: text("revision").split("/").at(-1) ?? "",
    function: text("function"),
    address: text("address"),
    state: text("state"),
    startedAtMs,
    rung: text("rung"),
  };
  return report.instance === "" || report.namespace === "" ? [] : [report];
}
