/** admissionregistration.k8s.io/v1: ValidatingWebhookConfiguration and MutatingWebhookConfiguration. Calling the webhooks is done elsewhere. */
import { compileCondition } from "../admission/match-condition.ts";
import { arrayOr, type JsonObject, objectOr, textOr, textsOf } from "../json.ts";
import type { KindDefinition } from "../kind.ts";
import { type FieldFault, invalidValue, requiredValue, unsupportedValue } from "../refusal.ts";
import type { WorkingObject } from "../working-object.ts";
import { builtinKind } from "./builtin-kind.ts";
import { age, count } from "./columns.ts";
import type { KubeSchemas } from "./kube-schemas.ts";

/** Both kinds. */
export function webhookConfigurationKinds(schemas: KubeSchemas): readonly KindDefinition[] {
  return ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"].map((name) =>
    builtinKind(schemas, {
      names: [`${name.toLowerCase()}s`, name.toLowerCase(), name],
      group: "admissionregistration.k8s.io",
      definition: `admissionregistration.v1.${name}`,
      categories: ["api-extensions"],
      check: webhookFaults,
      columns: [count("Webhooks", (configuration) => arrayOr(configuration["webhooks"]).length), age],
      more: { namespaced: false, countsGeneration: true },
    }),
  );
}

function webhookFaults(configuration: WorkingObject): readonly FieldFault[] {
  return arrayOr(configuration["webhooks"]).flatMap((webhook, index) =>
    oneWebhookFaults(objectOr(webhook), `webhooks[${index}]`),
  );
}

function oneWebhookFaults(webhook: JsonObject, field: string): readonly FieldFault[] {
  return [
    ...nameFaults(webhook, field),
    ...choiceFaults(webhook, field),
    ...clientFaults(objectOr(webhook["clientConfig"]), `${field}.clientConfig`),
    ...arrayOr(webhook["matchConditions"]).flatMap((condition, index) =>
      conditionFaults(objectOr(condition), `${field}.matchConditions[${index}]`),
    ),
  ];
}

function nameFaults(webhook: JsonObject, field: string): readonly FieldFault[] {
  const name = textOr(webhook["name"]);
  if (name === "" || /^[a-z0-9-]+(?:\.[a-z0-9-]+){2,}$/.test(name)) return [];
  const why = "should be a domain with at least three segments separated by dots";
  return [invalidValue(`${field}.name`, name, why)];
}

const choices: Readonly<Record<string, readonly string[]>> = {
  failurePolicy: ["Fail", "Ignore"],
  matchPolicy: ["Equivalent", "Exact"],
  reinvocationPolicy: ["IfNeeded", "Never"],
  sideEffects: ["None", "NoneOnDryRun"],
};
const reviewVersions = ["v1", "v1beta1"];

function choiceFaults(webhook: JsonObject, field: string): readonly FieldFault[] {
  const faults: FieldFault[] = [];
  if (webhook["sideEffects"] === undefined) {
    faults.push(requiredValue(`${field}.sideEffects`, "must specify one of None, NoneOnDryRun"));
  }
  for (const [name, values] of Object.entries(choices)) {
    const value = webhook[name];
    if (typeof value === "string" && !values.includes(value)) {
      faults.push(unsupportedValue(`${field}.${name}`, value, values));
    }
  }
  const { timeoutSeconds } = webhook;
  if (typeof timeoutSeconds === "number" && (timeoutSeconds < 1 || timeoutSeconds > 30)) {
    const why = "the timeout value must be between 1 and 30 seconds";
    faults.push(invalidValue(`${field}.timeoutSeconds`, timeoutSeconds, why));
  }
  const versions = textsOf(webhook["admissionReviewVersions"]);
  const at = `${field}.admissionReviewVersions`;
  if (versions.length === 0) faults.push(requiredValue(at, "must specify one of v1, v1beta1"));
  else if (!versions.some((version) => reviewVersions.includes(version))) {
    faults.push(invalidValue(at, versions, "must include at least one of v1, v1beta1"));
  }
  return faults;
}

function clientFaults({ url, service }: JsonObject, field: string): readonly FieldFault[] {
  if ((url === undefined) === (service === undefined)) {
    return [requiredValue(field, "exactly one of url or service is required")];
  }
  if (typeof url !== "string") return [];
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1] ?? "";
  const form = "desired format: https://host[/path]";
  if (scheme !== "https") {
    return [invalidValue(`${field}.url`, scheme, `'https' is the only allowed URL scheme; ${form}`)];
  }
  return URL.parse(url) === null
    ? [invalidValue(`${field}.url`, url, `url must be a valid URL; ${form}`)]
    : [];
}

function conditionFaults(condition: JsonObject, field: string): readonly FieldFault[] {
  const expression = textOr(condition["expression"]);
  if (expression.trim() === "") return [requiredValue(`${field}.expression`)];
  const compiled = compileCondition(expression);
  return compiled.ok ? [] : [invalidValue(`${field}.expression`, expression, compiled.error)];
}
