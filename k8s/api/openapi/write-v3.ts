/** An OpenAPI v3 document: a group and version with its operations and the schemas these need. */
import type { Served } from "../discovery/served-resources.ts";
import { serverVersion } from "../discovery/server-version.ts";
import { isJsonObject, type JsonObject, objectOr } from "../json.ts";
import { type Definitions, reachable } from "./definitions.ts";
import { type GroupVersion, groupVersionText, type Operation, operationsOf } from "./operations.ts";

const patchName = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";

/** The document. */
export function writeV3(served: Served, definitions: Definitions, at: GroupVersion): JsonObject {
  const operations = operationsOf(served, at);
  const named = operations.flatMap(({ body, answer }) =>
    [body, answer].flatMap((kind) => (kind === undefined ? [] : (definitions.nameOf(kind) ?? []))),
  );
  const schemas: JsonObject = {};
  for (const name of [...reachable(definitions, [...named, patchName])].sort()) {
    schemas[name] = schemaV3(definitions.schemas.get(name) ?? {});
  }
  const paths: Record<string, JsonObject> = {};
  for (const operation of operations) {
    const item = (paths[operation.path] ??= pathItem(operation.path));
    item[operation.method] = operationV3(operation, definitions, at);
  }
  return {
    openapi: "3.0.0",
    info: { title: "Kubernetes", version: serverVersion.gitVersion },
    paths,
    components: {
      schemas,
      securitySchemes: { BearerToken: { type: "apiKey", name: "authorization", in: "header" } },
    },
  };
}

function pathItem(path: string): JsonObject {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? "");
  if (names.length === 0) return {};
  return {
    parameters: names.map((name) => ({
      name,
      in: "path",
      required: true,
      schema: { type: "string", uniqueItems: true },
    })),
  };
}

function operationV3(operation: Operation, definitions: Definitions, at: GroupVersion): JsonObject {
  const { action, id, kind, query, method, body, answer } = operation;
  const bodyTypes = operation.patches ?? ["application/json", "application/yaml"];
  const bodyName = method === "patch" ? patchName : body === undefined ? undefined : definitions.nameOf(body);
  const answerName = answer === undefined ? undefined : definitions.nameOf(answer);
  return {
    tags: [groupVersionText(at).replace("/", "_")],
    operationId: id,
    parameters: query.map(({ name, type }) => ({ name, in: "query", schema: { type, uniqueItems: true } })),
    ...(bodyName === undefined
      ? {}
      : { requestBody: { content: content(bodyName, bodyTypes), required: method !== "delete" } }),
    responses: {
      "200": {
        description: "OK",
        content:
          answerName === undefined
            ? { "text/plain": { schema: { type: "string" } } }
            : content(answerName, ["application/json"]),
      },
      "401": { description: "Unauthorized" },
    },
    "x-kubernetes-action": action,
    "x-kubernetes-group-version-kind": kind,
  };
}

function content(name: string, types: readonly string[]): JsonObject {
  return Object.fromEntries(
    types.map((type) => [type, { schema: { $ref: `#/components/schemas/${name}` } }]),
  );
}

/** A schema whose references are of this version: one with words of its own goes into `allOf`. */
function schemaV3(schema: JsonObject): JsonObject {
  const out: JsonObject = {};
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword === "$ref") continue;
    if (keyword === "properties") {
      out[keyword] = Object.fromEntries(
        Object.entries(objectOr(value)).map(([name, field]) => [name, schemaV3(objectOr(field))]),
      );
    } else if ((keyword === "items" || keyword === "additionalProperties") && isJsonObject(value)) {
      out[keyword] = schemaV3(value);
    } else out[keyword] = value;
  }
  const { $ref } = schema;
  if (typeof $ref !== "string") return out;
  const reference = { $ref: `#/components/schemas/${$ref}` };
  return Object.keys(out).length === 0 ? reference : { ...out, allOf: [reference] };
}
