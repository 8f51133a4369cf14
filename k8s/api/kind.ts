/** What the API knows of a kind: its names, its versions, and the rules its objects keep. Built-in kinds and those of CustomResourceDefinitions alike. */
import { isJsonObject, type JsonObject } from "./json.ts";
import type { FieldFault } from "./refusal.ts";
import type { Transaction } from "./object-store.ts";
import type { Verb } from "./request-path.ts";
import type { WorkingObject } from "./working-object.ts";

/** What a schema found while it read an object. */
export interface SchemaFindings {
  /** Paths of fields that the schema does not know; they are gone from the object. */
  readonly unknown: readonly string[];
  readonly faults: readonly FieldFault[];
  /** Why the object cannot be read at all, in the words of Kubernetes' decoder. */
  readonly unreadable?: string;
}

/** Reads objects by a schema. */
export interface ObjectSchema {
  /** Drops unknown fields, sets defaults and checks the rest, in place. */
  read(object: WorkingObject): SchemaFindings;
  /** Runs the rules of the schema. @param old Absent for a creation. @param faults What was found so far. */
  judge(
    object: WorkingObject,
    old: WorkingObject | undefined,
    faults: readonly FieldFault[],
  ): readonly FieldFault[];
  /** As it was declared, for OpenAPI. */
  readonly declared: unknown;
}

/** A column of `kubectl get`. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: string;
  readonly jsonPath: string;
  readonly description?: string;
  readonly format?: string;
  readonly priority?: number;
  /** Instead of the path, for built-in kinds. */
  readonly cell?: (object: WorkingObject, nowMs: number) => unknown;
}

/** One served version of a kind. */
export interface KindVersion {
  readonly name: string;
  /** Absent: objects are taken as they come. */
  readonly schema?: ObjectSchema;
  readonly columns?: readonly PrinterColumn[];
  /** What a row of its table says besides its cells: Kubernetes' mark of what has ended. */
  readonly rowConditions?: (object: WorkingObject) => readonly unknown[];
  /** Name of the shape of a built-in kind, for OpenAPI. */
  readonly definition?: string;
  /** Clients are warned with this text. */
  readonly deprecation?: string;
}

/** Fields by which objects of a kind can be selected, besides `metadata.name` and `metadata.namespace`. */
export interface SelectableFields {
  /** Dotted paths. */
  readonly names: readonly string[];
  /** Their values as text; empty where nothing is. */
  valuesOf(object: WorkingObject): Readonly<Record<string, string>>;
  /** What is said of a field that is none of them, where it is not what most kinds say. */
  readonly refusal?: (field: string) => string;
}

/** Where an object says how many of something it wants and has, for the `scale` subresource. */
export interface ScalePaths {
  /** `.spec.replicas`. */
  readonly specReplicas: string;
  /** `.status.replicas`. */
  readonly statusReplicas: string;
  /** `.status.selector` for defined kinds; for built-in ones the LabelSelector at `.spec.selector`. */
  readonly labelSelector?: string;
}

/** What a rule may look at and do. */
export interface RuleContext {
  readonly tx: Transaction;
  readonly random: () => number;
}

/** What objects of a defined kind must keep to that a schema cannot say. */
export type ObjectCheck = (object: WorkingObject) => readonly FieldFault[];

/** What a kind demands of its objects beyond their schema. Every rule may change the object. */
export interface KindRules {
  /** Puts what a client wrote into the one form that is kept; whoever wrote it owns the outcome. */
  readonly onRead?: (object: WorkingObject) => void;
  /** Fills in what the client left out, on the way in, and refuses what cannot be. */
  readonly onCreate?: (object: WorkingObject, context: RuleContext) => readonly FieldFault[];
  readonly onUpdate?: (
    object: WorkingObject,
    old: WorkingObject,
    context: RuleContext,
  ) => readonly FieldFault[];
  /** What the client should know about an object it wrote. */
  readonly warnings?: (object: WorkingObject) => readonly string[];
  /** Why an object may not be deleted. */
  readonly whyKept?: (object: WorkingObject) => string | undefined;
  /** Whether something besides finalizers holds the object while it is being deleted. */
  readonly isHeld?: (object: WorkingObject) => boolean;
  /** Changes an object whose deletion starts. */
  readonly onDeletionStart?: (object: WorkingObject) => void;
  /** Seconds an object has to end once its deletion is asked for; absent: none of its kind has any. @param asked By the client. */
  readonly graceSeconds?: (object: WorkingObject, asked: number | undefined) => number;
  /** What becomes of what an object owns when its deletion does not say. Default Background. */
  readonly propagation?: "Orphan";
  /** Whether a deletion is answered with the object and not with a Status. */
  readonly returnsDeleted?: boolean;
}

/** A kind as the API serves it. */
export interface KindDefinition {
  readonly group: string;
  /** Plural, as in paths. */
  readonly resource: string;
  readonly singular: string;
  readonly kind: string;
  readonly listKind: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  /** Preferred first. */
  readonly versions: readonly KindVersion[];
  /** The version in which objects are stored. */
  readonly storageVersion: string;
  /** Whether a CustomResourceDefinition made it. */
  readonly isCustom: boolean;
  readonly nameForm: "subdomain" | "label" | "path-segment";
  readonly hasStatus: boolean;
  /** Whether a new object may bring its status along: nodes tell of themselves. */
  readonly bringsStatus?: boolean;
  /** Absent: no field of its own can be selected by. */
  readonly fields?: SelectableFields;
  /** Present: it has a `scale` subresource. */
  readonly scale?: ScalePaths;
  /** Whether `metadata.generation` is counted. */
  readonly countsGeneration: boolean;
  /** Whether an update must name the version it replaces. */
  readonly needsVersion: boolean;
  /** What cannot be done with its objects though it can with most. */
  readonly lacks?: readonly Verb[];
  /** What becomes of unknown fields when the request does not say. */
  readonly unknownFields: "Strict" | "Warn" | "Ignore";
  readonly rules: KindRules;
}

/** `functions.lambient.dev`: names a kind in the registry. */
export function kindKey(group: string, resource: string): string {
  return `${resource}.${group}`;
}

/**
 * The structural schema of a version of a kind, `metadata` left out; `x-kubernetes-list-type`, `-list-map-keys`,
 * `-map-type`, `-patch-strategy` and `-patch-merge-key` say how its parts merge. Undefined: nothing is known.
 */
export function schemaOf(kind: KindDefinition, version: string): JsonObject | undefined {
  const declared = findVersion(kind, version)?.schema?.declared;
  return isJsonObject(declared) ? declared : undefined;
}

/** One version of a kind, when it is served. */
export function findVersion(
  kind: Pick<KindDefinition, "versions">,
  version: string,
): KindVersion | undefined {
  return kind.versions.find((candidate) => candidate.name === version);
}
