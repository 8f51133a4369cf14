/** Whether this machine and this process can run a mesh: decisions on facts that preflight-facts.ts gathers. Touches nothing. */

/** The version of what lies in a data folder; raised when an older program could not read it. */
export const dataVersion = 1;

/** What was found out. */
export interface PreflightFacts {
  readonly platform: string;
  readonly architecture: string;
  readonly uid: number;
  /** `CapEff` of /proc/self/status, as hex. */
  readonly effectiveCapabilities: string;
  /** `uname -r`. */
  readonly kernelRelease: string;
  /** Mount point of cgroup v2. */
  readonly cgroupMount: string | undefined;
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

/** Everything that stands in the way, each in one sentence with what to do. */
export function decidePreflight(facts: PreflightFacts): readonly string[] {
  // Without the first two nothing below means anything: what a wrong machine or user lacks follows from them.
  const first = checkPlatform(facts) ?? checkRights(facts);
  if (first !== undefined) return [first];
  const rest = [checkKernel(facts), checkCgroup(facts), checkData(facts), ...facts.ports.map(checkPort)];
  return rest.filter((error) => error !== undefined);
}

const neededCapabilities = [
  { bit: 12, name: "CAP_NET_ADMIN" },
  { bit: 21, name: "CAP_SYS_ADMIN" },
] as const;
const oldestKernel = { major: 5, minor: 9 } as const; // sk_lookup

function checkPlatform({ platform, architecture }: PreflightFacts): string | undefined {
  if (platform === "linux" && architecture === "x64") return undefined;
  return `Cannot start the mesh on this machine: it needs Linux on x86-64, got ${platform} on ${architecture}`;
}

function checkRights({ uid, effectiveCapabilities }: PreflightFacts): string | undefined {
  if (uid !== 0)
    return `Cannot start the mesh as user ${uid}: it makes namespaces and needs root; run it with sudo`;
  const held = BigInt(`0x${effectiveCapabilities}`);
  const missing = neededCapabilities.filter(({ bit }) => (held & (1n << BigInt(bit))) === 0n);
  if (missing.length === 0) return undefined;
  const names = missing.map(({ name }) => name).join(" and ");
  return `Cannot start the mesh without ${names}: this root is confined; run it outside the container, or in a privileged one`;
}

function checkKernel({ kernelRelease }: PreflightFacts): string | undefined {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(kernelRelease) ?? [];
  const wanted = `${oldestKernel.major}.${oldestKernel.minor}`;
  const isNewEnough =
    Number(major) > oldestKernel.major ||
    (Number(major) === oldestKernel.major && Number(minor) >= oldestKernel.minor);
  return isNewEnough
    ? undefined
    : `Cannot start the mesh on Linux ${kernelRelease}: capture by eBPF sk_lookup needs ${wanted} or newer; upgrade the kernel`;
}

function checkCgroup({ cgroupMount }: PreflightFacts): string | undefined {
  if (cgroupMount !== undefined) return undefined;
  return "Cannot start the mesh without cgroup v2: it is mounted nowhere; run mount -t cgroup2 none /sys/fs/cgroup/unified";
}

function checkData(facts: PreflightFacts): string | undefined {
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
