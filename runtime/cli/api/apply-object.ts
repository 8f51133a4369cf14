/** Makes the API hold an object as a manifest states it: created, or replaced in all that the manifest may say. Not a three-way merge. */
import { KubeError, isAlreadyExists, isConflict, isNotFound } from "#host/kube/kube-error.ts";
import type { KubeObject, ObjectMeta } from "#host/kube/object.ts";
import { MeshError } from "#host/mesh-error.ts";
import type { MeshApi } from "./mesh-api.ts";
import { resourcePath, type ServedKind } from "./resource-path.ts";

/** An object of a manifest. */
export interface WantedObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

/** What became of it. */
export interface Applied {
  readonly action: "created" | "changed" | "unchanged";
  readonly object: KubeObject;
}

/** Between two writers of one object somebody always gets through; more than this means that one writes all the time. */
const triesMax = 10;

/** Creates or replaces an object. @throws KubeError when the API refuses it */
export async function applyObject(api: MeshApi, kind: ServedKind, wanted: WantedObject): Promise<Applied> {
  const { name, namespace } = wanted.metadata;
  const path = resourcePath(kind, namespace, name);
  for (let tries = 0; tries < triesMax; tries++) {
    const present = await find(api, path);
    try {
      return present === undefined
        ? await create(api, resourcePath(kind, namespace), wanted)
        : await replace(api, path, present, wanted);
    } catch (error) {
      if (!isConflict(error) && !isAlreadyExists(error)) throw named(error, kind, wanted);
    }
  }
  throw new MeshError(
    "conflict",
    `Cannot apply ${kind.kind} "${name}": it is changed by others all the time`,
  );
}

/** Reads an object; undefined when it is not there. */
export async function find(api: MeshApi, path: string): Promise<KubeObject | undefined> {
  try {
    return (await api.json({ path })) as KubeObject;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function create(api: MeshApi, path: string, wanted: WantedObject): Promise<Applied> {
  const object = await api.json({ method: "POST", path, body: JSON.stringify(wanted) });
  return { action: "created", object: object as KubeObject };
}

async function replace(
  ...[api, path, present, wanted]: [MeshApi, string, KubeObject, WantedObject]
): Promise<Applied> {
  const metadata: ObjectMeta = {
    ...present.metadata,
    ...("labels" in wanted.metadata
      ? { labels: { ...present.metadata.labels, ...wanted.metadata.labels } }
      : {}),
    ...("annotations" in wanted.metadata
      ? { annotations: { ...present.metadata.annotations, ...wanted.metadata.annotations } }
      : {}),
  };
  const body = JSON.stringify({ ...wanted, metadata });
  const object = (await api.json({ method: "PUT", path, body })) as KubeObject;
  const isSame = object.metadata.resourceVersion === present.metadata.resourceVersion;
  return { action: isSame ? "unchanged" : "changed", object };
}

/** The API's sentence with the object in front, when it does not name it itself. */
function named(error: unknown, kind: ServedKind, { metadata }: WantedObject): unknown {
  if (!(error instanceof KubeError)) return error;
  const causes = (error.status.details?.causes ?? [])
    .map((cause) => `${cause.field === undefined ? "" : `${cause.field}: `}${cause.message}`)
    .join("; ");
  const where = metadata.namespace === undefined ? "" : ` in namespace "${metadata.namespace}"`;
  const text = error.message.includes(causes) ? error.message : `${error.message}: ${causes}`;
  return new MeshError(error.code, `Cannot apply ${kind.kind} "${metadata.name}"${where}: ${text}`, error);
}
