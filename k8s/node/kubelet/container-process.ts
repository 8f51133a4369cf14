/** A container's main process: born in the Pod's network and control group, in a root of its own, with its streams its own. */
import { closeSync, openSync } from "node:fs";
import type { Step } from "#host/linux/birth.ts";
import type { Libc } from "#host/linux/libc.ts";
import type { Poller } from "#host/linux/poller.ts";
import { type Child, spawnChild } from "#host/linux/spawn.ts";
import { type ContainerPrivileges, privilegeSteps } from "./container-privileges.ts";
import { type ContainerRootOptions, containerRootSteps } from "./container-root.ts";

/** What starting needs. */
export interface ProcessHost {
  readonly libc: Libc;
  readonly poller: Poller;
}

/** A container, ready to be started. */
export interface ContainerPlan {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workingDir: string;
  readonly hostname: string;
  readonly privileges: ContainerPrivileges;
  readonly root: ContainerRootOptions;
  /** Files of its control group that take a process. */
  readonly members: readonly string[];
  /** Absent: the node's own network and name. */
  readonly networkFd: number | undefined;
  /** Its ends of its streams, by their numbers in it; the caller's to close. */
  readonly streams: ReadonlyMap<number, number>;
}

/** The search path of programs that say none. */
export const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const takeTerminal = 0x540e;

/** Starts it. @throws LinuxError with the step that failed */
export function startContainer(host: ProcessHost, plan: ContainerPlan): Child {
  const [program = "", ...args] = plan.command;
  const held: number[] = [];
  try {
    const members = plan.members.map((path) => hold(held, openSync(path, "w")));
    const isOwnNetwork = plan.networkFd !== undefined;
    return spawnChild(host.libc, host.poller, {
      executable: { inside: candidates(program, plan.env["PATH"] ?? defaultPath) },
      name: program,
      args,
      env: plan.env,
      cwd: plan.workingDir,
      fds: plan.streams,
      newNamespaces: ["mount", "pid", "ipc", ...(isOwnNetwork ? (["uts"] as const) : [])],
      joinNamespaces: isOwnNetwork ? [plan.networkFd] : [],
      before: [
        ...members.map((fd): Step => ({
          what: "Cannot join a control group",
          name: "write",
          args: [fd, "0", 1],
        })),
        ...(isOwnNetwork ? [nameStep(plan.hostname)] : []),
        ...containerRootSteps(plan.root),
      ],
      last: [...streamSteps(plan), ...privilegeSteps(plan.privileges)],
    });
  } finally {
    for (const fd of held) closeSync(fd);
  }
}

/** Where a program may be, as a shell would look. */
export function candidates(program: string, path: string): readonly string[] {
  if (program.includes("/")) return [program];
  return path.split(":").map((folder) => `${folder === "" ? "." : folder}/${program}`);
}

/** Gives its streams to the container's user; a terminal becomes that of its session. */
function streamSteps({ streams, privileges }: ContainerPlan): Step[] {
  const what = "Cannot give a container its streams";
  const owned = [...streams.keys()].filter((fd) => fd <= 2);
  return [
    ...owned.map((fd): Step => ({ what, name: "fchown", args: [fd, privileges.uid, -1], mayFail: true })),
    { what, name: "ioctl", args: [0, takeTerminal, 0], mayFail: true },
  ];
}

function nameStep(hostname: string): Step {
  return {
    what: `Cannot name the Pod ${hostname}`,
    name: "sethostname",
    args: [hostname, Buffer.byteLength(hostname)],
  };
}

function hold(held: number[], fd: number): number {
  held.push(fd);
  return fd;
}
