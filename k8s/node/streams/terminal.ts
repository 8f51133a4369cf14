/** A terminal for a process: a pseudo-terminal whose one end is the process's and whose other is ours. What is shown on it is not looked at. */
import { closeSync, openSync } from "node:fs";
import type { Libc } from "#host/linux/libc.ts";
import type { TerminalSize } from "../kubelet/container-access.ts";

/** Both ends; each is the caller's to close. Closing every copy of `ours` hangs up: the foreground processes get SIGHUP. */
export interface Terminal {
  /** Does not block. */
  readonly ours: number;
  readonly theirs: number;
}

const control = { unlock: 0x40045431, openPeer: 0x5441, setSize: 0x5414 } as const;
const readWrite = 2;
const noControl = 0o400;
const nonBlocking = 0o4000;
const closeOnExec = 0o2000000;

/**
 * Makes one.
 * @param rootPath where the process's root is: if it has terminals of its own, this becomes one of them, and `tty` in it finds its name
 * @throws LinuxError or the system's error when the machine has no terminals
 */
export function openTerminal(libc: Libc, rootPath: string, size: TerminalSize | undefined): Terminal {
  const ours = openMaster(rootPath);
  try {
    const what = "Cannot make a terminal";
    libc.call(what, "ioctl", ours, control.unlock, new Int32Array([0]));
    if (size !== undefined) resizeTerminal(libc, ours, size);
    const theirs = libc.call(what, "ioctl", ours, control.openPeer, readWrite | noControl | closeOnExec);
    return { ours, theirs };
  } catch (error) {
    closeSync(ours);
    throw error;
  }
}

/** Tells the terminal, and the foreground processes by SIGWINCH, its size. Does nothing once it is gone. */
export function resizeTerminal(libc: Libc, ours: number, size: TerminalSize): void {
  const cells = new Uint16Array([clamp(size.rows), clamp(size.columns), 0, 0]);
  libc.attempt("ioctl", ours, control.setSize, new Uint8Array(cells.buffer));
}

function clamp(cells: number): number {
  return Math.min(Math.max(Math.trunc(cells), 0), 0xffff);
}

function openMaster(rootPath: string): number {
  const flags = readWrite | noControl | nonBlocking | closeOnExec;
  try {
    return openSync(`${rootPath}/dev/pts/ptmx`, flags);
  } catch {
    // The container has none, or shows them to nobody: the node's serve as well, only nameless to the process.
    return openSync("/dev/ptmx", flags);
  }
}
