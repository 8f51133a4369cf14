/** Whether this machine and this process can run the mesh, said before anything is tried. It changes nothing. */
import { readFileSync } from "node:fs";

/** What is looked at. */
export interface KernelFacts {
  /** As `uname -r`. */
  readonly release: string;
  readonly effectiveUid: number;
  /** The bits of CapEff. */
  readonly capabilities: bigint;
}

const wantedMajor = 5;
const wantedMinor = 9;

const wantedCapabilities: Readonly<Record<string, number>> = {
  CAP_CHOWN: 0,
  CAP_KILL: 5,
  CAP_SETGID: 6,
  CAP_SETUID: 7,
  CAP_SETPCAP: 8,
  CAP_NET_BIND_SERVICE: 10,
  CAP_NET_ADMIN: 12,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
  CAP_MKNOD: 27,
};

/** Everything that stands in the way, one sentence each; empty when nothing does. */
export function findKernelProblems(facts: KernelFacts): string[] {
  const problems: string[] = [];
  if (facts.effectiveUid !== 0) {
    problems.push(
      `Cannot make namespaces as user ${facts.effectiveUid}: root is needed; run the command with sudo`,
    );
  }
  const [major = 0, minor = 0] = facts.release.split(".").map((part) => Number.parseInt(part, 10));
  if (!(major > wantedMajor || (major === wantedMajor && minor >= wantedMinor))) {
    problems.push(
      `Cannot capture connections by sk_lookup on kernel ${facts.release}: ${wantedMajor}.${wantedMinor} or newer is needed`,
    );
  }
  const missing = Object.entries(wantedCapabilities).filter(
    ([, bit]) => (facts.capabilities & (1n << BigInt(bit))) === 0n,
  );
  if (facts.effectiveUid === 0 && missing.length > 0) {
    const names = missing.map(([name]) => name).join(", ");
    problems.push(
      `Cannot make slots without ${names}: start the container or service with these capabilities`,
    );
  }
  return problems;
}

/** Looks at this machine and process. */
export function readKernelFacts(): KernelFacts {
  const status = readFileSync("/proc/self/status", "utf8");
  return {
    release: readFileSync("/proc/sys/kernel/osrelease", "utf8").trim(),
    effectiveUid: process.geteuid?.() ?? -1,
    capabilities: BigInt(`0x${/^CapEff:\s+([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`),
  };
}
