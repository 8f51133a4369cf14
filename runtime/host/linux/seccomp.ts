/** Writes seccomp filters (classic BPF over `struct seccomp_data`) from tables of system calls; which calls a sandbox allows is not decided here. */
import type { Memory, Step } from "./birth.ts";
import { type SyscallName, syscallNumbers } from "./syscalls.ts";

/** A test of one argument's low 32 bits, after the mask. */
export interface Condition {
  readonly argument: 0 | 1 | 2 | 3 | 4 | 5;
  readonly mask?: number;
  /** It must be one of these. */
  readonly oneOf?: readonly number[];
  /** It must be none of these. */
  readonly noneOf?: readonly number[];
}

/** A call that is allowed: always, or when every condition of one of the lists holds. */
export interface Rule {
  readonly name: SyscallName;
  readonly when?: readonly (readonly Condition[])[];
}

/** What a filter does. The first table that names a call decides; a call with conditions that do not hold is refused. */
export interface SeccompPolicy {
  readonly allowed: readonly Rule[];
  /** Answered EPERM. */
  readonly refused: readonly SyscallName[];
  /** What happens to every other call: it does not exist (ENOSYS), or it is left to other filters. */
  readonly others: "missing" | "allowed";
}

const auditArchX86 = 0xc000003e;
const x32Bit = 0x40000000;
const at = { number: 0, arch: 4, arguments: 16 } as const;
const op = { load: 0x20, and: 0x54, equal: 0x15, atLeast: 0x35, return: 0x06 } as const;
const verdict = { allow: 0x7fff0000, kill: 0x80000000, refuse: 0x00050001, missing: 0x00050026 } as const;

interface Instruction {
  readonly code: number;
  readonly value: number;
  /** How many instructions to skip when the test holds or not. */
  readonly yes?: number;
  readonly no?: number;
}

/** The filter's instructions. Another architecture's calls end the process; the x32 set does not exist. */
export function assembleSeccomp(policy: SeccompPolicy): Uint8Array {
  const instructions: Instruction[] = [
    { code: op.load, value: at.arch },
    { code: op.equal, value: auditArchX86, yes: 1, no: 0 },
    { code: op.return, value: verdict.kill },
    { code: op.load, value: at.number },
    { code: op.atLeast, value: x32Bit, yes: 0, no: 1 },
    { code: op.return, value: verdict.missing },
  ];
  for (const rule of policy.allowed) instructions.push(...ruleInstructions(rule));
  for (const name of policy.refused)
    instructions.push(...onCall(name, [{ code: op.return, value: verdict.refuse }]));
  instructions.push({
    code: op.return,
    value: policy.others === "missing" ? verdict.missing : verdict.allow,
  });
  return encode(instructions);
}

/** Puts a filter on the process that is being born, for its whole life. It needs `no_new_privs`. */
export function seccompStep(filter: Uint8Array): Step {
  return {
    what: "Cannot restrict system calls",
    name: "seccomp",
    args: [setModeFilter, 0, filterProgram(filter)],
  };
}

/** `SECCOMP_SET_MODE_FILTER`. */
export const setModeFilter = 1;
/** `SECCOMP_FILTER_FLAG_TSYNC`: for every thread of the process, or none. */
export const allThreads = 1;

/** `struct sock_fprog`. */
function filterProgram(filter: Uint8Array): Memory {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(filter.length / 8, 0);
  return { bytes, pointers: [{ at: 8, to: { bytes: filter } }] };
}

function ruleInstructions(rule: Rule): Instruction[] {
  if (rule.when === undefined) return onCall(rule.name, [{ code: op.return, value: verdict.allow }]);
  const tests = rule.when.map(listInstructions);
  return onCall(rule.name, [...tests.flat(), { code: op.return, value: verdict.refuse }]);
}

/** Instructions that run for one call only; they must return. */
function onCall(name: SyscallName, body: readonly Instruction[]): Instruction[] {
  return [{ code: op.equal, value: syscallNumbers[name], yes: 0, no: body.length }, ...body];
}

/** Allows when every condition holds; otherwise goes on behind itself. */
function listInstructions(conditions: readonly Condition[]): Instruction[] {
  let body: Instruction[] = [{ code: op.return, value: verdict.allow }];
  for (const condition of conditions.toReversed()) body = conditionInstructions(condition, body);
  return body;
}

function conditionInstructions(condition: Condition, then: readonly Instruction[]): Instruction[] {
  const load = [{ code: op.load, value: at.arguments + 8 * condition.argument }];
  const mask = condition.mask === undefined ? [] : [{ code: op.and, value: condition.mask }];
  const wanted = condition.oneOf ?? condition.noneOf ?? [];
  const isWantedIn = condition.oneOf !== undefined;
  const tests = wanted.map((value, i): Instruction => {
    const toBody = wanted.length - i - 1;
    const past = toBody + then.length;
    const isLast = toBody === 0;
    if (isWantedIn) return { code: op.equal, value, yes: toBody, no: isLast ? past : 0 };
    return { code: op.equal, value, yes: past, no: 0 };
  });
  return [...load, ...mask, ...tests, ...then];
}

function encode(instructions: readonly Instruction[]): Uint8Array {
  const bytes = Buffer.alloc(8 * instructions.length);
  instructions.forEach(({ code, value, yes = 0, no = 0 }, i) => {
    if (yes > 255 || no > 255)
      throw new Error("Cannot assemble a filter with jumps over at most 255 instructions");
    bytes.writeUInt16LE(code, 8 * i);
    bytes[8 * i + 2] = yes;
    bytes[8 * i + 3] = no;
    bytes.writeUInt32LE(value >>> 0, 8 * i + 4);
  });
  return bytes;
}
