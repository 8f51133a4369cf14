/** A container's main process: born in the Pod's network and control group, in a root of its own, with its output in FIFOs that outlive this program. */
import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import type { Step } from "#host/linux/birth.ts";
import { isErrno } from "#host/linux/errno.ts";
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
  /** Folder of the FIFOs `stdin`, `stdout`, `stderr`: see {@link openOutputs}. */
  readonly streamsFolder: string;
  readonly hasStdin: boolean;
}

/** The search path of programs that say none. */
export const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const readWrite = 2;
const readNoWait = 0o4000;
const resizePipe = 1031;
/** What a container may write while nobody reads: enough for a restart of this program. */
const pipeBytes = 256 << 10;
const fifoMode = 0o010600;

/** Starts it. @throws LinuxError with the step that failed */
export function startContainer(host: ProcessHost, plan: ContainerPlan): Child {
  const [program = "", ...args] = plan.command;
  const held: number[] = [];
  try {
    const fds = openStreams(host.libc, plan, held);
    const members = plan.members.map((path) => hold(held, openSync(path, "w")));
    const isOwnNetwork = plan.networkFd !== undefined;
    return spawnChild(host.libc, host.poller, {
      executable: { inside: candidates(program, plan.env["PATH"] ?? defaultPath) },
      name: program,
      args,
      env: plan.env,
      cwd: plan.workingDir,
      fds,
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
      last: privilegeSteps(plan.privileges),
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

/** Our ends of what a container writes; opened before it is born, so that its first word is not lost. */
export interface ContainerOutputs {
  readonly stdout: number;
  readonly stderr: number;
}

/** Makes a container's FIFOs, or finds them, and opens our ends. */
export function openOutputs(libc: Libc, streamsFolder: string): ContainerOutputs {
  mkdirSync(streamsFolder, { recursive: true, mode: 0o700 });
  for (const name of ["stdin", "stdout", "stderr"]) makeFifo(libc, join(streamsFolder, name));
  const stdout = openSync(join(streamsFolder, "stdout"), readNoWait);
  return { stdout, stderr: openSync(join(streamsFolder, "stderr"), readNoWait) };
}

/** The streams of a container by descriptor. Both ends of each are its own: a reader that dies neither kills it nor loses what it wrote. */
function openStreams(libc: Libc, plan: ContainerPlan, held: number[]): Map<number, number> {
  const names = plan.hasStdin ? ["stdin", "stdout", "stderr"] : ["stdout", "stderr"];
  const first = plan.hasStdin ? 0 : 1;
  return new Map(
    names.map((name, i) => {
      const fd = hold(held, openSync(join(plan.streamsFolder, name), readWrite));
      libc.attempt("fcntl", fd, resizePipe, pipeBytes);
      libc.attempt("fchown", fd, plan.privileges.uid, plan.privileges.gid);
      return [first + i, fd];
    }),
  );
}

function makeFifo(libc: Libc, path: string): void {
  try {
    libc.call(`Cannot make ${path}`, "mknod", Buffer.from(`${path}\0`), fifoMode, 0);
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
  }
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
