/** `lambient kubeconfig`: where kubectl finds the mesh. The file itself is the supervisor's. */
import { existsSync, readFileSync } from "node:fs";
import { MeshError } from "#host/mesh-error.ts";
import type { Console } from "./console.ts";
import { meshPaths } from "./mesh-paths.ts";

/** Prints the file's path, for `export KUBECONFIG=$(lambient kubeconfig)`, or its text. @throws MeshError `unavailable` when no mesh runs there */
export function kubeconfig(
  console: Console,
  options: { readonly runDir: string; readonly raw: boolean },
): void {
  const path = meshPaths(options.runDir, "/").kubeconfig;
  if (!existsSync(path)) {
    throw new MeshError(
      "unavailable",
      `Cannot find the kubeconfig of a mesh at ${options.runDir}: none runs there; start it with "lambient up", or name its --run-dir`,
    );
  }
  console.out(options.raw ? readFileSync(path, "utf8") : `${path}\n`);
}
