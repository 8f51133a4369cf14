/** A short way to write down a built-in kind: what most of them have in common is filled in. */
import type { KindDefinition, KindRules, KindVersion, ObjectCheck, PrinterColumn } from "../kind.ts";
import { builtinSchema } from "./builtin-schema.ts";
import type { KubeSchemas } from "./kube-schemas.ts";

/** What is particular to a built-in kind of version v1. */
export interface BuiltinKind {
  readonly names: readonly [resource: string, singular: string, kind: string];
  /** Its shape's name without `io.k8s.api.`: `core.v1.Pod`. */
  readonly definition: string;
  /** Default the core group. */
  readonly group?: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly columns: readonly PrinterColumn[];
  readonly rowConditions?: KindVersion["rowConditions"];
  /** What its objects must keep to by themselves, beyond their shape. */
  readonly check?: ObjectCheck;
  readonly rules?: KindRules;
  readonly more?: Partial<KindDefinition>;
}

/** The whole kind. */
export function builtinKind(schemas: KubeSchemas, given: BuiltinKind): KindDefinition {
  const [resource, singular, kind] = given.names;
  const definition = `io.k8s.api.${given.definition}`;
  const version: KindVersion = {
    name: "v1",
    schema: builtinSchema(schemas, definition, given.check),
    definition,
    columns: given.columns,
    ...(given.rowConditions === undefined ? {} : { rowConditions: given.rowConditions }),
  };
  return {
    group: given.group ?? "",
    resource,
    singular,
    kind,
    listKind: `${kind}List`,
    shortNames: given.shortNames ?? [],
    categories: given.categories ?? [],
    namespaced: true,
    versions: [version],
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
