/** What types and fields mean, one short sentence each, for `kubectl explain`. Our own words; types and fields that people rarely ask for have none. */
import { otherWords } from "./words/other-words.ts";
import { partWords } from "./words/part-words.ts";
import { podWords } from "./words/pod-words.ts";
import { ruleWords } from "./words/rule-words.ts";
import { workloadWords } from "./words/workload-words.ts";

/** Sentences by type; the empty field is the type itself. */
export type Words = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Fields that mean the same wherever they stand. */
const commonFields: Readonly<Record<string, string>> = {
  apiVersion: "Group and version of the type, such as apps/v1.",
  kind: "Name of the type in capitals, such as Pod.",
  metadata: "Name, namespace, labels and what else every object has.",
  spec: "What is wished for.",
  status: "What was observed last; written by the system.",
  conditions: "Observations in the form of statements that are True, False or Unknown.",
  lastTransitionTime: "When the status changed last.",
  message: "What a person should read.",
  reason: "The reason in one word, for programs.",
  observedGeneration: "The generation of the object that this status speaks of.",
};

/** Every table of sentences; a type is in one of them. */
export const allWords: readonly Words[] = [podWords, partWords, workloadWords, ruleWords, otherWords];

/** What a type is. @param name Of its schema; the part after the last dot counts. */
export function describeType(name: string): string | undefined {
  return find(name, "");
}

/** What a field of a type is. */
export function describeField(name: string, field: string): string | undefined {
  return find(name, field) ?? (Object.hasOwn(commonFields, field) ? commonFields[field] : undefined);
}

function find(name: string, field: string): string | undefined {
  const type = name.split(".").at(-1) ?? "";
  for (const table of allWords) {
    if (Object.hasOwn(table, type) && Object.hasOwn(table[type] ?? {}, field)) return table[type]?.[field];
  }
  return undefined;
}
