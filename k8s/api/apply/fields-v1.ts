/** Field sets as Kubernetes writes them: FieldsV1 in `managedFields`, and paths in messages. */
import { isJsonObject, type JsonObject, setField } from "../json.ts";
import { type FieldPath, type FieldSet, FieldSetBuilder, sortedChildren } from "./field-set.ts";

/** The element of a named field. */
export function fieldElement(name: string): string {
  return `f:${name}`;
}

/** The element of a list's item that is known by the values of its keys. */
export function keyElement(keys: JsonObject): string {
  const sorted = Object.entries(keys).sort(([left], [right]) => (left < right ? -1 : 1));
  return `k:${JSON.stringify(Object.fromEntries(sorted))}`;
}

/** The element of a set's item, which is known by its value. */
export function valueElement(value: unknown): string {
  return `v:${JSON.stringify(value)}`;
}

/** The name in the element of a named field; undefined for another element. */
export function fieldName(element: string): string | undefined {
  return element.startsWith("f:") ? element.slice(2) : undefined;
}

/** A set as FieldsV1. */
export function formatFields(set: FieldSet): JsonObject {
  const written: JsonObject = {};
  for (const [element, child] of sortedChildren(set)) {
    const below = formatFields(child);
    const isBoth = child.isMember && Object.keys(below).length > 0;
    setField(written, element, isBoth ? { ".": {}, ...below } : below);
  }
  return written;
}

/** FieldsV1 as a set; undefined when it cannot be read. Elements of a form that is not known are left out. */
export function parseFields(value: unknown): FieldSet | undefined {
  const set = new FieldSetBuilder();
  return readInto(set, value, []) ? set : undefined;
}

function readInto(set: FieldSetBuilder, value: unknown, at: FieldPath): boolean {
  if (!isJsonObject(value)) return false;
  const names = Object.keys(value);
  if (names.length === 0 && at.length > 0) set.insert(at);
  return names.every((name) => {
    if (name === ".") {
      set.insert(at);
      return true;
    }
    const element = parseElement(name);
    return element === undefined || readInto(set, value[name], [...at, element]);
  });
}

/** An element in the one way of writing it, so that equal ones are equal texts. */
function parseElement(text: string): string | undefined {
  const rest = text.slice(2);
  switch (text.slice(0, 2)) {
    case "f:":
      return text;
    case "i:":
      return /^-?\d+$/.test(rest) ? text : undefined;
    case "v:":
      return ofJson(rest, valueElement);
    case "k:":
      return ofJson(rest, (keys) => (isJsonObject(keys) ? keyElement(keys) : undefined));
    default:
      return undefined;
  }
}

function ofJson(text: string, elementOf: (value: unknown) => string | undefined): string | undefined {
  try {
    return elementOf(JSON.parse(text));
  } catch {
    // What is no JSON is no element; the caller says so.
    return undefined;
  }
}

/** A path as messages name it: `.spec.ports[port=80,protocol="TCP"].name`. */
export function pathText(path: FieldPath): string {
  return path.map(elementText).join("");
}

function elementText(element: string): string {
  const rest = element.slice(2);
  switch (element.charAt(0)) {
    case "f":
      return `.${rest}`;
    case "k":
      return `[${Object.entries(JSON.parse(rest) as JsonObject)
        .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
        .join(",")}]`;
    case "v":
      return `[=${rest}]`;
    default:
      return `[${rest}]`;
  }
}
