/** What a Function must keep to that its schema cannot say: shares that add up, schedules and destinations that can be read, names used once. */
import { Cron } from "croner";
import { parseEgressRules } from "#core/mesh/egress-rules.ts";
import { errorText } from "#host/mesh-error.ts";
import { arrayOr, type JsonObject, objectOr, textOr, textsOf } from "../api/json.ts";
import { type FieldFault, invalidValue } from "../api/refusal.ts";
import type { WorkingObject } from "../api/working-object.ts";

/** Faults of a Function. */
export function checkFunction(object: WorkingObject): readonly FieldFault[] {
  const spec = objectOr(object["spec"]);
  return [
    ...trafficFaults(spec["traffic"]),
    ...scheduleFaults(spec["schedules"]),
    ...templateFaults(objectOr(spec["template"]), "spec.template"),
  ];
}

/** Faults of a Revision, whose content stands in its spec. */
export function checkRevision(object: WorkingObject): readonly FieldFault[] {
  return templateFaults(objectOr(object["spec"]), "spec");
}

function trafficFaults(traffic: unknown): readonly FieldFault[] {
  if (traffic === undefined) return [];
  const sum = arrayOr(traffic)
    .map(objectOr)
    .reduce((total, target) => total + Number(target["percent"]), 0);
  return sum === 100 ? [] : [invalidValue("spec.traffic", sum, "the percents must add up to 100")];
}

function scheduleFaults(schedules: unknown): readonly FieldFault[] {
  return arrayOr(schedules).flatMap((schedule, index) => {
    const cron = textOr(objectOr(schedule)["cron"]);
    try {
      void new Cron(cron, { timezone: "UTC", mode: "5-or-6-parts", paused: true });
      return [];
    } catch (error) {
      const why = `must be five cron fields, or six with seconds first (${errorText(error)})`;
      return [invalidValue(`spec.schedules[${index}].cron`, cron, why)];
    }
  });
}

function templateFaults(template: JsonObject, field: string): readonly FieldFault[] {
  return [...egressFaults(template["egress"], `${field}.egress`), ...nameFaults(template, field)];
}

function egressFaults(egress: unknown, field: string): readonly FieldFault[] {
  if (!Array.isArray(egress)) return [];
  const texts = textsOf(egress);
  if (texts.length !== egress.length)
    return [invalidValue(field, egress, "every destination must be a string")];
  const rules = parseEgressRules(texts);
  return rules.ok ? [] : [invalidValue(field, texts, rules.error)];
}

/** A name in `env` means one thing: a variable, a secret or another function. */
function nameFaults(template: JsonObject, field: string): readonly FieldFault[] {
  const faults: FieldFault[] = [];
  const holders = new Map<string, string>();
  const take = (name: string, holder: string, at: string): void => {
    const before = holders.get(name);
    if (before === undefined) holders.set(name, holder);
    else faults.push(invalidValue(at, name, `the name is one of ${before} already`));
  };
  for (const name of Object.keys(objectOr(template["env"]))) take(name, "env", `${field}.env.${name}`);
  for (const name of Object.keys(objectOr(template["secrets"]))) {
    take(name, "secrets", `${field}.secrets.${name}`);
  }
  for (const [index, binding] of arrayOr(template["bindings"]).entries()) {
    take(textOr(objectOr(binding)["name"]), "bindings", `${field}.bindings[${index}].name`);
  }
  return faults;
}
