/** A short way to write down a built-in kind: what most of them have in common is filled in. */
import type { JsonObject } from "../json.ts";
import type { KindDefinition, KindRules, PrinterColumn } from "../kind.ts";
import { structuralSchema } from "../structural-schema.ts";

/** What is particular to a built-in kind of version v1. */
export interface BuiltinKind {
  readonly names: readonly [resource: string, singular: string, kind: string];
  /** Default the core group. */
  readonly group?: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly schema: JsonObject;
  readonly columns: readonly PrinterColumn[];
  readonly rules?: KindRules;
  readonly more?: Partial<KindDefinition>;
}

/** The whole kind. */
export function builtinKind(given: BuiltinKind): KindDefinition {
  const [resource, singular, kind] = given.names;
  return {
    group: given.group ?? "",
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
