/** Finds and reads a manifest and the object files that it names; every error of every file at once. */
import { readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { errorText, MeshError } from "#host/mesh-error.ts";
import type { WantedObject } from "../api/apply-object.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { parseObjects } from "../manifest/read-objects.ts";
import { formatManifestErrors, parseManifest } from "../manifest/read-manifest.ts";

/** A manifest with what it names. */
export interface LoadedManifest {
  readonly manifest: Manifest;
  /** What its paths are relative to. */
  readonly folder: string;
  readonly objects: readonly WantedObject[];
}

/** The manifest's name in a folder. */
export const manifestName = "lambient.jsonc";

/**
 * Loads a manifest.
 * @param place a folder with a `lambient.jsonc`, or the file itself
 * @throws MeshError `bad-input` with every error, one a line: file, line, column, field, what was wanted
 */
export function loadManifest(cwd: string, place: string): LoadedManifest {
  const path = findManifest(resolve(cwd, place));
  const read = parseManifest(readText(path));
  if (!read.ok) throw new MeshError("bad-input", formatManifestErrors(path, read.error));
  const folder = dirname(path);
  const files = read.value.manifests.map((name) => {
    const file = join(folder, name);
    return parseObjects(file, readText(file));
  });
  const errors = files.flatMap((file) => (file.ok ? [] : file.error));
  if (errors.length > 0) throw new MeshError("bad-input", errors.join("\n"));
  return { manifest: read.value, folder, objects: files.flatMap((file) => (file.ok ? file.value : [])) };
}

function findManifest(place: string): string {
  try {
    return statSync(place).isDirectory() ? join(place, manifestName) : place;
  } catch {
    return place; // reading it says what is wrong
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const hint = path.endsWith(manifestName) ? `; name a folder with a ${manifestName}` : "";
    throw new MeshError("bad-input", `Cannot read ${path}: ${errorText(error)}${hint}`, error);
  }
}
