/** Field selectors as in queries: demands on an object's name, its namespace and the few fields its kind can be selected by. */
import { err, ok, type Result } from "#core/result.ts";
import type { KindDefinition } from "./kind.ts";
import { badRequest } from "./refusal.ts";

/** One demand on a field. */
export interface FieldRequirement {
  readonly field: string;
  readonly equal: boolean;
  readonly value: string;
}

/** All demands; none: everything matches. */
export type FieldSelector = readonly FieldRequirement[];

/** What an object's fields say, as text. */
export interface FieldFacts {
  readonly name: string;
  readonly namespace: string;
  /** Fields besides these two; one that is not there is empty. */
  readonly fields?: Readonly<Record<string, string>> | undefined;
}

/** Reads a selector. */
export function parseFieldSelector(text: string): Result<FieldSelector> {
  const requirements: FieldRequirement[] = [];
  // A comma or a backslash in a value is written after a backslash.
  for (const term of text.match(/(?:\\.|[^,\\]|\\$)+/g) ?? []) {
    const match = /^(.*?)(!=|==|=)(.*)$/s.exec(term);
    if (match === null) {
      const shown = text.slice(0, 200);
      return err(`invalid selector: '${shown}'; can't understand '${term.slice(0, 80)}'`);
    }
    const [, field = "", operator, escaped = ""] = match;
    const wrong = /\\.?/s.exec(escaped.replaceAll(/\\[\\,=]/g, ""));
    if (wrong !== null) return err(`invalid field selector: invalid escape sequence: ${wrong[0]}`);
    const value = escaped.replaceAll(/\\([\\,=])/g, "$1");
    requirements.push({ field, equal: operator !== "!=", value });
  }
  return ok(requirements);
}

/** @throws KubeError 400 for a field that objects of the kind cannot be selected by. */
export function checkFields(kind: KindDefinition, selector: FieldSelector): void {
  for (const { field } of selector) {
    if (field === "metadata.name" || kind.fields?.names.includes(field) === true) continue;
    // Kinds with fields of their own say for themselves what they have; the others have a namespace, be it empty.
    if (field === "metadata.namespace" && (kind.namespaced || kind.fields === undefined)) continue;
    throw badRequest(refusalOf(kind, field.slice(0, 80)));
  }
}

function refusalOf(kind: KindDefinition, field: string): string {
  if (kind.fields?.refusal !== undefined) return kind.fields.refusal(field);
  if (kind.fields !== undefined || kind.isCustom) return `field label not supported: ${field}`;
  return `${JSON.stringify(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`;
}

/** Whether an object meets every demand. */
export function matchesFields(selector: FieldSelector, facts: FieldFacts): boolean {
  return selector.every(({ field, equal, value }) => (factOf(facts, field) === value) === equal);
}

function factOf({ name, namespace, fields }: FieldFacts, field: string): string {
  if (field === "metadata.name") return name;
  return field === "metadata.namespace" ? namespace : (fields?.[field] ?? "");
}

/** Whether more must be known of an object than its name and its namespace. */
export function looksInside(selector: FieldSelector): boolean {
  return selector.some(({ field }) => field !== "metadata.name" && field !== "metadata.namespace");
}

/** The one name a selector admits, when it demands one. */
export function selectedName(selector: FieldSelector): string | undefined {
  return selector.find((requirement) => requirement.field === "metadata.name" && requirement.equal)?.value;
}
