/** What an AuthorizationPolicy must keep to that its schema cannot say: a policy that cannot be read would protect nothing. */
import { parseCidr } from "#core/address/ip.ts";
import { arrayOr, type JsonObject, objectOr, textOr, textsOf } from "../api/json.ts";
import { type FieldFault, forbiddenField, invalidValue, requiredValue } from "../api/refusal.ts";
import type { WorkingObject } from "../api/working-object.ts";

/** Faults of an AuthorizationPolicy. */
export function checkPolicy(object: WorkingObject): readonly FieldFault[] {
  const spec = objectOr(object["spec"]);
  return [
    ...targetFaults(spec),
    ...arrayOr(spec["rules"]).flatMap((rule, index) => ruleFaults(objectOr(rule), `spec.rules[${index}]`)),
  ];
}

function targetFaults(spec: JsonObject): readonly FieldFault[] {
  const set = ["selector", "targetRef", "targetRefs"].filter((field) => spec[field] !== undefined);
  const [first, second] = set;
  return first === undefined || second === undefined
    ? []
    : [forbiddenField(`spec.${second}`, `only one of selector, targetRef and targetRefs may be set`)];
}

function ruleFaults(rule: JsonObject, field: string): readonly FieldFault[] {
  return [
    ...arrayOr(rule["from"]).flatMap((from, index) => sourceFaults(from, `${field}.from[${index}].source`)),
    ...arrayOr(rule["to"]).flatMap((to, index) => operationFaults(to, `${field}.to[${index}].operation`)),
    ...arrayOr(rule["when"]).flatMap((when, index) => conditionFaults(when, `${field}.when[${index}]`)),
  ];
}

const rangeFields = ["ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks"];

function sourceFaults(from: unknown, field: string): readonly FieldFault[] {
  const source = objectOr(objectOr(from)["source"]);
  return [
    ...emptyFaults(source, field),
    ...rangeFields.flatMap((name) =>
      textsOf(source[name]).flatMap((range) => {
        const parsed = parseCidr(range);
        return parsed.ok ? [] : [invalidValue(`${field}.${name}`, range, parsed.error)];
      }),
    ),
  ];
}

function operationFaults(to: unknown, field: string): readonly FieldFault[] {
  const operation = objectOr(objectOr(to)["operation"]);
  return [
    ...emptyFaults(operation, field),
    ...["ports", "notPorts"].flatMap((name) =>
      textsOf(operation[name])
        .filter((port) => !/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535)
        .map((port) => invalidValue(`${field}.${name}`, port, "must be a port number, 1 to 65535")),
    ),
  ];
}

/** An empty source or operation matches everything, which nobody writes on purpose; Istio refuses it too. */
function emptyFaults(part: JsonObject, field: string): readonly FieldFault[] {
  return Object.keys(part).length === 0 ? [requiredValue(field, "must set at least one field")] : [];
}

function conditionFaults(when: unknown, field: string): readonly FieldFault[] {
  const condition = objectOr(when);
  const values = [...textsOf(condition["values"]), ...textsOf(condition["notValues"])];
  return [
    ...(textOr(condition["key"]) === "" ? [requiredValue(`${field}.key`)] : []),
    ...(values.length === 0 ? [requiredValue(`${field}.values`, "set values or notValues")] : []),
  ];
}
