/** Where a mesh's processes are grouped, told by its run folder: whoever knows the folder finds them. Pure. */
import { createHash } from "node:crypto";
import { defaultRunDir } from "../mesh-paths.ts";

/** The control group of a mesh, below the mounts: `lambient`, or one of its own for another run folder. */
export function cgroupPath(runDir: string): string {
  if (runDir === defaultRunDir) return "lambient";
  return `lambient-${createHash("sha256").update(runDir).digest("hex").slice(0, 12)}`;
}
