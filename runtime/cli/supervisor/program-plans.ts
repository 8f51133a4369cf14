/** What each program of the mesh is started with: its entry, its arguments, where it runs. Pure; starting is in spawn-program.ts. */
import { type MeshPaths, type ProgramName } from "../mesh-paths.ts";
import { firstAddress, flagName, type MeshConfig } from "./mesh-config.ts";

/** A program to start. */
export interface ProgramPlan {
  readonly name: ProgramName;
  /** Below the package's root. */
  readonly entry: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** In the host's namespaces or the node's. */
  readonly place: "host" | "node";
  /** Programs of one stage are started together, for each is ready only with the others; the next stage waits for all of them. */
  readonly stage: number;
  /** Gets the edge's listener as descriptor 3. */
  readonly takesListener: boolean;
}

/** What the plans need besides the set-up. */
export interface PlanFacts {
  readonly config: MeshConfig;
  readonly paths: MeshPaths;
  /** The mesh's control group, below the mounts. */
  readonly cgroup: string;
  /** Path of the host's network namespace. */
  readonly hostNetwork: string;
  /** The port that was really taken. */
  readonly apiPort: number;
}

/** Descriptor of the edge's listener in the edge. */
export const edgeListenerFd = 3;

/** The programs in the order of their start. */
export function planPrograms(facts: PlanFacts): readonly ProgramPlan[] {
  const { config, cgroup, hostNetwork, apiPort } = facts;
  const common = flags(config, ["runDir", "dataDir", "trustDomain", "node", "logLevel", "logFormat"]);
  const ranges = flags(config, ["nodeRange", "waypointRange", "serviceRange"]);
  return [
    {
      name: "control-plane",
      entry: "k8s/control-plane/main.ts",
      args: [...common, ...ranges, "--api-port", String(apiPort)],
      env: {},
      place: "host",
      stage: 1,
      takesListener: false,
    },
    {
      name: "ztunnel",
      entry: "ztunnel/main.ts",
      args: [...common, ...ranges],
      env: { LAMBIENT_HOST_NETNS: hostNetwork },
      place: "node",
      stage: 2,
      takesListener: false,
    },
    {
      name: "node-runtime",
      entry: "functions/main.ts",
      args: [...common, ...ranges, ...flags(config, ["poolSize"]), "--cgroup", `${cgroup}/node-runtime`],
      env: {},
      place: "node",
      stage: 2,
      takesListener: false,
    },
    {
      name: "node",
      entry: "k8s/node/main.ts",
      args: [...common, ...ranges, ...flags(config, ["images", "hostPaths"]), "--cgroup", `${cgroup}/pods`],
      env: { LAMBIENT_HOST_NETNS: hostNetwork },
      place: "node",
      stage: 2,
      takesListener: false,
    },
    {
      name: "edge",
      entry: "waypoint/main.ts",
      args: [
        ...common,
        "--edge",
        "--listen-fd",
        String(edgeListenerFd),
        "--address",
        firstAddress(config.waypointRange),
      ],
      env: {},
      place: "node",
      stage: 3,
      takesListener: true,
    },
  ];
}

function flags(config: MeshConfig, fields: readonly (keyof MeshConfig)[]): string[] {
  return fields.flatMap((field) => [`--${flagName(field)}`, String(config[field])]);
}
