/** Whether this machine and this process can run a mesh: decisions on facts that preflight-facts.ts gathers. Touches nothing. */
import { findKernelProblems, type KernelFacts } from "#host/linux/kernel.ts";

/** The version of what lies in a data folder; raised when an older program could not read it. */
export const dataVersion = 1;

/** What was found out about the machine. */
export interface MachineFacts {
  readonly platform: string;
  readonly architecture: string;
  /** Undefined where there is no Linux kernel to ask. */
  readonly kernel: KernelFacts | undefined;
  /** Mount point of cgroup v2. */
  readonly cgroupMount: string | undefined;
}

/** What was found out about the folders and ports. */
export interface PlaceFacts {
  readonly dataDir: string;
  /** Content of the data folder's version file; undefined in a new folder. */
  readonly dataVersionText: string | undefined;
  /** Whether the data folder holds anything. */
  readonly dataDirHasContent: boolean;
  /** Why nothing can be written there. */
  readonly dataDirRefusal: string | undefined;
  readonly ports: readonly PortFact[];
}

/** A port that is wanted. */
export interface PortFact {
  readonly flag: string;
  readonly port: number;
  /** Why it cannot be bound; undefined when it can. */
  readonly refusal: string | undefined;
  /** Such as `nginx (pid 812)`. */
  readonly holder: string | undefined;
}

/** What must hold before anything is tried, even before the lock is taken; one sentence each with what to do. */
export function decideMachine(facts: MachineFacts): readonly string[] {
  const { platform, architecture, kernel, cgroupMount } = facts;
  if (platform !== "linux" || architecture !== "x64" || kernel === undefined) {
    return [
      `Cannot start the mesh on this machine: it needs Linux on x86-64, got ${platform} on ${architecture}`,
    ];
  }
  const problems = findKernelProblems(kernel);
  if (problems.length > 0 || cgroupMount !== undefined) return problems;
  return [
    "Cannot start the mesh without cgroup v2: it is mounted nowhere; run mount -t cgroup2 none /sys/fs/cgroup/unified",
  ];
}

/** What must hold once nothing of an earlier run is left; one sentence each with what to do. */
export function decidePlace(facts: PlaceFacts): readonly string[] {
  return [checkData(facts), ...facts.ports.map(checkPort)].filter((error) => error !== undefined);
}

function checkData(facts: PlaceFacts): string | undefined {
  const { dataDir, dataVersionText, dataDirHasContent, dataDirRefusal } = facts;
  if (dataDirRefusal !== undefined) {
    return `Cannot write to the data folder ${dataDir}: ${dataDirRefusal}; free space there or choose another --data-dir`;
  }
  if (dataVersionText === undefined) {
    return dataDirHasContent
      ? `Cannot use ${dataDir} as a data folder: it holds files but no version file; choose an empty --data-dir`
      : undefined;
  }
  const version = dataVersionText.trim();
  if (version === String(dataVersion)) return undefined;
  return `Cannot use the data folder ${dataDir}: it is of version ${JSON.stringify(version.slice(0, 32))}, this program needs ${dataVersion}; use the program that wrote it or another --data-dir`;
}

function checkPort({ flag, port, refusal, holder }: PortFact): string | undefined {
  if (refusal === undefined) return undefined;
  const who = holder === undefined ? refusal : `${holder} listens there`;
  return `Cannot listen on 127.0.0.1:${port}: ${who}; stop it or choose another ${flag}`;
}
