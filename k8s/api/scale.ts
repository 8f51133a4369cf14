/** The `scale` of an object, autoscaling/v1: how many it wants and has, under the same fields for every kind; and a changed one put back into its object. */
import { apiVersionOf } from "#host/kube/object.ts";
import { arrayOr, isJsonObject, type JsonObject, objectOr, setField, textOr, textsOf } from "./json.ts";
import type { KindDefinition, ScalePaths } from "./kind.ts";
import { badRequest, invalid, invalidValue } from "./refusal.ts";
import type { WorkingObject } from "./working-object.ts";

/** Group, version and kind of what is answered. */
export const scaleKind = { group: "autoscaling", version: "v1", kind: "Scale" } as const;

/** The scale of an object. */
export function scaleOf(paths: ScalePaths, object: WorkingObject): JsonObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const replicas = countAt(object, paths.specReplicas);
  const selector = selectorText(paths, object);
  return {
    kind: scaleKind.kind,
    apiVersion: apiVersionOf(scaleKind),
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      uid,
      resourceVersion,
      creationTimestamp,
    },
    spec: replicas === 0 ? {} : { replicas },
    status: { replicas: countAt(object, paths.statusReplicas), ...(selector === "" ? {} : { selector }) },
  };
}

/** How many a scale wants. @throws KubeError 400 or 422 for a value that is none. */
export function replicasOf(kind: KindDefinition, scale: unknown): number {
  if (!isJsonObject(scale)) throw badRequest("a scale must be an object");
  checkType(scale);
  const { replicas = 0 } = objectOr(scale["spec"]);
  if (typeof replicas !== "number" || !Number.isInteger(replicas)) throw noCount(replicas);
  if (replicas >= 0) return replicas;
  const name = textOr(objectOr(scale["metadata"])["name"]);
  if (kind.isCustom) {
    const field = kind.scale?.specReplicas ?? "";
    throw invalid(kind, name, [invalidValue(field, replicas, "should be a non-negative integer")]);
  }
  const why = "must be greater than or equal to 0";
  throw invalid(scaleKind, name, [invalidValue("spec.replicas", replicas, why)]);
}

function checkType(scale: JsonObject): void {
  const wanted = apiVersionOf(scaleKind);
  const { kind: got = scaleKind.kind, apiVersion = wanted } = scale;
  if (got === scaleKind.kind && apiVersion === wanted) return;
  const text = JSON.stringify(textOr(got));
  const why = `no kind ${text} is registered for version ${JSON.stringify(wanted)} here`;
  throw badRequest(`${textOr(got)} in version "v1" cannot be handled as a Scale: ${why}`);
}

function noCount(replicas: unknown): Error {
  const what = typeof replicas === "number" ? `number ${replicas}` : typeof replicas;
  const where = "Go struct field ScaleSpec.spec.replicas of type int32";
  return badRequest(
    `Scale in version "v1" cannot be handled as a Scale: json: cannot unmarshal ${what} into ${where}`,
  );
}

/** An object with another count, about which a client knows what its scale says of name, uid and version. */
export function withScale(
  paths: ScalePaths,
  object: WorkingObject,
  { scale, replicas }: { readonly scale: unknown; readonly replicas: number },
): JsonObject {
  const { name, uid, resourceVersion } = objectOr(objectOr(scale)["metadata"]);
  const next: JsonObject = structuredClone(object);
  setAt(next, paths.specReplicas, replicas);
  next["metadata"] = {
    ...object.metadata,
    name,
    ...(uid === undefined ? {} : { uid }),
    resourceVersion: textOr(resourceVersion) || object.metadata.resourceVersion,
  };
  return next;
}

/** What an applied scale says of its object. */
export function configOfScale(
  of: { readonly kind: KindDefinition; readonly version: string; readonly paths: ScalePaths },
  scale: unknown,
): JsonObject {
  const config: JsonObject = {
    apiVersion: apiVersionOf({ group: of.kind.group, version: of.version }),
    kind: of.kind.kind,
    metadata: objectOr(objectOr(scale)["metadata"]),
  };
  if (objectOr(objectOr(scale)["spec"])["replicas"] !== undefined) {
    setAt(config, of.paths.specReplicas, replicasOf(of.kind, scale));
  }
  return config;
}

function countAt(object: JsonObject, path: string): number {
  const value = valueAt(object, path);
  return typeof value === "number" ? value : 0;
}

function valueAt(object: JsonObject, path: string): unknown {
  return stepsOf(path).reduce<unknown>((value, step) => objectOr(value)[step], object);
}

function setAt(object: JsonObject, path: string, value: unknown): void {
  const steps = stepsOf(path);
  const last = steps.pop() ?? "";
  let at = object;
  for (const step of steps) {
    const next = { ...objectOr(at[step]) };
    setField(at, step, next);
    at = next;
  }
  setField(at, last, value);
}

/** A path's fields: definitions may only name plain ones. */
function stepsOf(path: string): string[] {
  return path.split(".").filter((step) => step !== "");
}

function selectorText({ labelSelector }: ScalePaths, object: WorkingObject): string {
  if (labelSelector !== undefined) return textOr(valueAt(object, labelSelector));
  const selector = objectOr(objectOr(object["spec"])["selector"]);
  const labels = Object.entries(objectOr(selector["matchLabels"])).map(
    ([name, value]): readonly [string, string] => [name, `${name}=${textOr(value)}`],
  );
  const others = arrayOr(selector["matchExpressions"]).map(objectOr).map(expressionText);
  const all = [...labels, ...others].sort(([left], [right]) => (left < right ? -1 : Number(left > right)));
  return all.map(([, text]) => text).join(",");
}

function expressionText(expression: JsonObject): readonly [name: string, text: string] {
  const name = textOr(expression["key"]);
  const values = [...textsOf(expression["values"])].sort().join(",");
  switch (expression["operator"]) {
    case "In":
      return [name, `${name} in (${values})`];
    case "NotIn":
      return [name, `${name} notin (${values})`];
    case "DoesNotExist":
      return [name, `!${name}`];
    default:
      return [name, name];
  }
}
