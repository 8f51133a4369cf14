/** The schemas of everything an API serves by their OpenAPI names: the built-in ones from their generated shapes, the others from their definitions; references are `{ $ref: name }`. */
import type { JsonObject } from "../json.ts";
import { arrayOr, isJsonObject, objectOr, textOr, textsOf } from "../json.ts";
import type { KindDefinition } from "../kind.ts";
import { schemaOf } from "../kind.ts";
import type { KubeSchemas } from "../kinds/kube-schemas.ts";
import type { ShownKind } from "../subresource.ts";
import { describeField, describeType } from "./descriptions.ts";

/** Schemas by name, and names by kind. */
export interface Definitions {
  readonly schemas: ReadonlyMap<string, JsonObject>;
  /** The name of a kind's schema; undefined for what has none, such as text. */
  nameOf(kind: ShownKind): string | undefined;
}

const kindsKey = "x-kubernetes-group-version-kind";
const metaFolder = "io.k8s.apimachinery.pkg.apis.meta.v1";

/** Collects them. */
export function openApiDefinitions(schemas: KubeSchemas, kinds: readonly KindDefinition[]): Definitions {
  const found = new Map<string, JsonObject>();
  const names = new Map<string, string>();
  for (const [name, definition] of Object.entries(schemas.definitions)) {
    found.set(name, described(name, definition));
    for (const kind of arrayOr(definition[kindsKey]).map(objectOr)) {
      const { group, version } = kind;
      names.set(keyOf({ group: textOr(group), version: textOr(version), kind: textOr(kind["kind"]) }), name);
    }
  }
  for (const kind of kinds) {
    for (const version of kind.versions) {
      const own: ShownKind = { group: kind.group, version: version.name, kind: kind.kind };
      const name = version.definition ?? customName(own);
      if (version.definition === undefined) found.set(name, customSchema(kind, own));
      const list: ShownKind = { ...own, kind: kind.listKind };
      found.set(`${name}List`, listSchema(name, list));
      names.set(keyOf(own), name);
      names.set(keyOf({ ...own, kind: `${kind.kind}List` }), `${name}List`);
    }
  }
  return { schemas: found, nameOf: (kind) => names.get(keyOf(kind)) };
}

/** The names that some schemas lead to, themselves among them. */
export function reachable(definitions: Definitions, from: Iterable<string>): ReadonlySet<string> {
  const seen = new Set<string>();
  const waiting = [...from];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    waiting.push(...references(definitions.schemas.get(name) ?? {}));
  }
  return seen;
}

function references(schema: JsonObject): readonly string[] {
  if (typeof schema["$ref"] === "string") return [schema["$ref"]];
  const parts = [
    schema["items"],
    schema["additionalProperties"],
    ...Object.values(objectOr(schema["properties"])),
  ];
  return parts.filter(isJsonObject).flatMap(references);
}

function keyOf({ group, version, kind }: ShownKind): string {
  return `${group}/${version}/${kind}`;
}

/** `dev.lambient.v1alpha1.Function`. */
function customName({ group, version, kind }: ShownKind): string {
  return [...group.split(".").toReversed(), version, kind].join(".");
}

function described(name: string, definition: JsonObject): JsonObject {
  const { properties } = definition;
  const description = describeType(name);
  return {
    ...(description === undefined ? {} : { description }),
    ...definition,
    ...(isJsonObject(properties) ? { properties: describedFields(name, properties) } : {}),
  };
}

function describedFields(name: string, properties: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(properties).map(([field, schema]) => {
      const description = describeField(name, field);
      // What only we read of a field is not told.
      const entries = Object.entries(objectOr(schema)).filter(
        ([keyword]) => !keyword.startsWith("x-lambient-"),
      );
      const told = Object.fromEntries(entries);
      return [field, description === undefined ? told : { description, ...told }];
    }),
  );
}

function typeFields(name: string): JsonObject {
  return describedFields(name, { apiVersion: { type: "string" }, kind: { type: "string" } });
}

function customSchema(kind: KindDefinition, own: ShownKind): JsonObject {
  const declared = schemaOf(kind, own.version) ?? {};
  const { properties, description, ...rest } = declared;
  return {
    description: textOr(description) || `${own.kind} is a resource of ${own.group}.`,
    ...rest,
    type: "object",
    properties: {
      ...typeFields(own.kind),
      ...describedFields(own.kind, { metadata: { $ref: `${metaFolder}.ObjectMeta` } }),
      ...withoutTypeFields(objectOr(properties)),
    },
    [kindsKey]: [own],
  };
}

function withoutTypeFields(properties: JsonObject): JsonObject {
  const { apiVersion: _version, kind: _kind, metadata: _metadata, ...rest } = properties;
  return rest;
}

function listSchema(name: string, list: ShownKind): JsonObject {
  return {
    description: `${list.kind} is a list of them.`,
    type: "object",
    required: textsOf(["items"]),
    properties: {
      ...typeFields(name),
      items: { description: "The objects.", type: "array", items: { $ref: name } },
      ...describedFields(name, { metadata: { $ref: `${metaFolder}.ListMeta`, default: {} } }),
    },
    [kindsKey]: [list],
  };
}
