/** Reads the parameters of a channel's request field by field; what is not as wanted is a `bad-input` that names it. */
import { MeshError } from "#host/mesh-error.ts";

/** Any object's fields. */
export type Params = Readonly<Record<string, unknown>>;

/** The parameters as an object. */
export function readParams(params: unknown): Params {
  if (typeof params !== "object" || params === null || Array.isArray(params))
    throw wrong("the parameters", "an object", params);
  // Sound: any object can be read by key, and each value read is checked.
  return params as Params;
}

/** A field that must be a text. */
export function readText(params: Params, field: string): string {
  const value = params[field];
  if (typeof value !== "string") throw wrong(field, "text", value);
  return value;
}

/** A field that may be absent, else a number that is not negative. */
export function readOptionalNumber(params: Params, field: string): number | undefined {
  const value = params[field];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" || !(value >= 0)) throw wrong(field, "a number of at least 0", value);
  return value;
}

/** A field that may be absent, else a text. */
export function readOptionalText(params: Params, field: string): string | undefined {
  const value = params[field];
  return value === undefined || value === null ? undefined : readText(params, field);
}

function wrong(field: string, wanted: string, got: unknown): MeshError {
  return new MeshError(
    "bad-input",
    `Cannot read ${field} as ${wanted}: ${(JSON.stringify(got) ?? "undefined").slice(0, 100)}`,
  );
}
