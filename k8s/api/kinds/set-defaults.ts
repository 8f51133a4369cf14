/** Filling in what a client left out of an object of a built-in kind: empty structs and constants by its shape, the rest by its types. */
import { isJsonObject, type JsonObject, objectOr, textsOf } from "../json.ts";
import { definitionKey, omitsZeroKey } from "./kube-schemas.ts";
import { typeDefaults } from "./type-defaults.ts";

/** Fills in an object, in place. */
export function setDefaults(object: JsonObject, schema: JsonObject): void {
  setIn(object, schema, "spec");
}

/** In which part of the object a value stands: of a status nothing is demanded, so that its zeros are written out. */
type Part = "spec" | "status";

function setIn(value: unknown, schema: JsonObject, part: Part): void {
  if (Array.isArray(value)) {
    const items = objectOr(schema["items"]);
    for (const item of value) setIn(item, items, part);
  } else if (isJsonObject(value)) {
    const { properties, additionalProperties } = schema;
    if (isJsonObject(properties)) setInStruct(value, { schema, properties, part });
    else if (isJsonObject(additionalProperties)) {
      for (const item of Object.values(value)) setIn(item, additionalProperties, part);
    }
  }
}

function setInStruct(
  value: JsonObject,
  shape: { readonly schema: JsonObject; readonly properties: JsonObject; readonly part: Part },
): void {
  const { schema, properties, part } = shape;
  for (const [name, property] of Object.entries(properties)) {
    if (value[name] !== undefined) continue;
    const wanted = defaultOf(name, objectOr(property), schema, part);
    if (wanted !== undefined) value[name] = wanted;
  }
  const name = String(schema[definitionKey]).replace("io.k8s.api.", "");
  typeDefaults[name]?.(value);
  for (const [field, item] of Object.entries(value)) {
    const property = properties[field];
    if (!isJsonObject(property) || field === "metadata") continue;
    setIn(item, property, field === "status" ? "status" : part);
  }
}

function defaultOf(name: string, property: JsonObject, owner: JsonObject, part: Part): unknown {
  const wanted = property["default"];
  // The server writes a struct that is no pointer even when there is nothing in it.
  if (isJsonObject(wanted)) return structuredClone(wanted);
  if (wanted !== "" && wanted !== 0 && wanted !== false) return wanted;
  if (property[omitsZeroKey] === true) return undefined;
  // A zero where something is required is told as missing.
  return part === "spec" && textsOf(owner["required"]).includes(name) ? undefined : wanted;
}
