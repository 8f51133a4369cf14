/**
 * The standard streams of a container's main process: FIFOs of which it holds both ends, or a terminal of which it holds both ends, so that a
 * reader that dies neither ends it nor loses what it wrote, and the next one finds them again.
 */
import { mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { isErrno } from "#host/linux/errno.ts";
import { closeFd, type Libc } from "#host/linux/libc.ts";
import { duplicate, openPidfd, takeFd } from "#host/linux/sockets.ts";
import type { Container } from "../../model/container.ts";
import { openTerminal } from "../streams/terminal.ts";

/** What a container wants of its streams. */
export type StreamWish = Pick<Container, "stdin" | "stdinOnce" | "tty">;

/** Our ends; whoever has them closes them. */
export interface OurStreams {
  /** What it writes; of a terminal all of it. */
  readonly stdout: number;
  readonly stderr: number | undefined;
  /** Where it reads from: a terminal, or the only other end of an input that ends when this is closed. */
  readonly input: number | undefined;
}

/** Both ends of new streams. */
export interface OpenStreams {
  readonly ours: OurStreams;
  /** By the number in the container; the caller's to close. */
  readonly theirs: ReadonlyMap<number, number>;
}

/** Where a container with a terminal keeps our end of it. */
const keptTerminal = 63;
const flag = { readWrite: 2, writeOnly: 1, noWait: 0o4000 } as const;
const resizePipe = 1031;
const setFlags = 4;
/** What a container may write while nobody reads: enough for a restart of this program. */
const pipeBytes = 256 << 10;
const fifoMode = 0o010600;

/** Makes them. Ours are open before the container is born, so that its first word is not lost. @param folder of the FIFOs */
export function openStreams(libc: Libc, folder: string, wish: StreamWish): OpenStreams {
  if (wish.tty === true) return openOwnTerminal(libc);
  const ours = openFifos(libc, folder);
  const theirs = new Map([
    [1, openSync(join(folder, "stdout"), flag.readWrite)],
    [2, openSync(join(folder, "stderr"), flag.readWrite)],
  ]);
  for (const fd of theirs.values()) libc.attempt("fcntl", fd, resizePipe, pipeBytes);
  if (wish.stdin !== true) return { ours, theirs };
  const stdin = join(folder, "stdin");
  if (wish.stdinOnce !== true) return { ours, theirs: theirs.set(0, openSync(stdin, flag.readWrite)) };
  // Only we hold the other end: when it is closed, the input has ended.
  const reading = openSync(stdin, flag.noWait);
  const input = openSync(stdin, flag.writeOnly | flag.noWait);
  libc.call("Cannot have a container wait for its input", "fcntl", reading, setFlags, 0);
  return { ours: { ...ours, input }, theirs: theirs.set(0, reading) };
}

/** Finds our ends of the streams of a container that runs; a terminal that its program has closed on us stays silent. */
export function findStreams(libc: Libc, folder: string, wish: StreamWish, pid: number): OurStreams {
  const stdout = wish.tty === true ? findTerminal(libc, pid) : undefined;
  if (stdout === undefined) return openFifos(libc, folder);
  return { stdout, stderr: undefined, input: duplicate(libc, stdout) };
}

function findTerminal(libc: Libc, pid: number): number | undefined {
  const pidfd = openPidfd(libc, pid);
  try {
    return takeFd(libc, pidfd, keptTerminal);
  } catch {
    return undefined;
  } finally {
    closeFd(libc, pidfd);
  }
}

/** Opens the input of a container once more. @throws when it does not wait for any */
export function openInput(folder: string): number {
  return openSync(join(folder, "stdin"), flag.writeOnly | flag.noWait);
}

function openOwnTerminal(libc: Libc): OpenStreams {
  const { ours, theirs } = openTerminal(libc, "", undefined);
  const ends = new Map([0, 1, 2].map((number) => [number, number === 0 ? theirs : duplicate(libc, theirs)]));
  ends.set(keptTerminal, duplicate(libc, ours));
  return { ours: { stdout: ours, stderr: undefined, input: duplicate(libc, ours) }, theirs: ends };
}

function openFifos(libc: Libc, folder: string): OurStreams {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const name of ["stdin", "stdout", "stderr"]) makeFifo(libc, join(folder, name));
  const stdout = openSync(join(folder, "stdout"), flag.noWait);
  return { stdout, stderr: openSync(join(folder, "stderr"), flag.noWait), input: undefined };
}

function makeFifo(libc: Libc, path: string): void {
  try {
    libc.call(`Cannot make ${path}`, "mknod", Buffer.from(`${path}\0`), fifoMode, 0);
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
  }
}
