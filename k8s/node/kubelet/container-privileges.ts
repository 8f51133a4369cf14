/** What a container's processes may do: user, groups, capabilities; as the last steps of a birth. Which of them a Pod asks for is read here too. */
import type { Memory, Step } from "#host/linux/birth.ts";
import { err, ok, type Result } from "#core/result.ts";
import type { Container, PodSecurityContext } from "../../model/container.ts";
import type { PodSpec } from "../../model/pod.ts";

/** Who a container's processes are. */
export interface ContainerPrivileges {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  /** Numbers of the capabilities that even root has at most. */
  readonly capabilities: ReadonlySet<number>;
  readonly mayGainPrivileges: boolean;
}

/** Capabilities by number. */
const names = [
  "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE",
  "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT",
  "SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL",
  "SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE",
].flatMap((line) => line.split(" "));

/**
 * What containers have unless they ask for more: the usual set of container engines without NET_RAW, with which a process could mark
 * its packets as the proxy's and leave the mesh, and without MKNOD, with which it could open the machine's disks.
 */
const byDefault =
  "CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT AUDIT_WRITE SETFCAP";

/** Capabilities with which a container would own the machine; they are not given. */
const neverGiven = new Set("SYS_ADMIN SYS_MODULE SYS_RAWIO SYS_BOOT MKNOD BPF DAC_READ_SEARCH".split(" "));

/** Reads what a container asks for. @returns why it cannot be had */
export function readPrivileges(spec: PodSpec, container: Container): Result<ContainerPrivileges> {
  const pod = spec.securityContext ?? {};
  const own = container.securityContext ?? {};
  if (own.privileged === true) {
    return err(
      "privileged containers are not run on this node: its machine is shared; name the capabilities that are needed",
    );
  }
  const wish = { ...pod, ...own };
  const { runAsUser: uid = 0, runAsGroup: gid = 0, runAsNonRoot = false } = wish;
  if (runAsNonRoot && uid === 0) {
    return err("container has runAsNonRoot and its command would run as root; set runAsUser");
  }
  const capabilities = readCapabilities(own.capabilities ?? {});
  if (!capabilities.ok) return capabilities;
  return ok({
    uid,
    gid,
    groups: groupsOf(pod),
    capabilities: capabilities.value,
    mayGainPrivileges: own.allowPrivilegeEscalation ?? true,
  });
}

function groupsOf({ supplementalGroups = [], fsGroup }: PodSecurityContext): number[] {
  return [...new Set([...supplementalGroups, ...(fsGroup === undefined ? [] : [fsGroup])])];
}

function readCapabilities(asked: {
  readonly add?: readonly string[];
  readonly drop?: readonly string[];
}): Result<ReadonlySet<number>> {
  const given = new Set(byDefault.split(" "));
  for (const name of (asked.drop ?? []).map(plain)) {
    if (name === "ALL") given.clear();
    else given.delete(name);
  }
  for (const name of (asked.add ?? []).map(plain)) {
    if (!names.includes(name) && name !== "ALL") return err(`unknown capability "${name}"`);
    if (name === "ALL" || neverGiven.has(name)) {
      return err(`capability ${name} is not given on this node: its machine is shared`);
    }
    given.add(name);
  }
  return ok(new Set([...given].map((name) => names.indexOf(name))));
}

function plain(name: string): string {
  return name.toUpperCase().replace(/^CAP_/, "");
}

const prctl = { dropBounding: 24, noNewPrivileges: 38, ambient: 47, clearAmbient: 4 } as const;
const capabilitiesMax = 64;

/** The steps that give up everything else; made as root. */
export function privilegeSteps(who: ContainerPrivileges): Step[] {
  const dropped = Array.from({ length: capabilitiesMax }, (_, i) => i).filter(
    (i) => !who.capabilities.has(i),
  );
  return [
    // A number beyond the kernel's last capability is refused: there is nothing to drop then.
    ...dropped.map((number): Step => ({
      ...step("Cannot drop a capability", "prctl", [prctl.dropBounding, number, 0, 0, 0]),
      mayFail: true,
    })),
    step("Cannot drop ambient capabilities", "prctl", [prctl.ambient, prctl.clearAmbient, 0, 0, 0]),
    step("Cannot set groups", "setgroups", [who.groups.length, groupList(who.groups)]),
    step("Cannot change the group", "setresgid", [who.gid, who.gid, who.gid]),
    step("Cannot change the user", "setresuid", [who.uid, who.uid, who.uid]),
    ...(who.mayGainPrivileges
      ? []
      : [step("Cannot give up new privileges", "prctl", [prctl.noNewPrivileges, 1, 0, 0, 0])]),
  ];
}

function groupList(groups: readonly number[]): Memory {
  const bytes = Buffer.alloc(Math.max(4 * groups.length, 4));
  groups.forEach((group, i) => bytes.writeUInt32LE(group, 4 * i));
  return { bytes };
}

function step(what: string, name: Step["name"], args: Step["args"]): Step {
  return { what, name, args };
}
