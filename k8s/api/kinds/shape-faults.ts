/** What an object of a built-in kind lacks or says wrongly by its shape alone: required fields, words of a closed set. Of a status nothing is demanded. */
import { isJsonObject, type JsonObject, objectOr, textsOf } from "../json.ts";
import { type FieldFault, requiredValue, unsupportedValue } from "../refusal.ts";

/** The faults of a decoded object. */
export function shapeFaults(object: JsonObject, schema: JsonObject): readonly FieldFault[] {
  const faults: FieldFault[] = [];
  find(object, schema, "", faults);
  return faults;
}

function find(value: unknown, schema: JsonObject, path: string, faults: FieldFault[]): void {
  if (typeof value === "string") faults.push(...wordFaults(value, schema, path));
  else if (Array.isArray(value)) {
    const items = objectOr(schema["items"]);
    for (const [index, item] of value.entries()) find(item, items, `${path}[${index}]`, faults);
  } else if (isJsonObject(value) && isJsonObject(schema["properties"])) {
    faults.push(...missingFaults(value, schema, path));
    for (const [name, item] of Object.entries(value)) {
      if (name === "metadata" || name === "status") continue;
      find(item, objectOr(schema["properties"][name]), join(path, name), faults);
    }
  }
}

/** Sets of words that the server does not tell in alphabetical order. */
const toldOrders: Readonly<Record<string, readonly string[]>> = {
  "Always,Never,OnFailure": ["Always", "OnFailure", "Never"],
  "ClusterFirst,ClusterFirstWithHostNet,Default,None": [
    "ClusterFirstWithHostNet",
    "ClusterFirst",
    "Default",
    "None",
  ],
};

function wordFaults(value: string, schema: JsonObject, path: string): readonly FieldFault[] {
  const words = textsOf(schema["enum"]);
  if (value === "" || words.length === 0 || words.includes(value)) return [];
  return [unsupportedValue(path, value, toldOrders[words.join()] ?? words)];
}

function missingFaults(value: JsonObject, schema: JsonObject, path: string): readonly FieldFault[] {
  return textsOf(schema["required"])
    .filter((name) => value[name] === undefined || value[name] === "")
    .map((name) => requiredValue(join(path, name)));
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}
