/** CustomResourceDefinitions as values: their type, and a short way to write one. */
import type { Draft, KubeObject, ObjectMeta, ResourceType } from "#host/kube/object.ts";
import type { Schema } from "./schema-words.ts";

/** One version that a definition serves. */
export interface DefinitionVersion {
  readonly name: string;
  readonly served: boolean;
  readonly storage: boolean;
  readonly schema: { readonly openAPIV3Schema: Schema };
  readonly subresources?: { readonly status?: object };
  readonly additionalPrinterColumns?: readonly PrinterColumn[];
}

/** A column of `kubectl get`. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: "string" | "integer" | "boolean" | "date" | "number";
  readonly jsonPath: string;
  readonly description?: string;
  readonly priority?: number;
}

/** A CustomResourceDefinition. */
export interface DefinitionObject extends KubeObject {
  readonly metadata: ObjectMeta;
  readonly spec: {
    readonly group: string;
    readonly names: {
      readonly plural: string;
      readonly singular?: string;
      readonly kind: string;
      readonly listKind?: string;
      readonly shortNames?: readonly string[];
      readonly categories?: readonly string[];
    };
    readonly scope: "Namespaced" | "Cluster";
    readonly versions: readonly DefinitionVersion[];
  };
}

/** apiextensions.k8s.io/v1 CustomResourceDefinition. */
export const definitionResource: ResourceType<DefinitionObject> = {
  group: "apiextensions.k8s.io",
  version: "v1",
  resource: "customresourcedefinitions",
  kind: "CustomResourceDefinition",
  namespaced: false,
};

/** A definition's short form. */
export interface DefinitionSpec {
  readonly type: ResourceType;
  readonly shortNames?: readonly string[];
  /** Groups of kinds it is listed with: `all` for `kubectl get all`. */
  readonly categories?: readonly string[];
  /** Versions with the same schema; the first is stored. */
  readonly versions: readonly string[];
  readonly schema: Schema;
  readonly columns?: readonly PrinterColumn[];
  /** Whether a field nobody knows is refused though the client did not ask for that. */
  readonly refusesUnknownFields: boolean;
}

/** The whole definition. */
export function definitionOf(spec: DefinitionSpec): Draft<DefinitionObject> {
  const { group, resource, kind, namespaced } = spec.type;
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: {
      name: `${resource}.${group}`,
      ...(spec.refusesUnknownFields ? { annotations: { "lambient.dev/field-validation": "Strict" } } : {}),
    },
    spec: {
      group,
      names: {
        plural: resource,
        singular: kind.toLowerCase(),
        kind,
        listKind: `${kind}List`,
        ...(spec.shortNames === undefined ? {} : { shortNames: spec.shortNames }),
        ...(spec.categories === undefined ? {} : { categories: spec.categories }),
      },
      scope: namespaced ? "Namespaced" : "Cluster",
      versions: spec.versions.map((name, index) => ({
        name,
        served: true,
        storage: index === 0,
        schema: { openAPIV3Schema: spec.schema },
        subresources: { status: {} },
        ...(spec.columns === undefined ? {} : { additionalPrinterColumns: spec.columns }),
      })),
    },
  };
}

/** When the object was made, as the last column. */
export const ageColumn: PrinterColumn = {
  name: "Age",
  type: "date",
  jsonPath: ".metadata.creationTimestamp",
};

/** Whether it is ready. */
export const readyColumn: PrinterColumn = {
  name: "Ready",
  type: "string",
  jsonPath: '.status.conditions[?(@.type=="Ready")].status',
};
