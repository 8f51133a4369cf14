/** The last lock, set by the engine before it knows any user code: after it nothing runs another program. Everything else was given up before its start. */
import { dlopen, FFIType, ptr } from "bun:ffi";
import { readFileSync } from "node:fs";
import { allThreads, assembleSeccomp, setModeFilter } from "#host/linux/seccomp.ts";
import { syscallNumbers } from "#host/linux/syscalls.ts";
import { isConfined } from "./confinement.ts";
import { sealPolicy } from "./sandbox-syscalls.ts";

/**
 * Adds the filter to every thread.
 * The process ends when it is not confined as it must be: user code must never run then.
 */
export function sealProcess(): void {
  const filter = assembleSeccomp(sealPolicy);
  const program = Buffer.alloc(16);
  program.writeUInt16LE(filter.length / 8, 0);
  program.writeBigUInt64LE(BigInt(ptr(filter)), 8);
  const { ptr: pointer, i64_fast: whole } = FFIType;
  const { symbols } = dlopen("libc.so.6", {
    syscall: { args: [whole, whole, whole, pointer], returns: whole },
  });
  const result = symbols.syscall(syscallNumbers.seccomp, setModeFilter, allThreads, ptr(program));
  // Read after the call, so that the memory is in use until then.
  if (Number(result) !== 0 || filter.length === 0) fail("the filter was refused");
  if (!isConfined(readFileSync("/proc/self/status", "utf8"))) fail("/proc/self/status says otherwise");
}

function fail(why: string): never {
  process.stderr.write(`Cannot seal a function's process: ${why}\n`);
  process.exit(70);
}
