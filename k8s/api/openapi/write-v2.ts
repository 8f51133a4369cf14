/** The OpenAPI v2 document: everything that is served, for clients that know no later version. */
import type { Served } from "../discovery/served-resources.ts";
import { serverVersion } from "../discovery/server-version.ts";
import { isJsonObject, type JsonObject, objectOr } from "../json.ts";
import { type Definitions, reachable } from "./definitions.ts";
import {
  type GroupVersion,
  groupVersions,
  groupVersionText,
  type Operation,
  operationsOf,
} from "./operations.ts";

const patchName = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";

/** The document. */
export function writeV2(served: Served, definitions: Definitions): JsonObject {
  const paths: Record<string, JsonObject> = {};
  const named = new Set([patchName]);
  for (const at of groupVersions(served)) {
    for (const operation of operationsOf(served, at)) {
      const item = (paths[operation.path] ??= pathItem(operation.path));
      item[operation.method] = operationV2(operation, definitions, at);
      for (const kind of [operation.body, operation.answer, operation.kind]) {
        const name = kind === undefined ? undefined : definitions.nameOf(kind);
        if (name !== undefined) named.add(name);
      }
    }
  }
  const schemas: JsonObject = {};
  for (const name of [...reachable(definitions, named)].sort()) {
    schemas[name] = schemaV2(definitions.schemas.get(name) ?? {});
  }
  return {
    swagger: "2.0",
    info: { title: "Kubernetes", version: serverVersion.gitVersion },
    paths,
    definitions: schemas,
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
      type: "string",
      uniqueItems: true,
    })),
  };
}

function operationV2(operation: Operation, definitions: Definitions, at: GroupVersion): JsonObject {
  const { action, id, kind, query, method, body, answer } = operation;
  const bodyName = method === "patch" ? patchName : body === undefined ? undefined : definitions.nameOf(body);
  const answerName = answer === undefined ? undefined : definitions.nameOf(answer);
  const bodyParameter =
    bodyName === undefined
      ? []
      : [
          {
            name: "body",
            in: "body",
            required: method !== "delete",
            schema: { $ref: `#/definitions/${bodyName}` },
          },
        ];
  return {
    tags: [groupVersionText(at).replace("/", "_")],
    operationId: id,
    consumes: operation.patches ?? ["application/json", "application/yaml"],
    produces: ["application/json"],
    schemes: ["https"],
    parameters: [
      ...bodyParameter,
      ...query.map(({ name, type }) => ({ name, in: "query", type, uniqueItems: true })),
    ],
    responses: {
      "200": {
        description: "OK",
        schema: answerName === undefined ? { type: "string" } : { $ref: `#/definitions/${answerName}` },
      },
      "401": { description: "Unauthorized" },
    },
    "x-kubernetes-action": action,
    "x-kubernetes-group-version-kind": kind,
  };
}

/** Keywords that the older version knows and that say the same there. */
const kept = new Set(["description", "type", "format", "required", "uniqueItems"]);

/** A schema in the older version: what it cannot say is left open. */
function schemaV2(schema: JsonObject): JsonObject {
  const said = saidAlike(schema);
  if (typeof schema["$ref"] === "string") return { ...said, $ref: `#/definitions/${schema["$ref"]}` };
  if (schema["x-kubernetes-preserve-unknown-fields"] === true || schema["nullable"] === true) {
    // Older clients refuse what such a schema does not name.
    const { type: _type, required: _required, ...open } = said;
    return open;
  }
  return { ...said, ...partsV2(schema) };
}

function saidAlike(schema: JsonObject): JsonObject {
  const out: JsonObject = {};
  for (const [keyword, value] of Object.entries(schema)) {
    const isExtension = keyword.startsWith("x-kubernetes-") && keyword !== "x-kubernetes-validations";
    if (kept.has(keyword) || isExtension) out[keyword] = value;
  }
  // One of several types is a string here, as its text form always is.
  if (Array.isArray(schema["oneOf"]) && schema["type"] === undefined) out["type"] = "string";
  if (schema["x-kubernetes-int-or-string"] === true) delete out["type"];
  return out;
}

function partsV2(schema: JsonObject): JsonObject {
  const out: JsonObject = {};
  for (const keyword of ["items", "additionalProperties"]) {
    const inner = schema[keyword];
    if (isJsonObject(inner)) out[keyword] = schemaV2(inner);
    else if (inner !== undefined) out[keyword] = inner;
  }
  if (!isJsonObject(schema["properties"])) return out;
  const fields = Object.entries(schema["properties"]).map(
    ([name, field]) => [name, schemaV2(objectOr(field))] as const,
  );
  return { ...out, properties: Object.fromEntries(fields) };
}
