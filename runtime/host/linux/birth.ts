/**
 * The birth of a process as a list of system calls which the child makes one after the other; the last one turns it into its program.
 * The parent's thread never changes its own namespaces, so no helper thread of the engine can be caught in a wrong one.
 * While it is being born a child shares the parent's memory; one that changes its user marks that memory as not to be dumped,
 * so a parent that bears sandboxes leaves no core file.
 */
import { LinuxError } from "./errno.ts";
import { checked, type Libc } from "./libc.ts";
import { MemoryBuilder, type Offset } from "./memory.ts";
import { type SyscallName, syscallNumbers } from "./syscalls.ts";

/** Memory that a step passes, with pointers in it to other memory. */
export interface Memory {
  readonly bytes: Uint8Array;
  readonly pointers?: readonly { readonly at: number; readonly to: Memory }[];
}

/** What a step passes: a number, a text, a list of texts, or memory. */
export type StepArgument = number | string | readonly string[] | Memory;

/** One system call of a birth. */
export interface Step {
  /** The beginning of the error's sentence: "Cannot <do> <what>" */
  readonly what: string;
  readonly name: SyscallName;
  readonly args: readonly StepArgument[];
  /** The birth goes on when the kernel refuses. */
  readonly mayFail?: boolean;
}

/** Namespaces that a child can be born into, new. */
export type NamespaceKind = "mount" | "uts" | "ipc" | "pid" | "network" | "cgroup";

const kindFlags: Readonly<Record<NamespaceKind, number>> = {
  mount: 0x20000,
  cgroup: 0x2000000,
  uts: 0x4000000,
  ipc: 0x8000000,
  pid: 0x20000000,
  network: 0x40000000,
};

const stepBytes = 64;

/**
 * Gives birth. The calling thread waits until the child is its program: 0.5 ms.
 * @param pidNamespace descriptor of the pid namespace to be born into; without one, the parent's or a new one
 * @throws LinuxError naming the step that failed; there is no child then
 */
export function giveBirth(
  libc: Libc,
  steps: readonly Step[],
  kinds: readonly NamespaceKind[],
  pidNamespace = -1,
): { readonly pid: number; readonly pidfd: number } {
  const memory = new MemoryBuilder();
  const table = memory.add(new Uint8Array(stepBytes * steps.length));
  const numbers: [Offset, number][] = [];
  steps.forEach((step, i) => {
    const at = table + i * stepBytes;
    numbers.push([at, syscallNumbers[step.name]], [at + 56, step.mayFail === true ? 1 : 0]);
    step.args.forEach((argument, j) => {
      const where = at + 8 + 8 * j;
      if (typeof argument === "number") numbers.push([where, argument]);
      else memory.point(where, placeArgument(memory, argument));
    });
  });
  const sealed = memory.seal();
  for (const [at, value] of numbers) sealed.writeBigInt64LE(BigInt(value), at);
  const flags = kinds.reduce((all, kind) => all | kindFlags[kind], 0);
  const out = Buffer.alloc(24);
  const pid = checked(
    "Cannot start a process",
    libc.native.born(sealed, steps.length, flags, pidNamespace, out),
  );
  const pidfd = Number(out.readBigInt64LE(0));
  const failed = Number(out.readBigInt64LE(8));
  if (failed < 0) return { pid, pidfd };
  libc.attempt("waitid", 3, pidfd, Buffer.alloc(128), 4, null);
  libc.attempt("close", pidfd);
  throw new LinuxError(steps[failed]?.what ?? "Cannot start a process", Number(out.readBigInt64LE(16)));
}

function placeArgument(memory: MemoryBuilder, argument: Exclude<StepArgument, number>): Offset {
  if (typeof argument === "string") return memory.addText(argument);
  if ("bytes" in argument) return placeMemory(memory, argument);
  return memory.addTexts(argument);
}

function placeMemory(memory: MemoryBuilder, part: Memory): Offset {
  const at = memory.add(part.bytes);
  for (const pointer of part.pointers ?? []) memory.point(at + pointer.at, placeMemory(memory, pointer.to));
  return at;
}
