/** Random writes of one object by several managers, as a client would send them to any Kubernetes API: for tests that send them to two. */

/** A request, but for the server it goes to. */
export interface RandomWrite {
  readonly method: "POST" | "PUT" | "PATCH";
  /** After the collection's path. */
  readonly path: string;
  readonly type: string;
  readonly body: unknown;
}

/** The kind that is written. */
export interface WrittenKind {
  readonly apiVersion: string;
  readonly kind: string;
  /** Whether lists are merged by strategic patches. */
  readonly isStrategic: boolean;
  /** Whether there is a status of its own. */
  readonly hasStatus: boolean;
  /** Everything but type and metadata. */
  content(choose: Choose): object;
  status(choose: Choose): object;
}

/** Chance, by a seed. */
export interface Choose {
  (): number;
  /** One of them. */
  of<Value>(values: readonly [Value, ...Value[]]): Value;
  /** Some of the fields, each with a likelihood. */
  some(fields: Readonly<Record<string, () => unknown>>, likelihood?: number): Record<string, unknown>;
  /** Up to so many, no two with the same key. */
  list<Value>(most: number, make: () => Value, key?: (value: Value) => string): Value[];
}

/** Chance that a seed decides. */
export function chooseBy(seed: number): Choose {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return Object.assign(next, {
    of: <Value>(values: readonly [Value, ...Value[]]): Value =>
      values[Math.floor(next() * values.length)] ?? values[0],
    some(fields: Readonly<Record<string, () => unknown>>, likelihood = 0.4): Record<string, unknown> {
      const chosen = Object.entries(fields).filter(() => next() < likelihood);
      return Object.fromEntries(chosen.map(([name, make]) => [name, make()]));
    },
    list<Value>(most: number, make: () => Value, key: (value: Value) => string = JSON.stringify): Value[] {
      const made = Array.from({ length: 1 + Math.floor(next() * most) }, make);
      return [...new Map(made.map((value) => [key(value), value])).values()];
    },
  });
}

const managers = ["one", "two", "three", "kubectl"] as const;
const patchOf = (kind: string): string => `application/${kind}-patch+${kind === "apply" ? "yaml" : "json"}`;

/** The next write of an object. @param version That it has; absent: it is not there yet. */
export function randomWrite(
  kind: WrittenKind,
  name: string,
  choose: Choose,
  version: string | undefined,
): RandomWrite {
  const query = `?fieldManager=${choose.of(managers)}`;
  const { apiVersion } = kind;
  const whole = { apiVersion, kind: kind.kind, metadata: metadata(name, choose), ...kind.content(choose) };
  const way: Way = version === undefined ? choose.of(["create", "apply"]) : choose.of(ways);
  const force = choose() < 0.5 ? "&force=true" : "";
  switch (way) {
    case "create":
      return { method: "POST", path: query, type: "application/json", body: whole };
    case "put": {
      const body = { ...whole, metadata: { ...whole.metadata, resourceVersion: version } };
      return { method: "PUT", path: `/${name}${query}`, type: "application/json", body };
    }
    case "apply":
      return { method: "PATCH", path: `/${name}${query}${force}`, type: patchOf("apply"), body: whole };
    case "labels": {
      const body = [{ op: "add", path: "/metadata/labels", value: words(choose) }];
      return { method: "PATCH", path: `/${name}${query}`, type: patchOf("json"), body };
    }
    case "patch": {
      const { apiVersion: _version, kind: _kind, ...body } = whole;
      const type = kind.isStrategic && choose() < 0.5 ? "strategic-merge" : "merge";
      return { method: "PATCH", path: `/${name}${query}`, type: patchOf(type), body };
    }
    case "status":
      return statusWrite(kind, name, choose, { query, force });
  }
}

const ways: readonly [Way, ...Way[]] = [
  "apply",
  "apply",
  "apply",
  "patch",
  "patch",
  "put",
  "status",
  "labels",
];

type Way = "create" | "apply" | "patch" | "put" | "status" | "labels";

function statusWrite(
  ...[kind, name, choose, { query, force }]: [WrittenKind, string, Choose, { query: string; force: string }]
): RandomWrite {
  const status = kind.status(choose);
  const part = kind.hasStatus ? "/status" : "";
  if (choose() < 0.5) {
    const path = `/${name}${part}${query}`;
    return { method: "PATCH", path, type: patchOf("merge"), body: { status } };
  }
  const body = {
    apiVersion: kind.apiVersion,
    kind: kind.kind,
    metadata: { name },
    ...(part === "" ? {} : { status }),
  };
  return { method: "PATCH", path: `/${name}${part}${query}${force}`, type: patchOf("apply"), body };
}

function metadata(name: string, choose: Choose): { readonly name: string } {
  const finalizer = (): string => choose.of(["example.com/a", "example.com/b"]);
  const more = choose.some(
    {
      labels: () => words(choose),
      annotations: () => words(choose),
      finalizers: () => choose.list(2, finalizer),
    },
    0.3,
  );
  return { name, ...more };
}

/** A map of a few words. */
export function words(choose: Choose): Record<string, unknown> {
  const word = (): string => choose.of(["a", "b", "c"]);
  return choose.some({ k1: word, k2: word, k3: word }, 0.5);
}
