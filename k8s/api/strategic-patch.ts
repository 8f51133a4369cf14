/** Strategic merge patch for the built-in kinds: a merge patch whose lists are merged as their schema says, with directives. Lists' order is strategic-order's. */
import { itemSchema, fieldSchema } from "./apply/merge-schema.ts";
import { arrayOr, isJsonObject, type JsonObject, objectOr, setField, textOr } from "./json.ts";
import { badRequest, unexplained } from "./refusal.ts";
import { identityOf, type ListKind, placeItems } from "./strategic-order.ts";

/**
 * The document with the patch applied; neither is changed.
 * @param schema With `x-kubernetes-patch-strategy` and `x-kubernetes-patch-merge-key`.
 * @throws KubeError for a patch that cannot be applied.
 */
export function strategicPatch(document: unknown, patch: unknown, schema: JsonObject): unknown {
  if (!isJsonObject(patch)) throw badRequest("a strategic merge patch must be an object");
  return mergeObject(objectOr(document), patch, schema);
}

const setOrder = "$setElementOrder/";
const deleteValues = "$deleteFromPrimitiveList/";

function mergeObject(document: JsonObject, patch: JsonObject, schema: JsonObject): JsonObject {
  if (patch["$patch"] !== undefined) return replaceObject(patch);
  const merged = withRetained(document, patch);
  const ordered = new Set<string>();
  for (const [name, order] of Object.entries(patch)) {
    if (!name.startsWith(setOrder)) continue;
    const field = name.slice(setOrder.length);
    ordered.add(field);
    orderField({ merged, patch, schema: fieldSchema(schema, field), field }, order);
  }
  for (const [name, value] of Object.entries(patch)) {
    if (name === "$retainKeys" || name.startsWith(setOrder) || ordered.has(name)) continue;
    if (name.startsWith(deleteValues)) deleteFrom(merged, name.slice(deleteValues.length), value);
    else mergeField(merged, { name, value, schema: fieldSchema(schema, name) });
  }
  return merged;
}

/** An object whose patch says that nothing of it stays. */
function replaceObject(patch: JsonObject): JsonObject {
  const { $patch, ...rest } = patch;
  if ($patch === "replace") return rest;
  if ($patch === "delete") return {};
  throw unexplained(`unknown patch type: ${textOr($patch)} in map: ${JSON.stringify(patch)}`);
}

function withRetained(document: JsonObject, patch: JsonObject): JsonObject {
  const retained = patch["$retainKeys"];
  if (retained === undefined) return { ...document };
  const wanted = Object.keys(patch).filter((name) => !name.startsWith("$") && patch[name] !== null);
  if (!Array.isArray(retained) || wanted.some((name) => !retained.includes(name))) {
    throw badRequest("invalid patch format of retainKeys");
  }
  return Object.fromEntries(Object.entries(document).filter(([name]) => retained.includes(name)));
}

interface FieldPatch {
  readonly name: string;
  readonly value: unknown;
  readonly schema: JsonObject;
}

function mergeField(merged: JsonObject, { name, value, schema }: FieldPatch): void {
  const held = Object.hasOwn(merged, name) ? merged[name] : undefined;
  if (value === null) delete merged[name];
  else if (isJsonObject(value)) {
    const isReplaced = strategies(schema).includes("replace");
    const before = isJsonObject(held) && !isReplaced ? held : {};
    setField(merged, name, mergeObject(before, value, schema));
  } else if (Array.isArray(value)) {
    const order = listKindOf(schema);
    const isMerged = order !== undefined && Array.isArray(held);
    setField(merged, name, isMerged ? mergeList(held, value, { order, schema }) : bareList(value, schema));
  } else setField(merged, name, value);
}

function strategies(schema: JsonObject): readonly string[] {
  return textOr(schema["x-kubernetes-patch-strategy"]).split(",");
}

/** How the items of a list are told apart; undefined for lists that are replaced. */
function listKindOf(schema: JsonObject): ListKind | undefined {
  if (!strategies(schema).includes("merge")) return undefined;
  const key = textOr(schema["x-kubernetes-patch-merge-key"]);
  return key === "" ? { kind: "values" } : { kind: "keyed", key };
}

/** A list that nothing was merged with: its directives have done their work. */
function bareList(list: readonly unknown[], schema: JsonObject): readonly unknown[] {
  const kept = list.filter((item) => !isJsonObject(item) || item["$patch"] === undefined);
  return kept.map((item) => (isJsonObject(item) ? mergeObject({}, item, itemSchema(schema)) : item));
}

interface ListMerge {
  readonly order: ListKind;
  readonly schema: JsonObject;
}

function mergeList(
  held: readonly unknown[],
  patch: readonly unknown[],
  { order, schema }: ListMerge,
): readonly unknown[] {
  if (order.kind === "values") {
    const items = new Map([...held, ...patch].map((item) => [identityOf(item, order), item]));
    return placeItems({ items: [...items.values()], wanted: patch, held }, order);
  }
  const plain = patch.filter((item) => objectOr(item)["$patch"] === undefined);
  const directed = patch.filter((item) => objectOr(item)["$patch"] !== undefined).map(objectOr);
  if (directed.some((item) => item["$patch"] === "replace")) return bareList(plain, schema);
  const gone = new Set(directed.map((directive) => deletedBy(directive, order)));
  const left = held.filter((item) => !gone.has(identityOf(item, order)));
  const items = mergeItems(left, plain, { order, schema });
  return placeItems({ items, wanted: plain, held }, order);
}

/** The identity of what a directive deletes. */
function deletedBy(directive: JsonObject, order: Extract<ListKind, { kind: "keyed" }>): string {
  switch (directive["$patch"]) {
    case "delete":
      return keyedIdentity(directive, order);
    case "merge":
      throw unexplained("merging lists cannot yet be specified in the patch");
    default:
      throw unexplained(
        `unknown patch type: ${textOr(directive["$patch"])} in map: ${JSON.stringify(directive)}`,
      );
  }
}

function mergeItems(
  held: readonly unknown[],
  patch: readonly unknown[],
  { order, schema }: { readonly order: Extract<ListKind, { kind: "keyed" }>; readonly schema: JsonObject },
): readonly unknown[] {
  const items = [...held];
  // Of items with one key the first is the one that is merged with.
  const places = new Map(
    items.map((item, at): [string, number] => [identityOf(item, order), at]).toReversed(),
  );
  for (const item of patch.map(objectOr)) {
    const identity = keyedIdentity(item, order);
    const at = places.get(identity) ?? items.length;
    items[at] = mergeObject(objectOr(items[at]), item, itemSchema(schema));
    places.set(identity, at);
  }
  return items;
}

function keyedIdentity(item: JsonObject, order: Extract<ListKind, { kind: "keyed" }>): string {
  if (item[order.key] !== undefined) return identityOf(item, order);
  throw unexplained(`map: ${JSON.stringify(item)} does not contain declared merge key: ${order.key}`);
}

interface OrderedField {
  readonly merged: JsonObject;
  readonly patch: JsonObject;
  readonly schema: JsonObject;
  readonly field: string;
}

/** Merges a list and puts it into the order that its patch wants. */
function orderField({ merged, patch, schema, field }: OrderedField, order: unknown): void {
  const kind = listKindOf(schema) ?? { kind: "values" };
  if (!Array.isArray(order)) throw badRequest("invalid patch format of setElementOrder list");
  const wanted: readonly unknown[] = order;
  const held = arrayOr(merged[field]);
  const list = Object.hasOwn(patch, field) ? patch[field] : undefined;
  const removed = patch[`${deleteValues}${field}`];
  if (Array.isArray(list)) checkOrder(list, wanted, kind);
  if (Array.isArray(removed)) deleteFrom(merged, field, removed);
  mergeField(merged, { name: field, value: list ?? [], schema });
  if (list === null || !Array.isArray(merged[field])) return;
  const items = arrayOr(merged[field]);
  merged[field] = placeItems({ items, wanted, held }, kind);
}

function checkOrder(list: readonly unknown[], order: readonly unknown[], kind: ListKind): void {
  const known = new Set(order.map((item) => identityOf(item, kind)));
  const isPlaced = (item: unknown): boolean =>
    objectOr(item)["$patch"] !== undefined || known.has(identityOf(item, kind));
  if (list.every(isPlaced)) return;
  const [got, wanted] = [JSON.stringify(list), JSON.stringify(order)];
  throw unexplained(`The order in patch list:\n${got}\n doesn't match $setElementOrder list:\n${wanted}\n`);
}

function deleteFrom(merged: JsonObject, field: string, values: unknown): void {
  if (!Array.isArray(values)) throw badRequest("invalid patch format of primitive list");
  if (!Object.hasOwn(merged, field) || !Array.isArray(merged[field])) return;
  const list: readonly unknown[] = merged[field];
  const gone = new Set(values.map((value) => JSON.stringify(value)));
  merged[field] = list.filter((item) => !gone.has(JSON.stringify(item)));
}
