/** Laying an applied configuration over a live object: what it says wins, what it leaves out stays. Removes nothing. */
import { arrayOr, isJsonObject, type JsonObject, setField } from "../json.ts";
import { fieldSchema, itemSchema, type Shape, shapeOf } from "./merge-schema.ts";

/** The live value with the configuration laid over it; neither is changed. Of items that a list of it has twice the last counts. */
export function mergeConfig(live: unknown, config: unknown, schema: JsonObject): unknown {
  return merge({ live, config, schema });
}

interface Pair {
  readonly live: unknown;
  readonly config: unknown;
  readonly schema: JsonObject;
}

function merge(pair: Pair): unknown {
  const { live, config, schema } = pair;
  if (config === undefined) return live;
  const shape = shapeOf(config ?? live, schema);
  const isSameForm = live === undefined || live === null || shapeOf(live, schema).kind === shape.kind;
  // Null says nothing of what is merged in parts.
  if (config === null && shape.kind !== "leaf") return live;
  switch (shape.kind) {
    case "leaf":
      return config;
    case "object":
      return mergeObjects({ ...pair, live: isSameForm ? live : undefined });
    case "list":
      return mergeLists({ ...pair, live: isSameForm ? live : undefined }, shape);
  }
}

function mergeObjects({ live, config, schema }: Pair): JsonObject {
  const before = isJsonObject(live) ? live : {};
  const merged: JsonObject = { ...before };
  for (const [name, value] of Object.entries(isJsonObject(config) ? config : {})) {
    const held = Object.hasOwn(before, name) ? before[name] : undefined;
    setField(merged, name, merge({ live: held, config: value, schema: fieldSchema(schema, name) }));
  }
  return merged;
}

function mergeLists({ live, config, schema }: Pair, shape: Extract<Shape, { kind: "list" }>): unknown[] {
  const wanted = new Map(arrayOr(config).map((item) => [shape.elementOf(item), item]));
  const held = Map.groupBy(arrayOr(live), shape.elementOf);
  return mergedOrder([...arrayOr(live)].map(shape.elementOf), [...wanted.keys()]).flatMap((element) => {
    const before = held.get(element) ?? [];
    const item = wanted.get(element);
    if (item === undefined) return before;
    // Items that the live list has twice cannot be merged with: the configuration's one stands for all of them.
    const only = before.length === 1 ? before[0] : undefined;
    return [merge({ live: only, config: item, schema: itemSchema(schema) })];
  });
}

/**
 * The order of a merged list: the configuration's items in its own order; what only the live list has keeps its place
 * among them.
 */
function mergedOrder(live: readonly string[], config: readonly string[]): readonly string[] {
  const wanted = new Set(config);
  const held = new Set(live);
  const shared = config.filter((element) => held.has(element));
  const order = new Set<string>();
  let next = 0;
  let nextShared = 0;
  for (const element of live) {
    while (order.has(shared[nextShared] ?? "")) nextShared++;
    if (!wanted.has(element)) order.add(element);
    // One that the configuration puts later is passed over here.
    if (shared[nextShared] !== element) continue;
    while (!order.has(element)) order.add(config[next++] ?? element);
  }
  for (const element of config) order.add(element);
  return [...order];
}
