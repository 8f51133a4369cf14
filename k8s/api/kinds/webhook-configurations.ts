/** admissionregistration.k8s.io/v1: ValidatingWebhookConfiguration and MutatingWebhookConfiguration. Calling the webhooks is done elsewhere. */
import { arrayOr } from "../json.ts";
import type { KindDefinition } from "../kind.ts";
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
      columns: [count("Webhooks", (configuration) => arrayOr(configuration["webhooks"]).length), age],
      more: { namespaced: false, countsGeneration: true },
    }),
  );
}
