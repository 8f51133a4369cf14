/**
 * A process that somebody else gave birth to, watched by its pidfd. That it ended is always known; how, as long as whoever inherited it has
 * not reaped it, and afterwards where the kernel keeps it (PIDFD_GET_INFO, Linux 6.15). Not for our own children, which spawn.ts reaps.
 */
import { readFileSync } from "node:fs";
import type { Clock } from "#host/clock.ts";
import { closeFd, type Libc } from "./libc.ts";
import type { Poller } from "./poller.ts";
import { openPidfd } from "./sockets.ts";
import type { ExitStatus } from "./spawn.ts";

/** See the file's opening. */
export interface AdoptedProcess {
  readonly pid: number;
  /** Settles once it has ended, with how if that is known; never rejects. The pidfd is closed then. */
  readonly exited: Promise<ExitStatus | undefined>;
  /** Sends a signal; false when it has ended. */
  signal(signal: number): boolean;
}

/** What watching needs. */
export interface AdoptionHost {
  readonly libc: Libc;
  readonly poller: Poller;
  readonly clock: Clock;
}

const getInfo = 0xc040ff0b; // PIDFD_GET_INFO of the 64 bytes that every kernel with it knows
const exitInfo = 8n; // PIDFD_INFO_EXIT
const exitCodeAt = 60;
const askEveryMs = 10;
const asksMax = 100;

/** Watches a process; undefined when there is none of that number that started then: numbers are given out again. */
export function adoptProcess(
  host: AdoptionHost,
  pid: number,
  startTicks: string,
): AdoptedProcess | undefined {
  let pidfd: number;
  try {
    pidfd = openPidfd(host.libc, pid);
  } catch {
    return undefined; // There is no such process.
  }
  // Read after the descriptor is held: it cannot come to mean another process any more.
  if (readStartTicks(pid) !== startTicks) {
    closeFd(host.libc, pidfd);
    return undefined;
  }
  return watchProcess(host, { pid, startTicks, pidfd });
}

/** When a process started, in the kernel's ticks since boot, as text; undefined when there is none. With its number it names one process. */
export function readStartTicks(pid: number): string | undefined {
  return readStat(pid)?.[field.startTicks];
}

/** Places in `/proc/<pid>/stat`, counted from behind the name. */
const field = { state: 0, startTicks: 19, exitCode: 49 } as const;

function readStat(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name may hold anything, brackets too.
    return stat
      .slice(stat.lastIndexOf(")") + 2)
      .trim()
      .split(" ");
  } catch {
    return undefined; // It is gone.
  }
}

interface Held {
  readonly pid: number;
  readonly startTicks: string;
  readonly pidfd: number;
}

function watchProcess({ libc, poller, clock }: AdoptionHost, held: Held): AdoptedProcess {
  const { pid, pidfd } = held;
  const exited = Promise.withResolvers<ExitStatus | undefined>();
  let running = true;
  const settle = (asks: number): void => {
    const status = readZombie(held) ?? readExit(libc, pidfd);
    if (status === undefined && asks < asksMax) {
      clock.after(askEveryMs, () => settle(asks + 1));
      return;
    }
    closeFd(libc, pidfd);
    exited.resolve(status);
  };
  const watch = poller.watch(pidfd, "readable", () => {
    running = false;
    watch.close();
    settle(0);
  });
  return {
    pid,
    exited: exited.promise,
    signal: (signal) => running && libc.attempt("pidfd_send_signal", pidfd, signal, null, 0) >= 0,
  };
}

/** How a process ended that nobody has reaped. */
function readZombie({ pid, startTicks }: Held): ExitStatus | undefined {
  const stat = readStat(pid);
  const isIt = stat?.[field.state] === "Z" && stat[field.startTicks] === startTicks;
  return isIt ? statusOf(Number(stat[field.exitCode])) : undefined;
}

/** Undefined until it is reaped, and on kernels that do not tell. */
function readExit(libc: Libc, pidfd: number): ExitStatus | undefined {
  const info = Buffer.alloc(64);
  info.writeBigUInt64LE(exitInfo, 0);
  if (libc.attempt("ioctl", pidfd, getInfo, info) < 0) return undefined;
  if ((info.readBigUInt64LE(0) & exitInfo) === 0n) return undefined;
  return statusOf(info.readInt32LE(exitCodeAt));
}

/** A status as `wait` gives it. */
function statusOf(code: number): ExitStatus {
  const signal = code & 0x7f;
  return signal === 0 ? { kind: "exited", code: (code >> 8) & 0xff } : { kind: "signaled", signal };
}
