/** The kinds that are always there. A kind whose controller does not exist is not among them, so that nobody waits for it. */
import type { ClusterAddresses } from "./cluster-address.ts";
import {
  configMapColumns,
  endpointSliceColumns,
  namespaceColumns,
  secretColumns,
  serviceAccountColumns,
  serviceColumns,
} from "./core-columns.ts";
import { configMapRules, namespaceRules, secretRules } from "./core-rules.ts";
import {
  configMapSchema,
  endpointSliceSchema,
  namespaceSchema,
  secretSchema,
  serviceAccountSchema,
  serviceSchema,
} from "./core-schemas.ts";
import type { JsonObject } from "../json.ts";
import type { KindDefinition, KindRules, PrinterColumn } from "../kind.ts";
import { serviceRules } from "./service-rules.ts";
import { structuralSchema } from "../structural-schema.ts";

/** What the built-in kinds depend on. */
export interface BuiltinKindOptions {
  readonly addresses: ClusterAddresses;
  /** Namespaces that may not be deleted. */
  readonly keptNamespaces: readonly string[];
}

/** The built-in kinds, without CustomResourceDefinitions. */
export function builtinKinds(options: BuiltinKindOptions): readonly KindDefinition[] {
  return [
    coreKind({
      names: ["namespaces", "namespace", "Namespace"],
      shortNames: ["ns"],
      schema: namespaceSchema,
      columns: namespaceColumns,
      rules: namespaceRules(options.keptNamespaces),
      more: { namespaced: false, nameForm: "label", hasStatus: true },
    }),
    coreKind({
      names: ["services", "service", "Service"],
      shortNames: ["svc"],
      categories: ["all"],
      schema: serviceSchema,
      columns: serviceColumns,
      rules: serviceRules(options.addresses),
      more: { nameForm: "label-1035", hasStatus: true },
    }),
    coreKind({
      names: ["secrets", "secret", "Secret"],
      schema: secretSchema,
      columns: secretColumns,
      rules: secretRules,
    }),
    coreKind({
      names: ["configmaps", "configmap", "ConfigMap"],
      shortNames: ["cm"],
      schema: configMapSchema,
      columns: configMapColumns,
      rules: configMapRules,
    }),
    coreKind({
      names: ["serviceaccounts", "serviceaccount", "ServiceAccount"],
      shortNames: ["sa"],
      schema: serviceAccountSchema,
      columns: serviceAccountColumns,
    }),
    coreKind({
      names: ["endpointslices", "endpointslice", "EndpointSlice"],
      schema: endpointSliceSchema,
      columns: endpointSliceColumns,
      more: { group: "discovery.k8s.io", countsGeneration: true },
    }),
  ];
}

function coreKind(given: {
  readonly names: readonly [resource: string, singular: string, kind: string];
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly schema: JsonObject;
  readonly columns: readonly PrinterColumn[];
  readonly rules?: KindRules;
  readonly more?: Partial<KindDefinition>;
}): KindDefinition {
  const [resource, singular, kind] = given.names;
  return {
    group: "",
    resource,
    singular,
    kind,
    listKind: `${kind}List`,
    shortNames: given.shortNames ?? [],
    categories: given.categories ?? [],
    namespaced: true,
    versions: [{ name: "v1", schema: structuralSchema(given.schema), columns: given.columns }],
    storageVersion: "v1",
    isCustom: false,
    nameForm: "subdomain",
    hasStatus: false,
    countsGeneration: false,
    needsVersion: false,
    unknownFields: "Warn",
    rules: given.rules ?? {},
    ...given.more,
  };
}
