/** All rules of a schema, compiled where they stand, and run over objects. */
import type { Environment } from "@marcbachmann/cel-js";
import { arrayOr, isJsonObject, type JsonObject, jsonEqual, objectOr, textsOf } from "../json.ts";
import type { FieldFault } from "../refusal.ts";
import { openBaseEnvironment } from "./base-environment.ts";
import { Budget, BudgetExceeded } from "./budget.ts";
import { type CompiledRule, compileRule } from "./rule.ts";
import { runRule } from "./run-rule.ts";
import { type SchemaType, typeOfSchema } from "./schema-types.ts";

/** A place of the schema on which, or below which, rules stand. */
interface RuleNode {
  readonly schema: JsonObject;
  readonly type: SchemaType | undefined;
  readonly rules: readonly CompiledRule[];
  readonly fields: ReadonlyMap<string, RuleNode>;
  readonly items: RuleNode | undefined;
  readonly values: RuleNode | undefined;
}

/** The rules of a schema. */
export interface SchemaRules {
  readonly faults: readonly FieldFault[];
  /** Whether there is anything to run. */
  readonly isEmpty: boolean;
  /** Runs them over an object, and over what it was. */
  run(object: unknown, old: unknown): readonly FieldFault[];
}

const budgetText =
  "validation failed due to running out of cost budget, no further validation rules will be run";

/** Compiles all rules of a schema. @param field Of the schema, for faults. */
export function compileRules(schema: JsonObject, field: string): SchemaRules {
  if (!hasRules(schema)) return { faults: [], isEmpty: true, run: () => [] };
  const faults: FieldFault[] = [];
  const base = openBaseEnvironment();
  const compiling: Compiling = { base, faults, isResource: true, uncorrelatable: undefined };
  const root = compileNode(schema, field, compiling);
  return {
    faults,
    isEmpty: root === undefined,
    run(object, old) {
      const found: FieldFault[] = [];
      if (root === undefined) return found;
      const running = { faults: found, budget: new Budget(), isUpdate: old !== undefined };
      try {
        runNode(root, { value: object, old, path: "" }, running);
      } catch (error) {
        if (!(error instanceof BudgetExceeded)) throw error;
        found.push({
          reason: "FieldValueInvalid",
          field: "<nil>",
          message: `Invalid value: "object": ${budgetText}`,
        });
      }
      return found;
    },
  };
}

function hasRules(schema: JsonObject): boolean {
  if (arrayOr(schema["x-kubernetes-validations"]).length > 0) return true;
  const parts = [
    schema["items"],
    schema["additionalProperties"],
    ...Object.values(objectOr(schema["properties"])),
  ];
  return parts.some((part) => isJsonObject(part) && hasRules(part));
}

interface Compiling {
  readonly base: Environment;
  readonly faults: FieldFault[];
  readonly isResource: boolean;
  readonly uncorrelatable: string | undefined;
}

function compileNode(schema: JsonObject, field: string, compiling: Compiling): RuleNode | undefined {
  if (!hasRules(schema)) return undefined;
  const { type, rules } = compileOwn(schema, field, compiling);
  const isAtomicMap = schema["x-kubernetes-map-type"] === "atomic";
  const inside: Compiling = {
    ...compiling,
    isResource: false,
    uncorrelatable: compiling.uncorrelatable ?? (isAtomicMap ? field : undefined),
  };
  const part = (value: unknown, at: string, more: Compiling = inside): RuleNode | undefined => {
    if (!isJsonObject(value)) return undefined;
    return compileNode(value, at, { ...more, isResource: value["x-kubernetes-embedded-resource"] === true });
  };
  const fields = new Map<string, RuleNode>();
  for (const [name, property] of Object.entries(objectOr(schema["properties"]))) {
    const node = part(property, `${field}.properties[${name}]`);
    if (node !== undefined) fields.set(name, node);
  }
  const isMapList = schema["x-kubernetes-list-type"] === "map";
  const uncorrelatable = inside.uncorrelatable ?? (isMapList ? undefined : field);
  return {
    schema,
    type,
    rules,
    fields,
    items: part(schema["items"], `${field}.items`, { ...inside, uncorrelatable }),
    values: part(schema["additionalProperties"], `${field}.additionalProperties`),
  };
}

function compileOwn(
  schema: JsonObject,
  field: string,
  { base, faults, isResource, uncorrelatable }: Compiling,
): { readonly type: SchemaType | undefined; readonly rules: readonly CompiledRule[] } {
  const texts = arrayOr(schema["x-kubernetes-validations"]);
  if (texts.length === 0) return { type: undefined, rules: [] };
  const environment = base.clone();
  const type = typeOfSchema(environment, schema, isResource) ?? {
    name: "dyn",
    convert: (value: unknown) => value,
  };
  const rules: CompiledRule[] = [];
  for (const [index, text] of texts.entries()) {
    const place = { environment, type, schema, uncorrelatable };
    const found = compileRule(place, text, `${field}.x-kubernetes-validations[${index}]`);
    faults.push(...found.faults);
    if (found.compiled !== undefined) rules.push(found.compiled);
  }
  return { type, rules };
}

interface At {
  readonly value: unknown;
  readonly old: unknown;
  readonly path: string;
}

interface Running {
  readonly faults: FieldFault[];
  readonly budget: Budget;
  readonly isUpdate: boolean;
}

function runNode(node: RuleNode, at: At, running: Running): void {
  const { value } = at;
  if (value === undefined || value === null) return;
  runOwn(node, at, running);
  if (Array.isArray(value)) runItems(node, { ...at, value }, running);
  else if (isJsonObject(value)) runFields(node, { ...at, value }, running);
}

function runOwn(node: RuleNode, at: At, running: Running): void {
  // What is as it was may stay as it was; only what compares with it is asked again.
  const isSame = running.isUpdate && at.old !== undefined && jsonEqual(at.value, at.old);
  for (const rule of node.rules) {
    const hasNothingToCompare = at.old === undefined && rule.text.optionalOldSelf !== true;
    if (rule.usesOld ? hasNothingToCompare : isSame) continue;
    const fault = runRule({ rule, type: node.type, schema: node.schema }, at, running.budget);
    if (fault !== undefined) running.faults.push(fault);
  }
}

function runFields(node: RuleNode, at: At & { readonly value: JsonObject }, running: Running): void {
  const { value, old, path } = at;
  for (const [name, child] of node.fields) {
    if (!Object.hasOwn(value, name)) continue;
    runNode(child, { value: value[name], old: fieldOf(old, name), path: joined(path, name) }, running);
  }
  if (node.values === undefined) return;
  for (const [name, child] of Object.entries(value)) {
    runNode(node.values, { value: child, old: fieldOf(old, name), path: `${path}[${name}]` }, running);
  }
}

function runItems(node: RuleNode, at: At & { readonly value: readonly unknown[] }, running: Running): void {
  const { items, schema } = node;
  if (items === undefined) return;
  const keys =
    schema["x-kubernetes-list-type"] === "map" ? textsOf(schema["x-kubernetes-list-map-keys"]) : [];
  const identity = (item: unknown): string => JSON.stringify(keys.map((key) => fieldOf(item, key) ?? null));
  const before = keys.length === 0 ? [] : arrayOr(at.old).map((item) => [identity(item), item] as const);
  const olds = new Map(before);
  for (const [index, value] of at.value.entries()) {
    const old = keys.length === 0 ? undefined : olds.get(identity(value));
    runNode(items, { value, old, path: `${at.path}[${index}]` }, running);
  }
}

function fieldOf(value: unknown, name: string): unknown {
  const object = objectOr(value);
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function joined(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}
