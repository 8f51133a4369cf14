/** What a definition's versions have beside their schema: the scale, columns, fields to select by, the warning of an old one. */
import { arrayOr, isJsonObject, type JsonObject, objectOr, textOr } from "../json.ts";
import { duplicateValue, type FieldFault, invalidValue, requiredValue } from "../refusal.ts";

const columnTypes = ["boolean", "date", "integer", "number", "string"];
const columnFormats = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
const selectableTypes = ["string", "boolean", "integer"];
const warningLengthMax = 256;

/** A path of names: no brackets, no calls. */
const simplePath = /^\.[^[\]()*@,]*(?:\['[^']*'\][^[\]()*@,]*|\[[^\]]*\][^[\]()*@,]*)*$/;

/** Faults of one version's parts. @param field Of the version, or of the definition where all versions say the same. */
export function partsFaults(version: JsonObject, field: string): readonly FieldFault[] {
  return [
    ...scaleFaults(objectOr(version["subresources"])["scale"], `${field}.subresources.scale`),
    ...arrayOr(version["additionalPrinterColumns"]).flatMap((column, index) =>
      columnFaults(objectOr(column), `${field}.additionalPrinterColumns[${index}]`),
    ),
    ...selectableFaults(version, `${field}.selectableFields`),
  ];
}

/** Faults of the warning that a version is old. */
export function deprecationFaults(version: JsonObject, field: string): readonly FieldFault[] {
  const warning = version["deprecationWarning"];
  if (typeof warning !== "string") return [];
  const at = `${field}.deprecationWarning`;
  if (version["deprecated"] !== true) {
    return [invalidValue(at, warning, "can only be set for deprecated versions")];
  }
  if (warning === "") return [invalidValue(at, warning, "must not be empty if set")];
  if (warning.length <= warningLengthMax) return [];
  return [invalidValue(at, warning, `must be <= ${warningLengthMax} characters long`)];
}

function scaleFaults(scale: unknown, field: string): readonly FieldFault[] {
  if (!isJsonObject(scale)) return [];
  const below = (name: string, root: string): readonly FieldFault[] => {
    const path = textOr(scale[name]);
    const at = `${field}.${name}`;
    if (path === "") return [requiredValue(at)];
    if (!path.startsWith(".")) return [invalidValue(at, path, "must be a simple json path starting with .")];
    return path.startsWith(`.${root}.`)
      ? []
      : [invalidValue(at, path, `should be a json path under .${root}`)];
  };
  const selector = textOr(scale["labelSelectorPath"]);
  const isPlaced = selector === "" || /^\.(?:spec|status)\./.test(selector);
  const why = "should be a json path under either .spec or .status";
  return [
    ...below("specReplicasPath", "spec"),
    ...below("statusReplicasPath", "status"),
    ...(isPlaced ? [] : [invalidValue(`${field}.labelSelectorPath`, selector, why)]),
  ];
}

function columnFaults(column: JsonObject, field: string): readonly FieldFault[] {
  const [name, type, format, path] = ["name", "type", "format", "jsonPath"].map((part) =>
    textOr(column[part]),
  );
  const faults: FieldFault[] = name === "" ? [requiredValue(`${field}.name`)] : [];
  if (type === "") faults.push(requiredValue(`${field}.type`));
  else if (!columnTypes.includes(type ?? "")) {
    faults.push(invalidValue(`${field}.type`, type, `must be one of ${columnTypes.join(",")}`));
  }
  if (format !== "" && !columnFormats.includes(format ?? "")) {
    faults.push(invalidValue(`${field}.format`, format, `must be one of ${columnFormats.join(",")}`));
  }
  if (path === "") faults.push(requiredValue(`${field}.JSONPath`));
  else if (path?.startsWith(".") !== true) {
    faults.push(invalidValue(`${field}.JSONPath`, path, "must be a simple json path starting with ."));
  }
  return faults;
}

function selectableFaults(version: JsonObject, field: string): readonly FieldFault[] {
  const schema = objectOr(objectOr(version["schema"])["openAPIV3Schema"]);
  const seen = new Set<string>();
  return arrayOr(version["selectableFields"]).flatMap((entry, index) => {
    const path = textOr(objectOr(entry)["jsonPath"]);
    const at = `${field}[${index}].jsonPath`;
    if (path === "") return [requiredValue(at)];
    if (seen.has(path)) return [duplicateValue(at, path)];
    seen.add(path);
    return selectedFaults(path, schema, at);
  });
}

function selectedFaults(path: string, schema: JsonObject, field: string): readonly FieldFault[] {
  if (!path.startsWith(".")) {
    const [first = ""] = path.split(/[.[]/);
    return [invalidValue(field, path, `is an invalid path: expected [ or . but got: ${first}`)];
  }
  const missing = [invalidValue(field, path, "is an invalid path: does not refer to a valid field")];
  if (!simplePath.test(path) || path.startsWith(".metadata")) return missing;
  let place: unknown = schema;
  for (const name of path.slice(1).split(".")) {
    const properties = objectOr(objectOr(place)["properties"]);
    if (!Object.hasOwn(properties, name)) return missing;
    place = properties[name];
  }
  if (selectableTypes.includes(textOr(objectOr(place)["type"]))) return [];
  const why =
    "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
  return [invalidValue(field, path, why)];
}
