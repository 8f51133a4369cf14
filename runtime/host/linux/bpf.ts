/** eBPF objects of the kernel: maps of sockets, programs, links to a network namespace. Programs are written with bpf-assembler.ts; what outlives its maker is in bpf-pins.ts. */
import { isErrno, LinuxError } from "./errno.ts";
import { closeFd, type Libc } from "./libc.ts";
import { MemoryBuilder, u32s } from "./memory.ts";

const command = { mapCreate: 0, mapUpdate: 2, mapDelete: 3, programLoad: 5, linkCreate: 28 } as const;
const sockMapType = 15;
const skLookupProgram = 30;
const skLookupAttach = 36;
/** Room for what any command takes. */
export const attributeBytes = 128;
const logBytes = 64 << 10;

/** Makes a map whose `slots` hold listening sockets; the descriptor is the caller's. */
export function createSocketMap(libc: Libc, slots: number): number {
  const attributes = Buffer.alloc(attributeBytes);
  u32s(sockMapType, 4, 8, slots).copy(attributes);
  return bpf(libc, "Cannot make a socket map", command.mapCreate, attributes);
}

/** Puts a listening socket into a slot, in place of what was there: from then on it receives what the program gives that slot. */
export function putSocket(libc: Libc, mapFd: number, slot: number, socketFd: number): void {
  const value = Buffer.alloc(8);
  value.writeBigUInt64LE(BigInt(socketFd));
  changeSlot(libc, `Cannot put a socket into slot ${slot} of a socket map`, {
    command: command.mapUpdate,
    mapFd,
    slot,
    value,
  });
}

/** Empties a slot; an empty one drops what comes. */
export function removeSocket(libc: Libc, mapFd: number, slot: number): void {
  try {
    changeSlot(libc, `Cannot empty slot ${slot} of a socket map`, {
      command: command.mapDelete,
      mapFd,
      slot,
      value: undefined,
    });
  } catch (error) {
    // An empty slot answers EINVAL: it is what was asked for.
    if (!isErrno(error, "EINVAL") && !isErrno(error, "ENOENT")) throw error;
  }
}

/**
 * Loads an sk_lookup program; the descriptor is the caller's.
 * @throws LinuxError with the verifier's log
 */
export function loadLookupProgram(libc: Libc, program: Uint8Array): number {
  const memory = new MemoryBuilder();
  const attributes = Buffer.alloc(attributeBytes);
  u32s(skLookupProgram, program.length / 8).copy(attributes);
  attributes.writeUInt32LE(1, 24); // log level
  attributes.writeUInt32LE(logBytes, 28);
  attributes.writeUInt32LE(skLookupAttach, 68);
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
    `Cannot load an sk_lookup program as the kernel's verifier wants it (${text.slice(-2000)})`,
    -result,
  );
}

/** Attaches a program to a network namespace, until the descriptor (and every copy of it) is closed. */
export function attachLookup(libc: Libc, programFd: number, namespaceFd: number): number {
  const attributes = Buffer.alloc(attributeBytes);
  u32s(programFd, namespaceFd, skLookupAttach).copy(attributes);
  return bpf(
    libc,
    "Cannot attach an sk_lookup program to a network namespace",
    command.linkCreate,
    attributes,
  );
}

/** An attached program with its map. */
export interface Capture extends Disposable {
  readonly mapFd: number;
  close(): void;
}

/** Loads the program that `build` writes for a new map and attaches it; closing takes it all away. */
export function openCapture(
  libc: Libc,
  namespaceFd: number,
  slots: number,
  build: (mapFd: number) => Uint8Array,
): Capture {
  const mapFd = createSocketMap(libc, slots);
  try {
    const programFd = loadLookupProgram(libc, build(mapFd));
    try {
      const linkFd = attachLookup(libc, programFd, namespaceFd);
      let open = true;
      const close = (): void => {
        if (!open) return;
        open = false;
        closeFd(libc, linkFd);
        closeFd(libc, mapFd);
      };
      return { mapFd, close, [Symbol.dispose]: close };
    } finally {
      closeFd(libc, programFd); // The link keeps the program.
    }
  } catch (error) {
    closeFd(libc, mapFd);
    throw error;
  }
}

function changeSlot(
  libc: Libc,
  what: string,
  change: {
    readonly command: number;
    readonly mapFd: number;
    readonly slot: number;
    readonly value: Uint8Array | undefined;
  },
): void {
  const memory = new MemoryBuilder();
  const attributes = Buffer.alloc(attributeBytes);
  attributes.writeUInt32LE(change.mapFd, 0);
  const at = memory.add(attributes);
  memory.point(at + 8, memory.add(u32s(change.slot)));
  if (change.value !== undefined) memory.point(at + 16, memory.add(change.value));
  bpf(libc, what, change.command, memory.seal());
}

/** Gives a command; for the files of this folder. @throws LinuxError */
export function bpf(libc: Libc, what: string, number: number, attributes: Uint8Array): number {
  return libc.call(what, "bpf", number, attributes, attributeBytes);
}
