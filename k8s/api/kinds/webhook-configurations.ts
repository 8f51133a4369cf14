/** admissionregistration.k8s.io/v1: ValidatingWebhookConfiguration and MutatingWebhookConfiguration. Calling the webhooks is done elsewhere. */
import { arrayOr, type JsonObject, objectOr, textOr } from "../json.ts";
import type { KindDefinition } from "../kind.ts";
import { type FieldFault, invalidValue, requiredValue } from "../refusal.ts";
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
  const name = textOr(webhook["name"]);
  const { url, service } = objectOr(webhook["clientConfig"]);
  const faults: FieldFault[] = [];
  if (name !== "" && !/^[a-z0-9-]+(?:\.[a-z0-9-]+){2,}$/.test(name)) {
    const why = "should be a domain with at least three segments separated by dots";
    faults.push(invalidValue(`${field}.name`, name, why));
  }
  if (webhook["sideEffects"] === undefined) {
    faults.push(requiredValue(`${field}.sideEffects`, "must specify one of None, NoneOnDryRun"));
  }
  if ((url === undefined) === (service === undefined)) {
    faults.push(requiredValue(`${field}.clientConfig`, "exactly one of url or service is required"));
  }
  if (arrayOr(webhook["admissionReviewVersions"]).length === 0) {
    faults.push(requiredValue(`${field}.admissionReviewVersions`, "must specify one of v1, v1beta1"));
  }
  return faults;
}
