/** The shapes of Kubernetes' own types, from the generated file beside this one, with their references followed. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isJsonObject, type JsonObject, objectOr } from "../json.ts";

/** On a resolved schema: the name of the definition it came from, `io.k8s.api.core.v1.Pod`. */
export const definitionKey = "x-lambient-definition";

/** On a field's schema: a zero is not written, and says the same as nothing. */
export const omitsZeroKey = "x-lambient-omits-zero";

/** Shapes by their names. */
export interface KubeSchemas {
  /** As generated: what refers to another says `$ref` and its name. */
  readonly definitions: Readonly<Record<string, JsonObject>>;
  /**
   * A structural schema. Equal parts are the same object, and a type that contains itself does so here too: walk it
   * beside a value, never by itself.
   * @throws Error for a name that nothing has.
   */
  resolve(name: string): JsonObject;
}

/** Scalars with a form of their own, in the words of structural schemas. */
const scalars: Readonly<Record<string, JsonObject>> = {
  "io.k8s.apimachinery.pkg.api.resource.Quantity": {
    "x-kubernetes-int-or-string": true,
    format: "quantity",
  },
  "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {
    "x-kubernetes-int-or-string": true,
    format: "int-or-string",
  },
};

/** Reads the file and follows its references. */
export function readKubeSchemas(): KubeSchemas {
  const file = join(import.meta.dir, "kube-schemas.json");
  const generated: unknown = JSON.parse(readFileSync(file, "utf8"));
  // Sound: the file is written by scripts/kube-schemas.ts in this form.
  const definitions = objectOr(objectOr(generated)["definitions"]) as Record<string, JsonObject>;
  const resolved = resolveAll(definitions);
  return {
    definitions,
    resolve(name) {
      const schema = resolved.get(name);
      if (schema === undefined)
        throw new Error(`Cannot find the shape "${name}": add it to scripts/kube-schemas.ts`);
      return schema;
    },
  };
}

function resolveAll(definitions: Readonly<Record<string, JsonObject>>): ReadonlyMap<string, JsonObject> {
  const shells = new Map<string, JsonObject>();
  for (const [name, definition] of Object.entries(definitions)) shells.set(name, shellOf(name, definition));
  // Filled once all shells exist, so that types may contain each other.
  for (const [name, definition] of Object.entries(definitions)) {
    const properties = objectOr(shells.get(name)?.["properties"]);
    for (const [field, schema] of Object.entries(objectOr(definition["properties"]))) {
      properties[field] = resolvePart(objectOr(schema), shells);
    }
  }
  return shells;
}

function shellOf(name: string, definition: JsonObject): JsonObject {
  const scalar = scalars[name];
  if (scalar !== undefined) return { ...scalar, [definitionKey]: name };
  const { "x-kubernetes-group-version-kind": _kinds, ...rest } = definition;
  if (isJsonObject(definition["properties"])) return { ...rest, properties: {}, [definitionKey]: name };
  const isOpen = definition["type"] === "object" || definition["type"] === undefined;
  return {
    ...rest,
    ...(isOpen ? { "x-kubernetes-preserve-unknown-fields": true } : {}),
    [definitionKey]: name,
  };
}

function resolvePart(schema: JsonObject, shells: ReadonlyMap<string, JsonObject>): JsonObject {
  const { $ref, ...own } = schema;
  for (const keyword of ["items", "additionalProperties"]) {
    const inner = own[keyword];
    if (isJsonObject(inner)) own[keyword] = resolveInner(inner, shells);
  }
  if (typeof $ref !== "string") return own;
  const target = shells.get($ref) ?? {};
  return Object.keys(own).length === 0 ? target : { ...target, ...own };
}

/** An item's default is never set: who leaves an item out means that there is none. */
function resolveInner(schema: JsonObject, shells: ReadonlyMap<string, JsonObject>): JsonObject {
  const { default: _default, ...rest } = schema;
  return resolvePart(rest, shells);
}
