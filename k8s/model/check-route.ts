/** What an HTTPRoute must keep to that its schema cannot say. */
import { expressionDanger } from "#core/routing/expression-danger.ts";
import { arrayOr, type JsonObject, objectOr, textOr } from "../api/json.ts";
import { type FieldFault, invalidValue } from "../api/refusal.ts";
import type { WorkingObject } from "../api/working-object.ts";

/** Faults of an HTTPRoute. */
export function checkRoute(object: WorkingObject): readonly FieldFault[] {
  return arrayOr(objectOr(object["spec"])["rules"]).flatMap((rule, ruleIndex) =>
    arrayOr(objectOr(rule)["matches"]).flatMap((match, index) =>
      matchFaults(objectOr(match), `spec.rules[${ruleIndex}].matches[${index}]`),
    ),
  );
}

function matchFaults(match: JsonObject, field: string): readonly FieldFault[] {
  const path = objectOr(match["path"]);
  return [
    ...pathFaults(path, `${field}.path.value`),
    ...["headers", "queryParams"].flatMap((name) =>
      arrayOr(match[name]).flatMap((value, index) =>
        patternFaults(objectOr(value), `${field}.${name}[${index}].value`),
      ),
    ),
  ];
}

function pathFaults(path: JsonObject, field: string): readonly FieldFault[] {
  if (path["type"] === "RegularExpression") return patternFaults(path, field);
  const value = textOr(path["value"]);
  if (path["value"] === undefined || value.startsWith("/")) return [];
  return [invalidValue(field, value, "must be an absolute path: start it with '/'")];
}

function patternFaults(match: JsonObject, field: string): readonly FieldFault[] {
  if (match["type"] !== "RegularExpression") return [];
  try {
    const source = textOr(match["value"]);
    void new RegExp(source);
    const danger = expressionDanger(source);
    return danger === undefined ? [] : [invalidValue(field, source, `must be safe on any text: ${danger}`)];
  } catch (error) {
    return [invalidValue(field, match["value"], String(error))];
  }
}
