/** The files of a volume that is made from objects: ConfigMaps, Secrets, fields of the Pod, tokens. Pure: what they hold is given. */
import { err, ok, type Result } from "#core/result.ts";
import type { ResourceFieldRef } from "../../model/container.ts";
import type {
  ConfigMapSource,
  DownwardFile,
  KeyToPath,
  ProjectedSource,
  Volume,
} from "../../model/volume.ts";

/** A file to be. */
export interface VolumeFile {
  readonly bytes: Uint8Array;
  /** Absent: the volume's own. */
  readonly mode?: number;
}

/** Files by their path below the volume. */
export type VolumeFiles = ReadonlyMap<string, VolumeFile>;

/** Where contents come from. */
export interface VolumeSources {
  readonly configMap: (name: string) => ReadonlyMap<string, Uint8Array> | undefined;
  readonly secret: (name: string) => ReadonlyMap<string, Uint8Array> | undefined;
  readonly field: (path: string) => Result<string>;
  readonly resource: (ref: ResourceFieldRef) => Result<string>;
  /** A token that was asked for, by its path. */
  readonly token: (path: string) => string | undefined;
}

/** The files; undefined for a volume that is not made from objects. @returns why they cannot be made */
export function volumeFiles(volume: Volume, sources: VolumeSources): Result<VolumeFiles> | undefined {
  const { configMap, secret, downwardAPI, projected } = volume;
  if (configMap !== undefined) return mapFiles("configmap", configMap, sources.configMap);
  if (secret !== undefined) {
    const { secretName, ...rest } = secret;
    return mapFiles(
      "secret",
      secretName === undefined ? rest : { ...rest, name: secretName },
      sources.secret,
    );
  }
  if (downwardAPI !== undefined) return fieldFiles(downwardAPI.items ?? [], sources);
  return projected === undefined ? undefined : projectedFiles(projected.sources ?? [], sources);
}

/** The mode of a volume's files where they say none. */
export function defaultModeOf({ configMap, secret, downwardAPI, projected }: Volume): number {
  return (configMap ?? secret ?? downwardAPI ?? projected)?.defaultMode ?? 0o644;
}

function projectedFiles(parts: readonly ProjectedSource[], sources: VolumeSources): Result<VolumeFiles> {
  const files = new Map<string, VolumeFile>();
  for (const part of parts) {
    const made = partFiles(part, sources);
    if (!made.ok) return made;
    for (const [path, file] of made.value) files.set(path, file);
  }
  return ok(files);
}

function partFiles(part: ProjectedSource, sources: VolumeSources): Result<VolumeFiles> {
  if (part.configMap !== undefined) return mapFiles("configmap", part.configMap, sources.configMap);
  if (part.secret !== undefined) return mapFiles("secret", part.secret, sources.secret);
  if (part.downwardAPI !== undefined) return fieldFiles(part.downwardAPI.items ?? [], sources);
  if (part.serviceAccountToken === undefined) return ok(new Map());
  const { path } = part.serviceAccountToken;
  const token = sources.token(path);
  if (token === undefined) return err(`no service account token for ${path} yet`);
  return isGoodPath(path) ? ok(new Map([[path, { bytes: bytesOf(token) }]])) : err(badPath(path));
}

function mapFiles(
  kind: string,
  source: ConfigMapSource,
  find: VolumeSources["configMap"],
): Result<VolumeFiles> {
  const name = source.name ?? "";
  const keys = find(name);
  if (keys === undefined) {
    return source.optional === true ? ok(new Map()) : err(`${kind} "${name}" not found`);
  }
  const items: readonly KeyToPath[] = source.items ?? [...keys.keys()].map((key) => ({ key, path: key }));
  const files = new Map<string, VolumeFile>();
  for (const { key, path, mode } of items) {
    const bytes = keys.get(key);
    if (!isGoodPath(path)) return err(badPath(path));
    if (bytes !== undefined) files.set(path, mode === undefined ? { bytes } : { bytes, mode });
    else if (source.optional !== true) return err(`${kind} references non-existent config key: ${key}`);
  }
  return ok(files);
}

function fieldFiles(items: readonly DownwardFile[], sources: VolumeSources): Result<VolumeFiles> {
  const files = new Map<string, VolumeFile>();
  for (const { path, fieldRef, resourceFieldRef, mode } of items) {
    if (!isGoodPath(path)) return err(badPath(path));
    const text =
      fieldRef === undefined
        ? sources.resource(resourceFieldRef ?? { resource: "" })
        : sources.field(fieldRef.fieldPath);
    if (!text.ok) return text;
    files.set(path, { bytes: bytesOf(text.value), ...(mode === undefined ? {} : { mode }) });
  }
  return ok(files);
}

/** A path that stays in the volume and clear of the names that its updates use. */
function isGoodPath(path: string): boolean {
  const parts = path.split("/");
  return (
    path !== "" && !path.startsWith("/") && parts.every((part) => part !== "..") && !path.startsWith("..")
  );
}

function badPath(path: string): string {
  return `invalid path ${JSON.stringify(path)}: it must be relative and must not contain '..'`;
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
