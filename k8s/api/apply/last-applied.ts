/** The hand-over from kubectl's old way of applying, which kept the last configuration in an annotation, to server-side apply. */
import { isJsonObject, type JsonObject, objectOr, textOr } from "../json.ts";
import type { WorkingObject } from "../working-object.ts";
import { compareFields } from "./compare-fields.ts";
import { difference, isEmpty, union } from "./field-set.ts";
import { fieldsOf } from "./fields-of.ts";
import type { Managers, Writer } from "./managers.ts";
import type { FieldConflict, OwnedWrite } from "./ownership.ts";

const annotation = "kubectl.kubernetes.io/last-applied-configuration";

/** Of other managers the annotation is none of the business. */
const handedOverTo = "kubectl";

/** What kubectl applied last by its old way; undefined for other writers, or when nothing is known of it. */
export function lastApplied(live: WorkingObject, writer: Writer): JsonObject | undefined {
  if (writer.manager !== handedOverTo) return undefined;
  try {
    const value: unknown = JSON.parse(textOr(live.metadata.annotations?.[annotation]));
    return isJsonObject(value) && value["apiVersion"] === writer.apiVersion ? value : undefined;
  } catch {
    // An annotation that is no JSON says nothing about who applied what.
    return undefined;
  }
}

/** Conflicts but for those about fields that were applied earlier and that nobody has changed since. */
export function withoutEarlier(
  conflicts: readonly FieldConflict[],
  of: { readonly earlier: JsonObject; readonly live: WorkingObject; readonly schema: JsonObject },
): readonly FieldConflict[] {
  const { added, modified, removed } = compareFields(of.earlier, of.live, of.schema);
  const changed = union(union(added, modified), removed);
  const handedOver = difference(fieldsOf(of.earlier, of.schema), changed);
  return conflicts
    .map(({ owner, fields }) => ({ owner, fields: difference(fields, handedOver) }))
    .filter(({ fields }) => !isEmpty(fields));
}

/** Keeps the annotation true, where it is there, for those who still apply by the old way. */
export function rememberApplied(
  applied: { readonly object: unknown; readonly managers: Managers },
  write: OwnedWrite,
  config: JsonObject,
): { readonly object: unknown; readonly managers: Managers } {
  const object = objectOr(applied.object);
  const metadata = objectOr(object["metadata"]);
  const annotations = objectOr(metadata["annotations"]);
  if (write.writer.manager !== handedOverTo || annotations[annotation] === undefined) return applied;
  const text = `${JSON.stringify(sorted(withoutAnnotation(config)))}\n`;
  const next = { ...metadata, annotations: { ...annotations, [annotation]: text } };
  return { ...applied, object: { ...object, metadata: next } };
}

function withoutAnnotation(config: JsonObject): JsonObject {
  const metadata = objectOr(config["metadata"]);
  const annotations = objectOr(metadata["annotations"]);
  if (annotations[annotation] === undefined) return config;
  const { [annotation]: _, ...others } = annotations;
  return { ...config, metadata: { ...metadata, annotations: others } };
}

/** Fields in the order of their names, so that equal configurations are equal texts. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isJsonObject(value)) return value;
  const names = Object.keys(value).sort();
  return Object.fromEntries(names.map((name) => [name, sorted(value[name])]));
}
