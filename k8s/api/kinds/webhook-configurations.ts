/** admissionregistration.k8s.io/v1: ValidatingWebhookConfiguration and MutatingWebhookConfiguration. Calling the webhooks is done elsewhere. */
import { arrayOr } from "../json.ts";
import type { KindDefinition } from "../kind.ts";
import { builtinKind } from "./builtin-kind.ts";
import { age } from "./columns.ts";
import { openSchema } from "./open-schema.ts";

function configurationKind(kind: string): KindDefinition {
  const singular = kind.toLowerCase();
  return builtinKind({
    names: [`${singular}s`, singular, kind],
    group: "admissionregistration.k8s.io",
    categories: ["api-extensions"],
    schema: openSchema,
    columns: [
      {
        name: "Webhooks",
        type: "integer",
        jsonPath: "",
        cell: (configuration) => arrayOr(configuration["webhooks"]).length,
      },
      age,
    ],
    more: { namespaced: false, countsGeneration: true },
  });
}

/** Both kinds. */
export const webhookConfigurationKinds: readonly KindDefinition[] = [
  configurationKind("ValidatingWebhookConfiguration"),
  configurationKind("MutatingWebhookConfiguration"),
];
