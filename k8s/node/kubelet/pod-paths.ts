/** Where everything of a Pod lies on disk; nothing here touches a file. */
import { join } from "node:path";

/** The folders of all Pods of a node. */
export interface PodFolders {
  /** Volumes, logs, small files; below the data folder. */
  readonly data: string;
  /** FIFOs, networks and records, which die with the run; below the run folder. */
  readonly run: string;
}

/** The folders below the mesh's two. */
export function podFolders(runDir: string, dataDir: string): PodFolders {
  return { data: join(dataDir, "pods"), run: join(runDir, "kubelet") };
}

/** Paths of one Pod. */
export interface PodPaths {
  /** All that it has on disk. */
  readonly folder: string;
  readonly volumes: string;
  readonly resolvConf: string;
  readonly hosts: string;
  /** FIFOs of a container's run. */
  streams(container: string, run: number): string;
  log(container: string, run: number): string;
  terminationMessage(container: string, run: number): string;
  /** All FIFOs of the Pod. */
  readonly runFolder: string;
}

/** The paths of a Pod. */
export function podPaths(folders: PodFolders, uid: string): PodPaths {
  const folder = join(folders.data, uid);
  const runFolder = join(folders.run, "streams", uid);
  return {
    folder,
    volumes: join(folder, "volumes"),
    resolvConf: join(folder, "resolv.conf"),
    hosts: join(folder, "hosts"),
    streams: (container, run) => join(runFolder, `${container}-${run}`),
    log: (container, run) => join(folder, "logs", container, `${run}.log`),
    terminationMessage: (container, run) => join(folder, "messages", `${container}-${run}`),
    runFolder,
  };
}
