/**
 * The sandbox of one function's process: what its root holds, and the steps by which the process gives up everything else before it becomes
 * the engine. So every thread of the engine is confined from its first instruction, and nothing has to be taken from a running process.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Step } from "#host/linux/birth.ts";
import type { Libc } from "#host/linux/libc.ts";
import { makeDevice, openTmpfs, rootSteps } from "#host/linux/mounts.ts";
import { seccompStep } from "#host/linux/seccomp.ts";
import { type EngineFiles, enginePath } from "./engine-files.ts";

/** What a sandbox may use. */
export interface SandboxLimits {
  /** Bytes of files in its root, bundle and /tmp together. Default 64 MiB. */
  readonly fileBytesMax: number;
  /** Files and folders in it. Default 4096. */
  readonly filesMax: number;
  /** Open descriptors. Default 1024. */
  readonly descriptorsMax: number;
  /** Threads. Default 128. */
  readonly threadsMax: number;
}

/** The defaults stated above. */
export const defaultSandboxLimits: SandboxLimits = {
  fileBytesMax: 64 << 20,
  filesMax: 4096,
  descriptorsMax: 1024,
  threadsMax: 128,
};

/** Folder of the bundle in a sandbox. */
export const bundleFolder = "/bundle";

/** Who a sandbox's process is. */
export interface SandboxIdentity {
  /** Unprivileged and of no other live slot; the group has the same number. */
  readonly uid: number;
  /** The only nameserver it knows. */
  readonly nameserver: string;
  readonly address: string;
}

/**
 * Makes the root's file system and fills it.
 * @returns its descriptor, through which the bundle is written later; the caller's to close
 */
export function openRoot(
  libc: Libc,
  engine: EngineFiles,
  who: SandboxIdentity,
  limits: SandboxLimits,
): number {
  const fd = openTmpfs(libc, { bytesMax: limits.fileBytesMax, filesMax: limits.filesMax });
  const root = `/proc/self/fd/${fd}`;
  for (const folder of ["dev", "etc", "proc", bundleFolder.slice(1)]) mkdirSync(`${root}/${folder}`);
  mkdirSync(`${root}/tmp`, { mode: 0o700 });
  libc.call("Cannot give a sandbox its /tmp", "fchownat", fd, Buffer.from("tmp\0"), who.uid, who.uid, 0);
  for (const device of ["null", "zero", "random", "urandom"] as const)
    makeDevice(libc, fd, `dev/${device}`, device);
  writeFileSync(`${root}/etc/resolv.conf`, `nameserver ${who.nameserver}\noptions ndots:1\n`);
  writeFileSync(`${root}/etc/hosts`, `127.0.0.1 localhost\n::1 localhost\n${who.address} function\n`);
  writeFileSync(`${root}/etc/nsswitch.conf`, "hosts: files dns\n");
  writeFileSync(root + enginePath, engine.code);
  for (const { target } of engine.libraries) {
    mkdirSync(dirname(root + target), { recursive: true });
    writeFileSync(root + target, "");
  }
  return fd;
}

/** The steps before the descriptors are set: the root becomes the process's root. */
export function enterSteps(engine: EngineFiles, rootFd: number): Step[] {
  const hostname = "function";
  return [
    ...rootSteps(rootFd, engine.libraries),
    { what: "Cannot name the host", name: "sethostname", args: [hostname, hostname.length] },
  ];
}

const capabilitiesMax = 64;
const prctl = {
  deathSignal: 1,
  dropBounding: 24,
  noNewPrivileges: 38,
  ambient: 47,
  securityBits: 28,
} as const;
/** NOROOT, NO_SETUID_FIXUP off, KEEP_CAPS off; each locked: uid 0 would mean nothing either. */
const lockedBits = 0x01 | 0x02 | 0x08 | 0x20;
const killSignal = 9;

/** The last steps: limits, user, capabilities, system calls. */
export function confineSteps(engine: EngineFiles, who: SandboxIdentity, limits: SandboxLimits): Step[] {
  return [
    ...limitSteps(limits),
    step("Cannot lock privileges", "prctl", [prctl.securityBits, lockedBits, 0, 0, 0]),
    // A number beyond the kernel's last capability is refused: there is nothing to drop then.
    ...Array.from({ length: capabilitiesMax }, (_, capability): Step => ({
      ...step("Cannot drop a capability", "prctl", [prctl.dropBounding, capability, 0, 0, 0]),
      mayFail: true,
    })),
    step("Cannot drop ambient capabilities", "prctl", [prctl.ambient, 4, 0, 0, 0]),
    step("Cannot leave groups", "setgroups", [0, 0]),
    step("Cannot change the group", "setresgid", [who.uid, who.uid, who.uid]),
    step("Cannot change the user", "setresuid", [who.uid, who.uid, who.uid]),
    step("Cannot drop capabilities", "capset", [capabilityHead(), { bytes: new Uint8Array(24) }]),
    // The slot must not outlive the owner of its capture.
    step("Cannot bind the life to the parent's", "prctl", [prctl.deathSignal, killSignal, 0, 0, 0]),
    step("Cannot give up new privileges", "prctl", [prctl.noNewPrivileges, 1, 0, 0, 0]),
    seccompStep(engine.filter),
  ];
}

const resource = {
  fileSize: 1,
  core: 4,
  processes: 6,
  descriptors: 7,
  lockedMemory: 8,
  signals: 11,
  queues: 12,
  nice: 13,
  realTime: 14,
};

function limitSteps(limits: SandboxLimits): Step[] {
  const wanted: readonly (readonly [number, number])[] = [
    [resource.fileSize, limits.fileBytesMax],
    [resource.core, 0],
    [resource.processes, limits.threadsMax],
    [resource.descriptors, limits.descriptorsMax],
    [resource.lockedMemory, 64 << 10],
    [resource.signals, 128],
    [resource.queues, 0],
    [resource.nice, 0],
    [resource.realTime, 0],
  ];
  return wanted.map(([kind, most]) => {
    const bytes = Buffer.alloc(16);
    bytes.writeBigUInt64LE(BigInt(most), 0);
    bytes.writeBigUInt64LE(BigInt(most), 8);
    return step(`Cannot set the resource limit ${kind}`, "prlimit64", [0, kind, { bytes }, 0]);
  });
}

/** `struct __user_cap_header_struct` of version 3 for the caller. */
function capabilityHead(): { readonly bytes: Uint8Array } {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(0x20080522, 0);
  return { bytes };
}

function step(what: string, name: Step["name"], args: Step["args"]): Step {
  return { what, name, args };
}
