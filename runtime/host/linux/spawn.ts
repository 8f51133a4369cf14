/** Starting programs with exactly the arguments, environment, descriptors and namespaces given, and knowing how they ended. */
import { openSync } from "node:fs";
import { giveBirth, type NamespaceKind, type Step } from "./birth.ts";
import { checked, closeFd, type Libc } from "./libc.ts";
import type { Poller } from "./poller.ts";

/** What to start. */
export interface SpawnOptions {
  /** Path of an ELF program as the parent sees it; or paths, as the child sees them when all else is done, of which the first that is there counts. */
  readonly executable: string | { readonly inside: readonly string[] };
  /** Its own name, for one that is looked for inside; default the last path. */
  readonly name?: string;
  /** Its arguments after its own name. */
  readonly args: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Its folder, as it sees it; default `/`. */
  readonly cwd?: string;
  /** Descriptors by number in the child; 0 is `/dev/null` unless given, and what is absent is not open. The caller closes its own. */
  readonly fds: ReadonlyMap<number, number>;
  /** Namespaces made for it. */
  readonly newNamespaces?: readonly NamespaceKind[];
  /** Descriptors of existing namespaces to be born into, in this order; not pid namespaces, which take effect a generation later. */
  readonly joinNamespaces?: readonly number[];
  /** Descriptor of an existing pid namespace, or of a process in it, to be born into. */
  readonly joinPidNamespace?: number;
  /** What else it does before it becomes its program, in its new namespaces and before its descriptors are set. */
  readonly before?: readonly Step[];
  /** The last things it does, with its descriptors set: giving up privileges. */
  readonly last?: readonly Step[];
}

/** How a process ended. */
export type ExitStatus =
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "signaled"; readonly signal: number };

/** A started process. */
export interface Child {
  /** Its number in this process's pid namespace. */
  readonly pid: number;
  readonly pidfd: number;
  /** Settles once it has ended and is reaped; never rejects. The pidfd is closed then. */
  readonly exited: Promise<ExitStatus>;
  /** Sends a signal; false when it has ended. */
  signal(signal: number): boolean;
}

/** Signals by name. */
export const signals = { interrupt: 2, kill: 9, terminate: 15 } as const;

/** Descriptors below this number can be asked for in a child. */
const targetsMax = 64;
/** Sources lie above, with room for the range that is closed between. */
const sourcesFrom = targetsMax + 1;
const closeOnExec = 0o2000000;
const duplicateFrom = 1030; // F_DUPFD_CLOEXEC
const emptyPath = 0x1000;

/**
 * Starts a program.
 * @throws LinuxError naming what was refused; nothing is left behind then
 */
export function spawnChild(libc: Libc, poller: Poller, options: SpawnOptions): Child {
  const held: number[] = [];
  try {
    const { executable } = options;
    const executableFd =
      typeof executable === "string" ? hold(libc, held, openSync(executable, 0)) : undefined;
    const nothing = hold(libc, held, openSync("/dev/null", "r+"));
    // Sources lie above every target, so that setting one target never overwrites the source of another.
    const sources = new Map([[0, nothing]]);
    for (const [target, source] of options.fds) sources.set(target, copyHigh(libc, held, target, source));
    const steps = birthSteps(options, sources, executableFd);
    const { pid, pidfd } = giveBirth(libc, steps, options.newNamespaces ?? [], options.joinPidNamespace);
    return childOf(libc, poller, pid, pidfd);
  } finally {
    for (const fd of held) closeFd(libc, fd);
  }
}

function birthSteps(
  options: SpawnOptions,
  sources: ReadonlyMap<number, number>,
  executableFd: number | undefined,
): Step[] {
  const past = Math.max(2, ...sources.keys()) + 1;
  const what = `Cannot start ${nameOf(options)}`;
  const missing = Array.from({ length: past }, (_, fd) => fd).filter((fd) => !sources.has(fd));
  return [
    { what: "Cannot make a session", name: "setsid", args: [] },
    ...(options.joinNamespaces ?? []).map((fd): Step => ({
      what: "Cannot join a namespace",
      name: "setns",
      args: [fd, 0],
    })),
    ...(options.before ?? []),
    { what: `${what} in ${options.cwd ?? "/"}`, name: "chdir", args: [options.cwd ?? "/"] },
    ...[...sources].map(([target, source]): Step => ({
      what: `${what} with descriptor ${target}`,
      name: "dup3",
      args: [source, target, 0],
    })),
    ...missing.map((fd): Step => ({ what, name: "close", args: [fd], mayFail: true })),
    ...closeSteps(what, past, executableFd),
    ...(options.last ?? []),
    ...startSteps(what, options, executableFd),
  ];
}

function nameOf({ executable }: SpawnOptions): string {
  return typeof executable === "string" ? executable : (executable.inside.at(-1) ?? "nothing");
}

/** Closes everything from a descriptor on but the program's own, which closes at its start. */
function closeSteps(what: string, past: number, kept: number | undefined): Step[] {
  if (kept === undefined) return [{ what, name: "close_range", args: [past, 0x7fffffff, 0] }];
  return [
    { what, name: "close_range", args: [past, kept - 1, 0] },
    { what, name: "close_range", args: [kept + 1, 0x7fffffff, 0] },
  ];
}

/** The step that becomes the program; of several the first that succeeds is the last that is made. */
function startSteps(what: string, options: SpawnOptions, executableFd: number | undefined): Step[] {
  const env = Object.entries(options.env).map(([name, value]) => `${name}=${value}`);
  const { executable, args } = options;
  if (typeof executable === "string") {
    return [
      { what, name: "execveat", args: [executableFd ?? -1, "", [executable, ...args], env, emptyPath] },
    ];
  }
  const argv = [options.name ?? nameOf(options), ...args];
  return executable.inside.map((path, i): Step => ({
    what,
    name: "execve",
    args: [path, argv, env],
    mayFail: i < executable.inside.length - 1,
  }));
}

/** The child that a birth gave, by its pidfd, which becomes the child's. */
export function childOf(libc: Libc, poller: Poller, pid: number, pidfd: number): Child {
  const exited = Promise.withResolvers<ExitStatus>();
  let running = true;
  const watch = poller.watch(pidfd, "readable", () => {
    const status = reap(libc, pidfd);
    if (status === undefined) return watch.rearm();
    running = false;
    watch.close();
    closeFd(libc, pidfd);
    exited.resolve(status);
  });
  return {
    pid,
    pidfd,
    exited: exited.promise,
    signal: (signal) => running && libc.attempt("pidfd_send_signal", pidfd, signal, null, 0) >= 0,
  };
}

/** Takes the status of an ended child; undefined while it runs. */
function reap(libc: Libc, pidfd: number): ExitStatus | undefined {
  const info = Buffer.alloc(128);
  // P_PIDFD, WEXITED | WNOHANG. Someone else's wait for every child would be the only way to lose the status: then it reads as killed.
  const result = libc.attempt("waitid", 3, pidfd, info, 5, null);
  if (result < 0) return { kind: "signaled", signal: signals.kill };
  if (info.readInt32LE(16) === 0) return undefined;
  const value = info.readInt32LE(24);
  return info.readInt32LE(8) === 1 ? { kind: "exited", code: value } : { kind: "signaled", signal: value };
}

function hold(libc: Libc, held: number[], fd: number): number {
  const high = checked("Cannot copy a descriptor", libc.attempt("fcntl", fd, duplicateFrom, sourcesFrom));
  closeFd(libc, fd);
  held.push(high);
  return high;
}

function copyHigh(libc: Libc, held: number[], target: number, source: number): number {
  if (!Number.isInteger(target) || target < 0 || target >= targetsMax) {
    throw new Error(`Cannot give a child descriptor ${target}: it must be from 0 to ${targetsMax - 1}`);
  }
  const high = libc.call(
    `Cannot give a child descriptor ${target}`,
    "fcntl",
    source,
    duplicateFrom,
    sourcesFrom,
  );
  held.push(high);
  return high;
}

/** A pipe: what is written to `write` comes out of `read`. Close-on-exec; reading does not block. */
export function openPipe(libc: Libc): { readonly read: number; readonly write: number } {
  const pair = new Int32Array(2);
  libc.call("Cannot make a pipe", "pipe2", pair, closeOnExec);
  const [read = -1, write = -1] = pair;
  libc.call("Cannot unblock a pipe", "fcntl", read, 4, 0o4000);
  return { read, write };
}

/** A pair of connected unix stream sockets, close-on-exec: ours does not block, theirs neither. */
export function openSocketPair(libc: Libc): { readonly ours: number; readonly theirs: number } {
  const pair = new Int32Array(2);
  libc.call("Cannot make a socket pair", "socketpair", 1, 1 | 0o2004000, 0, pair);
  const [ours = -1, theirs = -1] = pair;
  return { ours, theirs };
}
