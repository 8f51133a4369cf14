/** A rule's `fieldPath`, `.a.b['c-d']`: which field below its own place a fault is about. */
import { isJsonObject, type JsonObject, objectOr } from "../json.ts";

/** The path as faults write it, `.a.b.c-d` or `.m[key]`; undefined when the schema has no such field. */
export function fieldPathOf(text: string, schema: JsonObject): string | undefined {
  let place: unknown = schema;
  let path = "";
  let rest = text.trim();
  while (rest !== "") {
    const step = /^(?:\.([A-Za-z_][A-Za-z0-9_]*)|\['((?:[^'\\]|\\.)+)'\])/.exec(rest);
    if (step === null || !isJsonObject(place)) return undefined;
    const name = step[1] ?? (step[2] ?? "").replaceAll(/\\(.)/g, "$1");
    const properties = objectOr(place["properties"]);
    if (Object.hasOwn(properties, name)) {
      place = properties[name];
      path += `.${name}`;
    } else if (isJsonObject(place["additionalProperties"])) {
      place = place["additionalProperties"];
      path += `[${name}]`;
    } else {
      return undefined;
    }
    rest = rest.slice(step[0].length);
  }
  return path === "" ? undefined : path;
}
