/** Kinds that hold data and little else: Namespace, Secret, ConfigMap, ServiceAccount. */
import type { KindDefinition } from "../kind.ts";
import { countOf } from "../table.ts";
import { builtinKind } from "./builtin-kind.ts";
import { age, text, worked } from "./columns.ts";
import { configMapRules, namespaceRules, secretRules } from "./core-rules.ts";
import type { KubeSchemas } from "./kube-schemas.ts";
import { selectableFields } from "./selectable-fields.ts";

/** The four kinds. @param keptNamespaces Namespaces that may not be deleted. */
export function plainKinds(
  schemas: KubeSchemas,
  keptNamespaces: readonly string[],
): readonly KindDefinition[] {
  return [
    builtinKind(schemas, {
      names: ["namespaces", "namespace", "Namespace"],
      definition: "core.v1.Namespace",
      shortNames: ["ns"],
      columns: [text("Status", ".status.phase"), age],
      rules: namespaceRules(keptNamespaces),
      more: {
        namespaced: false,
        nameForm: "label",
        hasStatus: true,
        // Each takes its content with it: none goes by the way.
        lacks: ["deletecollection"],
        fields: selectableFields(["status.phase"]),
      },
    }),
    builtinKind(schemas, {
      names: ["secrets", "secret", "Secret"],
      definition: "core.v1.Secret",
      columns: [text("Type", ".type"), worked("Data", (secret) => countOf(secret, "data")), age],
      rules: secretRules,
      more: { fields: selectableFields(["type"]) },
    }),
    builtinKind(schemas, {
      names: ["configmaps", "configmap", "ConfigMap"],
      definition: "core.v1.ConfigMap",
      shortNames: ["cm"],
      columns: [worked("Data", (map) => countOf(map, "data", "binaryData")), age],
      rules: configMapRules,
    }),
    builtinKind(schemas, {
      names: ["serviceaccounts", "serviceaccount", "ServiceAccount"],
      definition: "core.v1.ServiceAccount",
      shortNames: ["sa"],
      columns: [age],
      rules: { returnsDeleted: true },
    }),
  ];
}
