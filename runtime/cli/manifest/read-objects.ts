/** Reads YAML files of Kubernetes objects: the documents of a file as objects that can be applied, or what is wrong and where. */
import { type Document, LineCounter, parseAllDocuments } from "yaml";
import { err, ok, type Result } from "#core/result.ts";
import { errorText } from "#host/mesh-error.ts";
import type { WantedObject } from "../api/apply-object.ts";

/** The objects of a file's text; empty documents are skipped, `List`s are opened. */
export function parseObjects(file: string, text: string): Result<readonly WantedObject[], readonly string[]> {
  const lineCounter = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter, uniqueKeys: true });
  const read = (Array.isArray(documents) ? documents : []).map((document) => {
    const { line } = lineCounter.linePos(document.range[0]);
    return readDocument(document, `${file}:${line}:1`, file);
  });
  const errors = read.flatMap((part) => part.errors);
  return errors.length > 0 ? err(errors) : ok(read.flatMap((part) => part.objects));
}

interface Read {
  readonly errors: readonly string[];
  readonly objects: readonly WantedObject[];
}

function readDocument(document: Document.Parsed, where: string, file: string): Read {
  const syntax = document.errors.map((error) => {
    const at = error.linePos?.[0];
    const sentence = error.message.split("\n")[0]?.replace(/ at line.*$/, "");
    return `${at === undefined ? where : `${file}:${at.line}:${at.col}`}: not YAML: ${sentence}`;
  });
  if (syntax.length > 0) return { errors: syntax, objects: [] };
  let values: readonly unknown[];
  try {
    values = openList(document.toJS({ maxAliasCount: 100 }) as unknown);
  } catch (error) {
    return { errors: [`${where}: not YAML: ${errorText(error)}`], objects: [] }; // an alias of nothing, or of too much
  }
  const faults = values.map(findFault).filter((fault) => fault !== undefined);
  const errors = faults.map((fault) => `${where}: not a Kubernetes object: ${fault}`);
  // Sound: findFault has looked at every field of the type that must be there.
  return { errors, objects: errors.length > 0 ? [] : (values as WantedObject[]) };
}

function openList(value: unknown): readonly unknown[] {
  if (value === null || value === undefined) return [];
  if (!isRecord(value) || value["kind"] !== "List") return [value];
  return Array.isArray(value["items"]) ? value["items"] : [];
}

function findFault(value: unknown): string | undefined {
  if (!isRecord(value)) return "it must be a map with apiVersion, kind and metadata";
  for (const field of ["apiVersion", "kind"]) {
    if (typeof value[field] !== "string" || value[field] === "") return `the field "${field}" is missing`;
  }
  const { metadata } = value;
  if (!isRecord(metadata) || typeof metadata["name"] !== "string" || metadata["name"] === "") {
    return 'the field "metadata.name" is missing';
  }
  return undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
