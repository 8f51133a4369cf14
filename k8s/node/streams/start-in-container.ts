/**
 * Starts a command in a container that runs: in its namespaces, its root and its control group, with the privileges of its main process.
 * Which containers there are is the kubelet's knowledge, what the streams carry is the caller's.
 */
import { fchownSync, openSync } from "node:fs";
import type { Cgroup } from "#host/linux/cgroup.ts";
import type { Step } from "#host/linux/birth.ts";
import { LinuxError } from "#host/linux/errno.ts";
import { closeFd, type Libc } from "#host/linux/libc.ts";
import { type Child, signals, spawnChild, type SpawnOptions } from "#host/linux/spawn.ts";
import { MeshError } from "#host/mesh-error.ts";
import type { ContainerStreams, StartRequest } from "../kubelet/container-access.ts";
import { findSession } from "./find-session.ts";
import { readDescriptor, type StreamHost, writeDescriptor } from "./pipe-streams.ts";
import { openTerminal, resizeTerminal } from "./terminal.ts";

/** A container that runs, as its kubelet knows it. */
export interface ContainerPlace {
  /** Its first process, in the node's pid namespace; it must not be reaped during the call. */
  readonly pid: number;
  readonly cgroup: Cgroup;
  readonly env: Readonly<Record<string, string>>;
  /** As the container sees it. */
  readonly workingDir: string;
  /** Whose a terminal becomes. */
  readonly uid: number;
  /** How the main process gave up privileges: the last steps before its program. */
  readonly last: readonly Step[];
}

/** What to start in it. */
export type CommandRequest = Pick<StartRequest, "command" | "tty" | "stdin" | "size">;

/** The command's ends of its streams, and what we keep of them. */
interface Ends {
  readonly theirs: ReadonlyMap<number, number>;
  readonly isTerminal: boolean;
  readonly stdin: number | undefined;
  readonly stdout: number;
  readonly stderr: number | undefined;
}

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const writeOnly = 1;
const closeOnExec = 0o2000000;
const pathOnlyFolder = 0o10200000;
/** mount, cgroup, uts, ipc, network; the pid namespace is entered by the birth itself. */
const joinedKinds = 0x20000 | 0x2000000 | 0x4000000 | 0x8000000 | 0x40000000;
const takeTerminal = 0x540e;
/** PR_SET_PDEATHSIG. */
const deathSignal = 1;
const hangUp = 1;
const killAfterMs = 1000;
/** Of a terminal whose input ends: the character that says so. */
const endOfFile = Uint8Array.of(4);

/**
 * Starts it.
 * @throws MeshError `bad-input` when there is no such program or it cannot be run, `unavailable` when the container is gone
 */
export async function startInContainer(
  host: StreamHost,
  place: ContainerPlace,
  request: CommandRequest,
): Promise<ContainerStreams> {
  const { libc, poller } = host;
  const held: number[] = [];
  try {
    const pidfd = libc.call("Cannot find the container's process", "pidfd_open", place.pid, 0);
    held.push(pidfd);
    const root = openSync(`/proc/${place.pid}/root`, pathOnlyFolder | closeOnExec);
    held.push(root);
    const members = place.cgroup.memberFiles({}).map((path) => openSync(path, writeOnly | closeOnExec));
    held.push(...members);
    const ends = openEnds(libc, place, request);
    held.push(...new Set(ends.theirs.values()));
    const child = spawnOrClose(libc, ends, () =>
      spawnChild(libc, poller, spawnOptions({ place, request, ends, pidfd, root, members })),
    );
    const streams = streamsOf(host, ends, child);
    await joinGroup(place.cgroup, child);
    return streams;
  } catch (error) {
    throw asMeshError(error, request.command);
  } finally {
    for (const fd of held) closeFd(libc, fd);
  }
}

function openEnds(libc: Libc, place: ContainerPlace, request: CommandRequest): Ends {
  if (request.tty) {
    const { ours, theirs } = openTerminal(libc, `/proc/${place.pid}/root`, request.size);
    fchownSync(theirs, place.uid, -1);
    const stdin = libc.call("Cannot copy a descriptor", "fcntl", ours, duplicateFrom, 0);
    const ends = new Map([0, 1, 2].map((target) => [target, theirs]));
    return { theirs: ends, isTerminal: true, stdin, stdout: ours, stderr: undefined };
  }
  const stdin = request.stdin ? openPair(libc, "write") : undefined;
  const stdout = openPair(libc, "read");
  const stderr = openPair(libc, "read");
  const ends = new Map([
    [1, stdout.theirs],
    [2, stderr.theirs],
  ]);
  if (stdin !== undefined) ends.set(0, stdin.theirs);
  return {
    theirs: ends,
    isTerminal: false,
    stdin: stdin?.ours,
    stdout: stdout.ours,
    stderr: stderr.ours,
  };
}

const duplicateFrom = 1030;

/** A pipe of which we keep one end, which does not block; the other does, as programs expect. */
function openPair(libc: Libc, kept: "read" | "write"): { readonly ours: number; readonly theirs: number } {
  const pair = new Int32Array(2);
  libc.call("Cannot make a pipe", "pipe2", pair, closeOnExec);
  const [read = -1, write = -1] = pair;
  const [ours, theirs] = kept === "read" ? [read, write] : [write, read];
  libc.call("Cannot unblock a pipe", "fcntl", ours, 4, 0o4000);
  return { ours, theirs };
}

function spawnOrClose(libc: Libc, ends: Ends, spawn: () => Child): Child {
  try {
    return spawn();
  } catch (error) {
    for (const fd of [ends.stdin, ends.stdout, ends.stderr]) closeFd(libc, fd ?? -1);
    throw error;
  }
}

interface Birth {
  readonly place: ContainerPlace;
  readonly request: CommandRequest;
  readonly ends: Ends;
  readonly pidfd: number;
  readonly root: number;
  readonly members: readonly number[];
}

function spawnOptions({ place, request, ends, pidfd, root, members }: Birth): SpawnOptions {
  const env = request.tty ? { TERM: "xterm", ...place.env } : place.env;
  const [program = "", ...args] = request.command;
  const enter = "Cannot enter the container";
  return {
    executable: { inside: placesOf(program, env["PATH"] ?? defaultPath) },
    name: program,
    args,
    env,
    cwd: place.workingDir,
    fds: ends.theirs,
    joinPidNamespace: pidfd,
    before: [
      // From its first instruction on it is of the Pod: what is attached to the group, and what freezes it, holds for it too.
      ...members.map((fd) => ({ what: enter, name: "write", args: [fd, "0", 1] }) as const),
      { what: enter, name: "setns", args: [pidfd, joinedKinds] },
      { what: enter, name: "fchdir", args: [root] },
      { what: enter, name: "chroot", args: ["."] },
    ],
    last: [
      ...(ends.isTerminal
        ? [{ what: "Cannot take the terminal", name: "ioctl", args: [0, takeTerminal, 0] } as const]
        : []),
      ...place.last,
      // Nobody could end it if we died before it; after the change of user, which would take this back.
      {
        what: "Cannot bind the command's life to ours",
        name: "prctl",
        args: [deathSignal, signals.kill, 0, 0, 0],
      },
    ],
  };
}

/** Where a program may be, as a shell looks for it. */
function placesOf(program: string, path: string): string[] {
  if (program.includes("/")) return [program];
  return path.split(":").map((folder) => `${folder === "" ? "." : folder}/${program}`);
}

/** The groups that limit it: joining them takes milliseconds, and what the command starts meanwhile is found by its session. */
async function joinGroup(cgroup: Cgroup, child: Child): Promise<void> {
  const joined = new Set<number>();
  for (;;) {
    const late = [child.pid, ...findSession(child.pid)].filter((pid) => !joined.has(pid));
    if (late.length === 0) return;
    for (const pid of late) {
      joined.add(pid);
      await cgroup.join(pid).catch(() => undefined); // It ended before: then it uses nothing.
    }
  }
}

function streamsOf(host: StreamHost, ends: Ends, child: Child): ContainerStreams {
  const left = new AbortController();
  const over = new AbortController();
  const inputEnd = AbortSignal.any([left.signal, over.signal]);
  const stdin = ends.stdin === undefined ? undefined : writeDescriptor(host, ends.stdin, inputEnd);
  const stdout = readDescriptor(host, ends.stdout, left.signal);
  const stderr = ends.stderr === undefined ? undefined : readDescriptor(host, ends.stderr, left.signal);
  void child.exited.then(() => over.abort());
  return {
    stdin: stdin !== undefined && ends.isTerminal ? typedInto(stdin) : stdin,
    stdout,
    stderr,
    resize(size) {
      if (ends.isTerminal && !left.signal.aborted) resizeTerminal(host.libc, ends.stdout, size);
    },
    exited: child.exited,
    close() {
      left.abort();
      if (!over.signal.aborted) end(child);
    },
  };
}

/** A terminal has no end: its program is told by a character, and the terminal stays for what is written to it. */
function typedInto(terminal: WritableStream<Uint8Array>): WritableStream<Uint8Array> {
  const writer = terminal.getWriter();
  return new WritableStream<Uint8Array>({
    write: (bytes) => writer.write(bytes),
    close: () => writer.write(endOfFile),
    abort: (reason) => writer.abort(reason),
  });
}

/** Hangs up on all of the command's session, and ends for certain what does not go. */
function end(child: Child): void {
  signalAll(child, hangUp);
  const late = setTimeout(() => signalAll(child, signals.kill), killAfterMs);
  late.unref();
}

function signalAll(child: Child, signal: number): void {
  for (const pid of findSession(child.pid)) {
    try {
      process.kill(pid, signal);
    } catch {
      // It ended meanwhile.
    }
  }
}

function asMeshError(error: unknown, command: readonly string[]): unknown {
  if (!(error instanceof LinuxError)) return error;
  const [program = ""] = command;
  const { errno, message } = error;
  if (message.startsWith("Cannot start ")) {
    const why = program.includes("/") ? errno : "executable file not found in $PATH";
    return new MeshError("bad-input", `exec: ${JSON.stringify(program)}: ${why}`, error);
  }
  return new MeshError("unavailable", `Cannot start a command in the container: ${message}`, error);
}
