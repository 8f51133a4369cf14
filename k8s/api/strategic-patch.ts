/** Strategic merge patch for the built-in kinds: a merge patch whose lists are merged by their key, with the `$patch` directives. */
import { err, ok, type Result } from "#core/result.ts";
import { isJsonObject, jsonEqual, type JsonObject, setField } from "./json.ts";

/** Lists merged by a key, by the name of their field; every kind served here uses the same key under the same name. */
const keyOfList: Readonly<Record<string, string>> = {
  ports: "port",
  ownerReferences: "uid",
  conditions: "type",
  secrets: "name",
  imagePullSecrets: "name",
};

/** Lists of plain values that are merged as sets. */
const setLists = new Set(["finalizers"]);

/** The document with the patch applied, or why it cannot be; neither is changed. */
export function strategicPatch(document: unknown, patch: unknown): Result<unknown> {
  if (!isJsonObject(patch)) return err("a strategic merge patch must be an object");
  try {
    return ok(mergeObject(isJsonObject(document) ? document : {}, patch));
  } catch (error) {
    if (error instanceof PatchError) return err(error.message);
    throw error;
  }
}

class PatchError extends Error {}

function mergeObject(document: JsonObject, patch: JsonObject): JsonObject {
  if (patch["$patch"] === "replace") {
    const { $patch: _, ...rest } = patch;
    return rest;
  }
  if (patch["$patch"] === "delete") return {};
  if (patch["$patch"] !== undefined && patch["$patch"] !== "merge") {
    throw new PatchError(`unknown directive $patch: ${JSON.stringify(patch["$patch"])}`);
  }
  const merged: JsonObject = { ...document };
  for (const [name, value] of Object.entries(patch)) {
    if (name === "$patch") continue;
    if (name.startsWith("$")) applyDirective(merged, name, value);
    else if (value === null) delete merged[name];
    else setField(merged, name, mergeValue(name, merged[name], value));
  }
  const retained = patch["$retainKeys"];
  if (Array.isArray(retained)) {
    for (const name of Object.keys(merged)) if (!retained.includes(name)) delete merged[name];
  }
  return merged;
}

function mergeValue(name: string, before: unknown, patch: unknown): unknown {
  if (isJsonObject(patch)) return mergeObject(isJsonObject(before) ? before : {}, patch);
  if (!Array.isArray(patch)) return patch;
  const list: readonly unknown[] = Array.isArray(before) ? before : [];
  const key = Object.hasOwn(keyOfList, name) ? keyOfList[name] : undefined;
  if (key !== undefined) return mergeList(list, patch, key);
  if (!setLists.has(name)) return patch;
  return [...list, ...patch.filter((item) => !list.some((held) => jsonEqual(held, item)))];
}

function mergeList(before: readonly unknown[], patch: readonly unknown[], key: string): readonly unknown[] {
  if (patch.some((item) => isJsonObject(item) && item["$patch"] === "replace")) {
    return patch.filter((item) => !(isJsonObject(item) && item["$patch"] === "replace"));
  }
  const merged = [...before];
  for (const item of patch) {
    if (!isJsonObject(item)) throw new PatchError(`an item of a list merged by ${key} must be an object`);
    if (item[key] === undefined)
      throw new PatchError(`map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`);
    const at = merged.findIndex((held) => isJsonObject(held) && jsonEqual(held[key], item[key]));
    const held = merged[at];
    if (item["$patch"] === "delete") {
      if (at >= 0) merged.splice(at, 1);
    } else if (isJsonObject(held)) {
      merged[at] = mergeObject(held, item);
    } else {
      merged.push(mergeObject({}, item));
    }
  }
  return merged;
}

/** `$deleteFromPrimitiveList/x` removes values; `$setElementOrder/x` orders a list, `$retainKeys` is its caller's. */
function applyDirective(merged: JsonObject, name: string, value: unknown): void {
  if (name === "$retainKeys") return;
  const [directive, field = ""] = name.split("/");
  const list = Object.hasOwn(merged, field) ? merged[field] : undefined;
  if (directive === "$deleteFromPrimitiveList" && Array.isArray(value)) {
    if (!Array.isArray(list)) return;
    const rest: readonly unknown[] = list;
    merged[field] = rest.filter((item) => !value.some((gone) => jsonEqual(gone, item)));
    return;
  }
  // Order says nothing in the lists served here; the directive is accepted, since kubectl always sends it.
  if (directive === "$setElementOrder") return;
  throw new PatchError(`unknown directive ${JSON.stringify(name)}`);
}
