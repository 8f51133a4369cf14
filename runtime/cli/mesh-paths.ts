/** Where everything of a mesh lies below its two folders. The table is in ARCHITECTURE.md; nothing here touches a file. */
import { join } from "node:path";

/** The programs that the supervisor starts, in the order of their start. */
export const programNames = ["control-plane", "ztunnel", "node-runtime", "node", "edge"] as const;
/** One of the programs that the supervisor starts. */
export type ProgramName = (typeof programNames)[number];

/** Who gets a token: the programs, the waypoints that the node runtime starts, and whoever runs the command line. */
export const tokenNames: readonly string[] = [...programNames, "waypoint", "admin"];

/** The paths of one mesh. */
export interface MeshPaths {
  readonly runDir: string;
  readonly dataDir: string;
  /** Held by flock for as long as the supervisor lives; names its pid. */
  readonly lock: string;
  readonly supervisorSocket: string;
  readonly caFile: string;
  readonly tokensDir: string;
  readonly tokenKeyFile: string;
  readonly adminDir: string;
  /** What the command line needs to reach the mesh: addresses, not secrets. */
  readonly endpointsFile: string;
  readonly kubeconfig: string;
  readonly nodeSocket: string;
  readonly dataVersionFile: string;
  readonly systemLogsDir: string;
}

/** The paths below the two folders. */
export function meshPaths(runDir: string, dataDir: string): MeshPaths {
  return {
    runDir,
    dataDir,
    lock: join(runDir, "lock"),
    supervisorSocket: join(runDir, "supervisor.sock"),
    caFile: join(runDir, "ca.pem"),
    tokensDir: join(runDir, "tokens"),
    tokenKeyFile: join(runDir, "token-key.pem"),
    adminDir: join(runDir, "admin"),
    endpointsFile: join(runDir, "endpoints.json"),
    kubeconfig: join(runDir, "kubeconfig"),
    nodeSocket: join(runDir, "node.sock"),
    dataVersionFile: join(dataDir, "version"),
    systemLogsDir: join(dataDir, "logs", "system"),
  };
}

/** Where the command line and the programs look when nothing else is said. */
export const defaultRunDir = "/run/lambient";
