/**
 * eBPF programs at the socket calls of a control group's processes: which address a connection or datagram really goes to. They stay attached
 * when this process ends, until they are replaced or their group is gone. What they do is written elsewhere.
 */
import { closeSync, openSync } from "node:fs";
import { attributeBytes, bpf } from "./bpf.ts";
import { isErrno, LinuxError } from "./errno.ts";
import type { Libc } from "./libc.ts";
import { MemoryBuilder, u32s } from "./memory.ts";

/** The calls that programs can be attached to, with the kernel's numbers. */
export const socketCalls = {
  connect4: 10,
  connect6: 11,
  sendMessage4: 14,
  sendMessage6: 15,
  receiveMessage4: 19,
  receiveMessage6: 20,
  peerName4: 29,
  peerName6: 30,
} as const;
/** One of them. */
export type SocketCall = keyof typeof socketCalls;

const command = { programLoad: 5, attach: 8, detach: 9, query: 16 } as const;
const socketAddressProgram = 18;
const logBytes = 64 << 10;

/** Loads a program for a call; the descriptor is the caller's. @throws LinuxError with the verifier's log */
export function loadSocketProgram(libc: Libc, call: SocketCall, program: Uint8Array): number {
  const memory = new MemoryBuilder();
  const attributes = Buffer.alloc(attributeBytes);
  u32s(socketAddressProgram, program.length / 8).copy(attributes);
  attributes.writeUInt32LE(1, 24); // log level
  attributes.writeUInt32LE(logBytes, 28);
  attributes.writeUInt32LE(socketCalls[call], 68);
  const at = memory.add(attributes);
  memory.point(at + 8, memory.add(program));
  memory.point(at + 16, memory.addText("GPL"));
  const log = memory.add(new Uint8Array(logBytes));
  memory.point(at + 32, log);
  const sealed = memory.seal();
  const result = libc.attempt("bpf", command.programLoad, sealed, attributeBytes);
  if (result >= 0) return result;
  const text = sealed.toString("latin1", log, sealed.indexOf(0, log)).trim();
  throw new LinuxError(
    `Cannot load a program for ${call} as the kernel's verifier wants it (${text.slice(-2000)})`,
    -result,
  );
}

/** Attaches a program to a group, in place of what was there. @param folder the group's folder of version 2 */
export function attachToCgroup(libc: Libc, folder: string, call: SocketCall, programFd: number): void {
  withFolder(folder, (fd) => {
    const attributes = Buffer.alloc(attributeBytes);
    u32s(fd, programFd, socketCalls[call], 0).copy(attributes);
    bpf(libc, `Cannot attach a program to ${call} of ${folder}`, command.attach, attributes);
  });
}

/** Takes away what is attached to a call of a group; that there is nothing does not matter. */
export function detachFromCgroup(libc: Libc, folder: string, call: SocketCall): void {
  withFolder(folder, (fd) => {
    const attributes = Buffer.alloc(attributeBytes);
    u32s(fd, 0, socketCalls[call]).copy(attributes);
    try {
      bpf(libc, `Cannot detach a program from ${call} of ${folder}`, command.detach, attributes);
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
    }
  });
}

/** Whether something is attached to a call of a group itself. */
export function isAttachedToCgroup(libc: Libc, folder: string, call: SocketCall): boolean {
  return withFolder(folder, (fd) => {
    const attributes = Buffer.alloc(attributeBytes);
    u32s(fd, socketCalls[call]).copy(attributes);
    bpf(libc, `Cannot ask what is attached to ${call} of ${folder}`, command.query, attributes);
    return attributes.readUInt32LE(24) > 0;
  });
}

function withFolder<Result>(folder: string, action: (fd: number) => Result): Result {
  const fd = openSync(folder, "r");
  try {
    return action(fd);
  } finally {
    closeSync(fd);
  }
}
