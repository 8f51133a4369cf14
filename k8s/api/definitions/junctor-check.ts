/** What stands in `not`, `allOf`, `anyOf` and `oneOf`: it may only narrow values of fields that are declared outside. */
import { arrayOr, isJsonObject, type JsonObject, objectOr } from "../json.ts";
import { type FieldFault, forbiddenField, requiredValue } from "../refusal.ts";

/** What says something of a place's form, and so only stands outside. */
const formWords = [
  "additionalProperties",
  "default",
  "description",
  "nullable",
  "title",
  "type",
  "x-kubernetes-embedded-resource",
  "x-kubernetes-int-or-string",
  "x-kubernetes-list-map-keys",
  "x-kubernetes-list-type",
  "x-kubernetes-map-type",
  "x-kubernetes-preserve-unknown-fields",
  "x-kubernetes-validations",
];

const lists = ["allOf", "anyOf", "oneOf"];

/** Faults of all of them at one place. */
export function junctorFaults(schema: JsonObject, field: string): readonly FieldFault[] {
  return [
    ...innerOf(schema, field).flatMap((inner) =>
      narrowingFaults(inner.schema, inner.field, intOrStringOf(schema)),
    ),
    ...innerOf(schema, field).flatMap((inner) => undeclaredFaults(inner, { schema, field }, inner.field)),
  ];
}

interface Inner {
  readonly schema: JsonObject;
  readonly field: string;
}

function innerOf(schema: JsonObject, field: string): readonly Inner[] {
  const not = schema["not"];
  return [
    ...(isJsonObject(not) ? [{ schema: not, field: `${field}.not` }] : []),
    ...lists.flatMap((list) =>
      arrayOr(schema[list]).map((part, index) => ({
        schema: objectOr(part),
        field: `${field}.${list}[${index}]`,
      })),
    ),
  ];
}

/** `anyOf: [{type: integer}, {type: string}]` beside int-or-string says nothing new, and everybody writes it. */
function intOrStringOf(schema: JsonObject): boolean {
  return schema["x-kubernetes-int-or-string"] === true;
}

function narrowingFaults(schema: JsonObject, field: string, mayHaveType: boolean): readonly FieldFault[] {
  const own = formWords
    .filter((word) => schema[word] !== undefined && !(word === "type" && mayHaveType))
    .map((word) => forbiddenField(`${field}.${word}`, "must be empty to be structural"));
  const { items } = schema;
  return [
    ...own,
    ...Object.entries(objectOr(schema["properties"])).flatMap(([name, part]) =>
      narrowingFaults(objectOr(part), `${field}.properties[${name}]`, false),
    ),
    ...(isJsonObject(items) ? narrowingFaults(items, `${field}.items`, false) : []),
    ...innerOf(schema, field).flatMap((inner) => narrowingFaults(inner.schema, inner.field, mayHaveType)),
  ];
}

function undeclaredFaults(inner: Inner, outer: Inner, path: string): readonly FieldFault[] {
  const declared = objectOr(outer.schema["properties"]);
  return Object.entries(objectOr(inner.schema["properties"])).flatMap(([name, part]) => {
    const at = `${outer.field}.properties[${name}]`;
    const innerPath = `${path}.properties[${name}]`;
    if (!Object.hasOwn(declared, name)) return [requiredValue(at, `because it is defined in ${innerPath}`)];
    const below = { schema: objectOr(declared[name]), field: at };
    return undeclaredFaults({ schema: objectOr(part), field: innerPath }, below, innerPath);
  });
}
