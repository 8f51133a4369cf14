/** The package's version, read from its package.json. */
import { readFileSync } from "node:fs";

/** Such as `0.1.0`. */
export function readVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  // Sound: npm refuses to publish or install a package without a version.
  return (JSON.parse(text) as { readonly version: string }).version;
}
