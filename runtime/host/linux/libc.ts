/** The kernel's calls from the engine, with their refusals as typed errors; opened once by a program and handed to what needs it. */
import { cc, FFIType } from "bun:ffi";
import { closeSync, openSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { LinuxError } from "./errno.ts";
import { type SyscallName, syscallNumbers } from "./syscalls.ts";

/** What a system call takes: a number, memory (which must outlive what the kernel remembers of it), or a null pointer. */
export type Argument = number | Uint8Array | Int32Array | null;

/** The native half: see native.c for what each promises. Results below zero are negative error numbers. */
interface Native {
  readonly call: (number: number, ...args: (Argument | undefined)[]) => number;
  readonly socket_in: (there: number, home: number, family: number, ...rest: [number, number]) => number;
  readonly make_network_namespace: (home: number) => number;
  readonly born: (steps: Uint8Array, count: number, ...rest: [number, number, Uint8Array]) => number;
  readonly send_message: (socket: number, data: Uint8Array, ...rest: [number, Int32Array, number]) => number;
  readonly receive_message: (
    socket: number,
    data: Uint8Array,
    ...rest: [number, Int32Array, number]
  ) => number;
  readonly start_waiting: (epoll: number, out: number, end: number) => number;
}

/** An open door to the kernel. */
export interface Libc {
  /** Makes a call; the result, or the negative error number. */
  attempt(name: SyscallName, ...args: readonly Argument[]): number;
  /**
   * Makes a call that must succeed.
   * @param what the beginning of the error's sentence: "Cannot <do> <what>"
   * @throws LinuxError
   */
  call(what: string, name: SyscallName, ...args: readonly Argument[]): number;
  /** For the files of this folder only. */
  readonly native: Native;
  /** The network namespace that the opening thread was in: where calls come back to. */
  readonly homeNamespace: number;
}

/**
 * Compiles the native half and remembers the calling thread's network namespace.
 * It costs 3 ms, so a program does it once.
 * @throws Error on anything but Linux on x86-64, whose system call numbers these are.
 */
export function openLibc(): Libc {
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new Error(
      `Cannot run the mesh as root of this machine: it needs Linux on x86-64, got ${process.platform} on ${process.arch}`,
    );
  }
  const native = compile();
  const attempt = (name: SyscallName, ...args: readonly Argument[]): number => {
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = args;
    return native.call(syscallNumbers[name], a, b, c, d, e, f);
  };
  return {
    attempt,
    call(what, name, ...args) {
      return checked(what, attempt(name, ...args));
    },
    native,
    homeNamespace: openSync("/proc/thread-self/ns/net", "r"),
  };
}

/** Gives up the remembered namespace; the compiled code stays for threads that may still run it. */
export function closeLibc(libc: Libc): void {
  closeSync(libc.homeNamespace);
}

/** The result of a native call that must succeed. @throws LinuxError */
export function checked(what: string, result: number): number {
  if (result < 0) throw new LinuxError(what, -result);
  return result;
}

/** Closes a descriptor; whether it was open does not matter. */
export function closeFd(libc: Libc, fd: number): void {
  if (fd >= 0) libc.attempt("close", fd);
}

function compile(): Native {
  const p = FFIType.ptr;
  const i = FFIType.i32;
  const whole = FFIType.i64_fast;
  const { symbols } = cc({
    source: fileURLToPath(new URL("native.c", import.meta.url)),
    symbols: {
      call: { args: [whole, p, p, p, p, p, p], returns: whole },
      socket_in: { args: [i, i, i, i, i], returns: whole },
      make_network_namespace: { args: [i], returns: whole },
      born: { args: [p, whole, i, i, p], returns: whole },
      send_message: { args: [i, p, whole, p, i], returns: whole },
      receive_message: { args: [i, p, whole, p, i], returns: whole },
      start_waiting: { args: [i, i, i], returns: whole },
    },
  });
  // Sound: `i64_fast` gives a number for every value that these calls return, and `ptr` takes numbers, views and null.
  return symbols as unknown as Native;
}
