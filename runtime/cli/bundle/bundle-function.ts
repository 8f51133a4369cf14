/** Bundles a function's module to the one file that instances run, with its digest. The bundler itself is in bundler-sandbox.ts. */
import { createHash } from "node:crypto";
import { existsSync, realpathSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { errorText, MeshError } from "#host/mesh-error.ts";
import type { BundlerSandbox } from "./bundler-sandbox.ts";

/** A finished bundle. */
export interface FunctionBundle {
  /** `sha256:<64 hex>`. */
  readonly digest: string;
  readonly code: Uint8Array;
}

/**
 * Bundles the module of a function.
 * @param name the function's name, for messages
 * @param main absolute path
 * @throws MeshError `bad-input` with what the bundler said
 */
export async function bundleFunction(
  sandbox: BundlerSandbox,
  name: string,
  main: string,
): Promise<FunctionBundle> {
  const what = `Cannot bundle the function "${name}"`;
  let path: string;
  try {
    path = realpathSync(main);
    if (!statSync(path).isFile()) throw new Error("it is not a file");
  } catch (error) {
    throw new MeshError("bad-input", `${what} from ${main}: ${errorText(error)}; correct its "main"`, error);
  }
  const { failure, code, messages } = await sandbox.bundle(findProjectRoot(path), path);
  if (failure !== undefined) {
    const said = messages.trim() === "" ? failure : messages.trim();
    throw new MeshError("bad-input", `${what} from ${main}:\n${said}`);
  }
  return { digest: `sha256:${createHash("sha256").update(code).digest("hex")}`, code };
}

/** The outermost folder above a module that is a package, for what it imports is installed there; else the module's own folder. */
export function findProjectRoot(main: string): string {
  let found = dirname(main);
  for (let folder = found; folder !== "/"; folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json")) || existsSync(join(folder, "node_modules"))) found = folder;
  }
  return found;
}
