/** What a Pod needs of other objects: contents of ConfigMaps and Secrets, and its own fields; gathered before something pure is made of them. */
import type { KubeObject } from "#host/kube/object.ts";
import { type SecretObject, secretResource } from "#host/kube/known-resources.ts";
import type { ResourceFieldRef } from "../../model/container.ts";
import { type ConfigMapObject, configMapResource } from "../../model/core-objects.ts";
import type { PodObject } from "../../model/pod.ts";
import type { Result } from "#core/result.ts";
import { type PodPlace, readPodField, readResourceField } from "../../reconcile/pods/pod-fields.ts";
import type { ObjectCache } from "./object-cache.ts";

/** Contents by the object's name; undefined for one that does not exist. */
export type Contents = ReadonlyMap<string, ReadonlyMap<string, Uint8Array> | undefined>;

/** What was gathered. */
export interface PodObjects {
  readonly configMaps: Contents;
  readonly secrets: Contents;
}

/** Names of objects of a Pod's namespace. */
export interface ObjectNames {
  readonly configMaps: ReadonlySet<string>;
  readonly secrets: ReadonlySet<string>;
}

/** Reads them, and has them watched for the Pod. */
export async function gatherObjects(
  cache: ObjectCache,
  { metadata }: PodObject,
  names: ObjectNames,
): Promise<PodObjects> {
  const { namespace, uid } = metadata;
  const configMaps = [...names.configMaps].map(async (name) => {
    const object = await cache.need(configMapResource, { namespace, name }, uid);
    return [name, object && configMapContent(object)] as const;
  });
  const secrets = [...names.secrets].map(async (name) => {
    const object = await cache.need(secretResource, { namespace, name }, uid);
    return [name, object && secretContent(object)] as const;
  });
  return { configMaps: new Map(await Promise.all(configMaps)), secrets: new Map(await Promise.all(secrets)) };
}

/** The ConfigMaps and Secrets that a part of a Pod's spec names. */
export function namedObjects(part: unknown): ObjectNames {
  const configMaps = new Set<string>();
  const secrets = new Set<string>();
  const into: Readonly<Record<string, readonly [Set<string>, string]>> = {
    configMapKeyRef: [configMaps, "name"],
    configMapRef: [configMaps, "name"],
    configMap: [configMaps, "name"],
    secretKeyRef: [secrets, "name"],
    secretRef: [secrets, "name"],
    secret: [secrets, "secretName"],
  };
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(visit);
    if (typeof value !== "object" || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      const [set, field] = into[key] ?? [];
      if (set !== undefined && field !== undefined) collect(set, inner, field);
      visit(inner);
    }
  };
  visit(part);
  return { configMaps, secrets };
}

/** A Secret is named `secretName` as a volume, `name` within a projection. */
function collect(set: Set<string>, source: unknown, field: string): void {
  if (typeof source !== "object" || source === null) return;
  const fields = new Map(Object.entries(source));
  const name = fields.get(field) ?? fields.get("name");
  if (typeof name === "string" && name !== "") set.add(name);
}

/** The Pod's own fields as variables and files read them. */
export function fieldReaders(
  pod: PodObject,
  place: PodPlace,
  container?: string,
): {
  readonly field: (path: string) => Result<string>;
  readonly resource: (ref: ResourceFieldRef) => Result<string>;
} {
  const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
  return {
    field: (path) => readPodField(pod, place, path),
    resource: (ref) => readResourceField(containers, ref, container, place),
  };
}

/** Contents as texts, for variables. */
export function textsOf(
  content: ReadonlyMap<string, Uint8Array> | undefined,
): ReadonlyMap<string, string> | undefined {
  if (content === undefined) return undefined;
  return new Map([...content].map(([key, bytes]) => [key, Buffer.from(bytes).toString("utf8")]));
}

function configMapContent({
  data,
  binaryData,
}: ConfigMapObject & KubeObject): ReadonlyMap<string, Uint8Array> {
  return new Map([
    ...Object.entries(data ?? {}).map(([key, text]) => [key, Buffer.from(text)] as const),
    ...Object.entries(binaryData ?? {}).map(([key, text]) => [key, Buffer.from(text, "base64")] as const),
  ]);
}

function secretContent({ data }: SecretObject): ReadonlyMap<string, Uint8Array> {
  return new Map(
    Object.entries(data ?? {}).map(([key, text]) => [key, Buffer.from(text, "base64")] as const),
  );
}
