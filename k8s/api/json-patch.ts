/** JSON patch (RFC 6902) over JSON pointers (RFC 6901). */
import { err, ok, type Result } from "#core/result.ts";
import { isJsonObject, jsonEqual, type JsonObject, setField } from "./json.ts";

/** Operations of one patch, as in Kubernetes. */
export const operationsMax = 10_000;

/** Characters of JSON that a patch may copy: a few copies of copies would fill the memory. */
export const copiedLengthMax: number = 3 << 20;

interface CopyBudget {
  left: number;
}

/** The document with all operations applied, or why one of them cannot be. The document is the caller's to give away. */
export function jsonPatch(document: unknown, patch: unknown): Result<unknown> {
  if (!Array.isArray(patch)) return err("a JSON patch must be an array of operations");
  if (patch.length > operationsMax) {
    return err(`The allowed maximum operations in a JSON patch is ${operationsMax}, got ${patch.length}`);
  }
  let current = ok(document);
  const budget: CopyBudget = { left: copiedLengthMax };
  for (const [index, operation] of patch.entries()) {
    if (!isJsonObject(operation)) return err(`operation ${index} must be an object`);
    const applied = apply(current.value, operation, budget);
    if (!applied.ok) return err(`operation ${index}: ${applied.error}`);
    current = applied;
  }
  return current;
}

function apply(document: unknown, operation: JsonObject, budget: CopyBudget): Result<unknown> {
  const path = pointer(operation["path"]);
  if (path === undefined)
    return err(`cannot read the path as a JSON pointer: ${JSON.stringify(operation["path"])}`);
  const op = operation["op"];
  const hasValue = Object.hasOwn(operation, "value");
  if (!hasValue && (op === "add" || op === "replace")) return err(`${op} needs a value`);
  switch (op) {
    case "add":
      return add(document, path, operation["value"]);
    case "remove":
      return remove(document, path);
    case "replace":
      return replace(document, path, operation["value"]);
    case "move":
    case "copy":
      return transfer(document, { path, operation, budget });
    case "test":
      return test(document, path, operation["value"]);
    default:
      return err(`unknown op ${JSON.stringify(op)}`);
  }
}

function test(document: unknown, path: readonly string[], wanted: unknown): Result<unknown> {
  const found = resolve(document, path);
  if (!found.ok) return found;
  return jsonEqual(found.value, wanted ?? null) ? ok(document) : err(`testing value ${text(path)} failed`);
}

function transfer(
  document: unknown,
  { path, operation, budget }: { path: readonly string[]; operation: JsonObject; budget: CopyBudget },
): Result<unknown> {
  const from = pointer(operation["from"]);
  if (from === undefined)
    return err(`cannot read from as a JSON pointer: ${JSON.stringify(operation["from"])}`);
  const found = resolve(document, from);
  if (!found.ok) return found;
  if (operation["op"] === "copy") {
    const copied = JSON.stringify(found.value);
    budget.left -= copied.length;
    return budget.left < 0
      ? err(`copies more than ${copiedLengthMax} characters`)
      : add(document, path, JSON.parse(copied));
  }
  if (path.length > from.length && from.every((part, index) => part === path[index])) {
    return err(`cannot move ${text(from)} into itself`);
  }
  const removed = remove(document, from);
  return removed.ok ? add(removed.value, path, found.value) : removed;
}

function add(document: unknown, path: readonly string[], value: unknown): Result<unknown> {
  const last = path.at(-1);
  if (last === undefined) return ok(value);
  const parent = resolve(document, path.slice(0, -1));
  if (!parent.ok) return parent;
  if (Array.isArray(parent.value)) {
    const index = last === "-" ? parent.value.length : arrayIndex(last);
    if (index === undefined || index > parent.value.length) return err(`invalid index ${text(path)}`);
    parent.value.splice(index, 0, value);
  } else if (isJsonObject(parent.value)) {
    setField(parent.value, last, value);
  } else {
    return err(`cannot add to ${text(path)}: its parent is no object or array`);
  }
  return ok(document);
}

function remove(document: unknown, path: readonly string[]): Result<unknown> {
  const last = path.at(-1);
  if (last === undefined) return ok(null);
  const found = resolve(document, path);
  if (!found.ok) return err(`unable to remove nonexistent key ${text(path)}`);
  const parent = resolve(document, path.slice(0, -1));
  if (!parent.ok) return parent;
  if (Array.isArray(parent.value)) parent.value.splice(Number(last), 1);
  else if (isJsonObject(parent.value)) delete parent.value[last];
  return ok(document);
}

function replace(document: unknown, path: readonly string[], value: unknown): Result<unknown> {
  const last = path.at(-1);
  if (last === undefined) return ok(value);
  const parent = resolve(document, path.slice(0, -1));
  if (!parent.ok) return err(`replace operation does not apply: doc is missing path: ${text(path)}`);
  // As in Kubernetes, and unlike the RFC, a field need not be there to be replaced.
  if (isJsonObject(parent.value)) {
    setField(parent.value, last, value);
    return ok(document);
  }
  if (!resolve(document, path).ok || !Array.isArray(parent.value)) {
    return err(`replace operation does not apply: doc is missing key: ${text(path)}`);
  }
  parent.value[Number(last)] = value;
  return ok(document);
}

function resolve(document: unknown, path: readonly string[]): Result<unknown> {
  let current = document;
  for (const part of path) {
    const index = arrayIndex(part);
    if (Array.isArray(current) && index !== undefined && index < current.length) {
      current = (current as unknown[])[index];
    } else if (isJsonObject(current) && Object.hasOwn(current, part)) {
      current = current[part];
    } else {
      return err(`path ${text(path)} does not exist`);
    }
  }
  return ok(current);
}

function pointer(value: unknown): readonly string[] | undefined {
  if (typeof value !== "string") return undefined;
  if (value === "") return [];
  if (!value.startsWith("/")) return undefined;
  return value
    .slice(1)
    .split("/")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function arrayIndex(part: string): number | undefined {
  return /^(0|[1-9]\d{0,8})$/.test(part) ? Number(part) : undefined;
}

function text(path: readonly string[]): string {
  return `/${path.map((part) => part.replaceAll("~", "~0").replaceAll("/", "~1")).join("/")}`;
}
