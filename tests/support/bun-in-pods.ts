/**
 * Bun for the containers of tests and of the demo. A container's root hides the folders where a clone may lie (homes, `/tmp`),
 * so the one that holds the engine is given to the node's Pods and mounted.
 */
import { dirname, join, basename } from "node:path";

const folder = dirname(process.execPath);
const mountPath = "/opt/bun";

/** The engine's path in a container that has {@link bunMount}. */
export const bunInPods: string = join(mountPath, basename(process.execPath));

/** What `lambient up` must be told. */
export const bunEnvironment: Readonly<Record<string, string>> = { LAMBIENT_HOST_PATHS: folder };

/** A folder of the machine's, as a Pod names it. */
interface HostVolume {
  readonly name: string;
  readonly hostPath: { readonly path: string; readonly type: string };
}

/** Where a container has it. */
interface HostMount {
  readonly name: string;
  readonly mountPath: string;
  readonly readOnly: boolean;
}

/** For a Pod's `volumes`. */
export const bunVolume: HostVolume = { name: "bun", hostPath: { path: folder, type: "Directory" } };

/** For a container's `volumeMounts`. */
export const bunMount: HostMount = { name: "bun", mountPath, readOnly: true };
