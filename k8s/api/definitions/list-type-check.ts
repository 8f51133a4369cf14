/** Whether a schema's `x-kubernetes-list-type` and `x-kubernetes-map-type` fit what they stand on. */
import { type JsonObject, objectOr, textsOf } from "../json.ts";
import { type FieldFault, invalidValue, requiredValue, unsupportedValue } from "../refusal.ts";

const listTypes = ["atomic", "set", "map"];
const mapTypes = ["atomic", "granular"];
const listType = "x-kubernetes-list-type";
const mapKeys = "x-kubernetes-list-map-keys";
const mapType = "x-kubernetes-map-type";

/** Faults of a list's type. */
export function listTypeFaults(schema: JsonObject, field: string): readonly FieldFault[] {
  const type = schema[listType];
  if (type === undefined) {
    return schema[mapKeys] === undefined ? [] : [onlyForMaps(schema, field)];
  }
  if (schema["type"] !== "array") {
    const why = `must be array if ${listType} is specified`;
    return [invalidValue(`${field}.type`, schema["type"] ?? "", why)];
  }
  if (typeof type !== "string" || !listTypes.includes(type)) {
    return [unsupportedValue(`${field}.${listType}`, type, listTypes)];
  }
  switch (type) {
    case "set":
      return setFaults(schema, field);
    case "map":
      return keyFaults(schema, field);
    default:
      return [];
  }
}

function onlyForMaps(schema: JsonObject, field: string): FieldFault {
  const why = `must be map if ${mapKeys} is non-empty`;
  return invalidValue(`${field}.${listType}`, schema[listType] ?? null, why);
}

function setFaults(schema: JsonObject, field: string): readonly FieldFault[] {
  const items = objectOr(schema["items"]);
  if (items["nullable"] === true) {
    return [invalidValue(`${field}.items.nullable`, true, `cannot be nullable when ${listType} is set`)];
  }
  const why = "must be atomic as item of a list with x-kubernetes-list-type=set";
  if (items["type"] === "object" && items[mapType] !== "atomic") {
    return [invalidValue(`${field}.items.${mapType}`, items[mapType] ?? null, why)];
  }
  const inner = items[listType];
  return items["type"] === "array" && inner !== undefined && inner !== "atomic"
    ? [invalidValue(`${field}.items.${listType}`, inner, why)]
    : [];
}

function keyFaults(schema: JsonObject, field: string): readonly FieldFault[] {
  const keys = textsOf(schema[mapKeys]);
  const at = `${field}.${mapKeys}`;
  if (keys.length === 0) return [requiredValue(at, `must not be empty if ${listType} is map`)];
  const items = objectOr(schema["items"]);
  if (items["type"] !== "object") {
    const why = `must be object if parent array's ${listType} is map`;
    return [invalidValue(`${field}.items.type`, items["type"] ?? "", why)];
  }
  const properties = objectOr(items["properties"]);
  const faults = [...new Set(keys)].flatMap((key) =>
    Object.hasOwn(properties, key) ? keyFieldFaults(items, key, `${field}.items`) : [],
  );
  if (keys.some((key) => !Object.hasOwn(properties, key))) {
    faults.push(invalidValue(at, keys, "entries must all be names of item properties"));
  }
  if (new Set(keys).size < keys.length)
    faults.push(invalidValue(at, keys, "must not contain duplicate entries"));
  return faults;
}

function keyFieldFaults(items: JsonObject, key: string, field: string): FieldFault[] {
  const property = objectOr(objectOr(items["properties"])[key]);
  const at = `${field}.properties[${key}]`;
  const faults: FieldFault[] = [];
  if (property["type"] === "array" || property["type"] === "object") {
    const why = `must be a scalar type if parent array's ${listType} is map`;
    faults.push(invalidValue(`${at}.type`, property["type"], why));
  }
  if (property["nullable"] === true) {
    faults.push(invalidValue(`${at}.nullable`, true, `cannot be nullable for entries in ${mapKeys}`));
  }
  if (property["default"] === undefined && !textsOf(items["required"]).includes(key)) {
    const why = `this property is in ${mapKeys}, so it must have a default or be a required property`;
    faults.push(requiredValue(`${at}.default`, why));
  }
  return faults;
}

/** Faults of a map's type. */
export function mapTypeFaults(schema: JsonObject, field: string): readonly FieldFault[] {
  const type = schema[mapType];
  if (type === undefined) return [];
  if (schema["type"] !== "object") {
    return [invalidValue(`${field}.type`, schema["type"] ?? "", `must be object if ${mapType} is specified`)];
  }
  if (typeof type === "string" && mapTypes.includes(type)) return [];
  return [unsupportedValue(`${field}.${mapType}`, type, mapTypes)];
}
