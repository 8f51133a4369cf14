/** What images stand for on a machine without a registry: a local command each, from a file of the user's. Images are names only, nothing is pulled. */
import { createHash } from "node:crypto";
import { parse } from "yaml";
import { err, ok, type Result } from "#core/result.ts";

/** What an image runs when its container says nothing else. */
export interface MappedImage {
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workingDir: string | undefined;
}

/** Images by name. */
export type ImageMap = ReadonlyMap<string, MappedImage>;

/** Reads the file's text: YAML, image → command, args, env, workingDir. @returns every error */
export function parseImageMap(text: string): Result<ImageMap, readonly string[]> {
  let document: unknown;
  try {
    document = parse(text) ?? {};
  } catch (error) {
    return err([
      `Cannot read the image map as YAML: ${error instanceof Error ? error.message : String(error)}`,
    ]);
  }
  if (!isRecord(document)) return err(["Cannot read the image map as a mapping from image to command"]);
  const errors: string[] = [];
  const images = new Map<string, MappedImage>();
  for (const [name, entry] of Object.entries(document)) {
    const image = readImage(entry);
    if (image.ok) images.set(name, image.value);
    else errors.push(`Cannot read the image "${name}" as a local command: ${image.error}`);
  }
  return errors.length > 0 ? err(errors) : ok(images);
}

const fields = new Set(["command", "args", "env", "workingDir"]);

function readImage(entry: unknown): Result<MappedImage> {
  if (!isRecord(entry)) return err("it must be a mapping with command, args, env, workingDir");
  const unknown = Object.keys(entry).find((field) => !fields.has(field));
  if (unknown !== undefined) return err(`"${unknown}" is none of ${[...fields].join(", ")}`);
  const { command, args = [], env = {}, workingDir } = entry;
  if (!isTexts(command) || command.length === 0)
    return err("command must be a list of texts, its program first");
  if (!isTexts(args)) return err("args must be a list of texts");
  if (!isRecord(env)) return err("env must be a mapping");
  if (workingDir !== undefined && typeof workingDir !== "string") return err("workingDir must be a path");
  const variables = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, String(value)]));
  return ok({ command, args, env: variables, workingDir });
}

/** Finds an image by its name, with and without the tag that is meant when there is none. */
export function findImage(images: ImageMap, name: string): MappedImage | undefined {
  const plain = name.endsWith(":latest") ? name.slice(0, -":latest".length) : `${name}:latest`;
  return images.get(name) ?? images.get(plain);
}

/** The id that statuses show: the same for the same name and command. */
export function imageId(name: string, image: MappedImage | undefined): string {
  const text = JSON.stringify([name, image ?? null]);
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((part) => typeof part === "string");
}
