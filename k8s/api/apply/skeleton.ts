/** What an object of a kind has before anybody wrote it: the parts that are always there, whose presence is therefore nobody's. */
import { isJsonObject, type JsonObject, objectOr, textsOf } from "../json.ts";

/**
 * The empty object of a schema: parts that are objects by default, zero values, and null for lists and maps that cannot
 * be left out.
 * A schema that declares no such defaults gives an empty object.
 */
export function skeletonOf(schema: JsonObject): JsonObject {
  const skeleton: JsonObject = {};
  const required = textsOf(schema["required"]);
  for (const [name, property] of Object.entries(objectOr(schema["properties"]))) {
    const declared = objectOr(property);
    if (isEmptyObject(declared["default"]) && isJsonObject(declared["properties"])) {
      skeleton[name] = skeletonOf(declared);
    } else if (isZero(declared["default"])) {
      skeleton[name] = declared["default"];
    } else if (required.includes(name) && (declared["type"] === "array" || declared["type"] === "object")) {
      skeleton[name] = null;
    }
  }
  return skeleton;
}

/** What a scalar that cannot be left out is before anybody sets it. */
function isZero(value: unknown): boolean {
  return value === "" || value === 0 || value === false;
}

function isEmptyObject(value: unknown): boolean {
  return isJsonObject(value) && Object.keys(value).length === 0;
}
