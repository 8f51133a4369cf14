/** An OpenAPI v2 document as gnostic's protobuf, which is all that kubectl before 1.24 reads. */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  DocumentSchema,
  type NamedAnySchema,
  type OperationSchema,
  type ParametersItemSchema,
  type PathItemSchema,
  type SchemaSchema,
} from "#core/proto/gnostic/openapi-v2_pb.js";
import { arrayOr, isJsonObject, type JsonObject, objectOr, textOr, textsOf } from "../json.ts";

/** Media type of the form, as clients ask for it. */
export const gnosticAsked = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
/** And as the answer is called: an `@` may not stand in a media type. */
export const gnosticType = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/** The document in that form. */
export function writeGnostic(document: JsonObject): Uint8Array<ArrayBuffer> {
  const { title, version } = objectOr(document["info"]);
  const message = create(DocumentSchema, {
    swagger: textOr(document["swagger"]),
    info: { title: textOr(title), version: textOr(version) },
    paths: {
      path: Object.entries(objectOr(document["paths"])).map(([name, item]) => ({
        name,
        value: pathItem(objectOr(item)),
      })),
    },
    definitions: { additionalProperties: namedSchemas(document["definitions"]) },
  });
  return toBinary(DocumentSchema, message);
}

function pathItem(item: JsonObject): MessageInitShape<typeof PathItemSchema> {
  const methods: MessageInitShape<typeof PathItemSchema> = { parameters: parameters(item["parameters"]) };
  for (const method of ["get", "put", "post", "delete", "patch"] as const) {
    const operation = item[method];
    if (isJsonObject(operation)) methods[method] = operationOf(operation);
  }
  return methods;
}

function operationOf(operation: JsonObject): MessageInitShape<typeof OperationSchema> {
  return {
    tags: [...textsOf(operation["tags"])],
    operationId: textOr(operation["operationId"]),
    produces: [...textsOf(operation["produces"])],
    consumes: [...textsOf(operation["consumes"])],
    schemes: [...textsOf(operation["schemes"])],
    parameters: parameters(operation["parameters"]),
    responses: {
      responseCode: Object.entries(objectOr(operation["responses"])).map(([name, value]) => {
        const { description, schema } = objectOr(value);
        return {
          name,
          value: {
            response: {
              description: textOr(description),
              ...(isJsonObject(schema) ? { schema: { schema: schemaOf(schema) } } : {}),
            },
          },
        };
      }),
    },
    vendorExtension: extensions(operation),
  };
}

function parameters(value: unknown): MessageInitShape<typeof ParametersItemSchema>[] {
  return arrayOr(value)
    .map(objectOr)
    .map((parameter) => ({ parameter: { kind: parameterOf(parameter) } }));
}

type ParameterKind = NonNullable<
  NonNullable<MessageInitShape<typeof ParametersItemSchema>["parameter"]>["kind"]
>;

function parameterOf(parameter: JsonObject): ParameterKind {
  const name = textOr(parameter["name"]);
  const place = textOr(parameter["in"]);
  const required = parameter["required"] === true;
  if (place === "body") {
    const schema = schemaOf(objectOr(parameter["schema"]));
    return { case: "bodyParameter", value: { name, in: place, required, schema } };
  }
  const value = { name, in: place, type: textOr(parameter["type"]), uniqueItems: true };
  return {
    case: "nonBodyParameter",
    value: {
      kind:
        place === "path"
          ? { case: "pathParameterSubSchema", value: { ...value, required } }
          : { case: "queryParameterSubSchema", value },
    },
  };
}

function schemaOf(schema: JsonObject): MessageInitShape<typeof SchemaSchema> {
  const { type, items, additionalProperties, properties } = schema;
  return {
    ref: textOr(schema["$ref"]),
    format: textOr(schema["format"]),
    description: textOr(schema["description"]),
    uniqueItems: schema["uniqueItems"] === true,
    required: [...textsOf(schema["required"])],
    ...(typeof type === "string" ? { type: { value: [type] } } : {}),
    ...(isJsonObject(items) ? { items: { schema: [schemaOf(items)] } } : {}),
    ...(isJsonObject(properties) ? { properties: { additionalProperties: namedSchemas(properties) } } : {}),
    ...(isJsonObject(additionalProperties)
      ? { additionalProperties: { kind: { case: "schema", value: schemaOf(additionalProperties) } } }
      : {}),
    ...(typeof additionalProperties === "boolean"
      ? { additionalProperties: { kind: { case: "boolean", value: additionalProperties } } }
      : {}),
    vendorExtension: extensions(schema),
  };
}

function namedSchemas(schemas: unknown): { name: string; value: MessageInitShape<typeof SchemaSchema> }[] {
  return Object.entries(objectOr(schemas)).map(([name, schema]) => ({
    name,
    value: schemaOf(objectOr(schema)),
  }));
}

/** Extensions carry YAML, of which JSON is a part. */
function extensions(of: JsonObject): MessageInitShape<typeof NamedAnySchema>[] {
  return Object.entries(of)
    .filter(([name]) => name.startsWith("x-"))
    .map(([name, value]) => ({ name, value: { yaml: `${JSON.stringify(value)}\n` } }));
}
