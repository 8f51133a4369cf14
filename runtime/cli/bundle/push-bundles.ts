/** `lambient bundle push`: bundles a module, or every function of a manifest, uploads the bundles, and tells their digests for whoever writes objects by hand. Releases nothing. */
import { statSync } from "node:fs";
import { basename, extname, join, resolve } from "node:path";
import { manifestName, loadManifest } from "../deploy/load-manifest.ts";
import { openMeshApi } from "../api/mesh-api.ts";
import type { Console } from "../console.ts";
import { formatTable, type OutputFormat, printResult } from "../output.ts";
import { bundleFunction } from "./bundle-function.ts";
import { openBundlerSandbox } from "./bundler-sandbox.ts";
import { putBundle } from "./put-bundle.ts";

/** The command's flags. */
export interface PushOptions {
  readonly runDir: string;
  readonly format: OutputFormat;
}

interface Pushed {
  readonly name: string;
  readonly digest: string;
  readonly bytes: number;
}

/** Runs the command. @throws MeshError for a module that cannot be bundled, or a mesh that is not there */
export async function pushBundles(console: Console, place: string, options: PushOptions): Promise<void> {
  const api = openMeshApi(options.runDir);
  const pushed: Pushed[] = [];
  using sandbox = await openBundlerSandbox();
  for (const [name, main] of modulesAt(console.cwd, place)) {
    const { digest, code } = await bundleFunction(sandbox, name, main);
    await putBundle(api, digest, code);
    pushed.push({ name, digest, bytes: code.length });
  }
  printResult(console, options.format, pushed, () => describe(place, pushed));
}

/** A module has the one digest, for scripts to take; a manifest's functions each have their name beside it. */
function describe(place: string, pushed: readonly Pushed[]): string {
  const [only] = pushed;
  if (isModule(place) && only !== undefined) return `${only.digest}\n`;
  const rows = pushed.map(({ name, digest }) => [name, digest]);
  return formatTable({ head: ["FUNCTION", "BUNDLE"], rows });
}

function modulesAt(cwd: string, place: string): readonly (readonly [name: string, main: string])[] {
  const path = resolve(cwd, place);
  if (isModule(path)) return [[basename(path, extname(path)), path]];
  const { manifest, folder } = loadManifest(cwd, place);
  return Object.entries(manifest.functions).map(([name, { main }]) => [name, join(folder, main)]);
}

/** A folder or a JSON file is a manifest, or has one. */
function isModule(path: string): boolean {
  if (extname(path) === extname(manifestName)) return false;
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true;
}
