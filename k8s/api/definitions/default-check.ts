/** Whether a schema's default is a value of that very schema. */
import { errorText } from "#host/mesh-error.ts";
import { isJsonObject, type JsonObject } from "../json.ts";
import { type FieldFault, invalidValue } from "../refusal.ts";
import { unknownFieldsOf } from "../structural-schema.ts";
import { valueChecker } from "../value-check.ts";

/** Faults of the default at one place. */
export function defaultFaults(schema: JsonObject, field: string): readonly FieldFault[] {
  const value = schema["default"];
  if (value === undefined || value === null) return [];
  const at = `${field}.default`;
  if (unknownFieldsOf(value, schema).length > 0)
    return [invalidValue(at, value, "must not have unknown fields")];
  try {
    return valueChecker(schema)(value).map((fault) => ({ ...fault, field: joined(at, fault.field) }));
  } catch (error) {
    return [invalidValue(at, isJsonObject(value) ? "object" : value, errorText(error))];
  }
}

function joined(field: string, below: string): string {
  if (below === "" || below === "<nil>") return field;
  return below.startsWith("[") ? `${field}${below}` : `${field}.${below}`;
}
