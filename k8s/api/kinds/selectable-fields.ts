/** The fields by which objects of a kind can be selected, from their paths. */
import { isJsonObject, type JsonObject } from "../json.ts";
import type { SelectableFields } from "../kind.ts";
import type { WorkingObject } from "../working-object.ts";

/**
 * Fields of a kind by their dotted paths.
 * @param own Fields whose text is not what stands at their path.
 */
export function selectableFields(
  names: readonly string[],
  own: Readonly<Record<string, (object: WorkingObject) => string>> = {},
): SelectableFields {
  const paths = names.map((name) => [name, name.split(".")] as const);
  return {
    names: [...names, ...Object.keys(own)],
    valuesOf(object) {
      const values: Record<string, string> = {};
      for (const [name, path] of paths) values[name] = textAt(object, path);
      for (const [name, textOf] of Object.entries(own)) values[name] = textOf(object);
      return values;
    },
  };
}

function textAt(object: JsonObject, path: readonly string[]): string {
  let value: unknown = object;
  for (const part of path) value = isJsonObject(value) ? value[part] : undefined;
  if (typeof value === "string") return value;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : "";
}
