/** eBPF maps of keys and values of fixed sizes, as programs and this process share them. Maps of sockets are in bpf.ts. */
import { attributeBytes, bpf } from "./bpf.ts";
import { isErrno } from "./errno.ts";
import { closeFd, type Libc } from "./libc.ts";
import { MemoryBuilder, u32s } from "./memory.ts";

/** What a map keeps when it is full: nothing new, or the newest. */
export type BpfMapKind = "hash" | "newest";

/** A map's form. */
export interface BpfMapOptions {
  readonly kind: BpfMapKind;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly entriesMax: number;
}

/** An open map. */
export interface BpfMap extends Disposable {
  readonly fd: number;
  /** Sets a key's value. @throws LinuxError `E2BIG` or `ENOSPC` when it is full */
  set(key: Uint8Array, value: Uint8Array): void;
  /** Removes a key; that it is not there does not matter. */
  remove(key: Uint8Array): void;
  close(): void;
}

const command = { create: 0, update: 2, remove: 3 } as const;
const types: Readonly<Record<BpfMapKind, number>> = { hash: 1, newest: 9 };

/** Makes a map; it lives as long as a program uses it, too. */
export function openBpfMap(libc: Libc, options: BpfMapOptions): BpfMap {
  const { kind, keyBytes, valueBytes, entriesMax } = options;
  const attributes = Buffer.alloc(attributeBytes);
  u32s(types[kind], keyBytes, valueBytes, entriesMax).copy(attributes);
  const fd = bpf(libc, "Cannot make a map", command.create, attributes);
  let isOpen = true;
  const close = (): void => {
    if (isOpen) closeFd(libc, fd);
    isOpen = false;
  };
  return {
    fd,
    set: (key, value) => void bpf(libc, "Cannot set a map's key", command.update, entry(fd, key, value)),
    remove(key) {
      try {
        bpf(libc, "Cannot remove a map's key", command.remove, entry(fd, key, undefined));
      } catch (error) {
        if (!isErrno(error, "ENOENT")) throw error;
      }
    },
    close,
    [Symbol.dispose]: close,
  };
}

function entry(fd: number, key: Uint8Array, value: Uint8Array | undefined): Buffer {
  const memory = new MemoryBuilder();
  const attributes = Buffer.alloc(attributeBytes);
  attributes.writeUInt32LE(fd, 0);
  const at = memory.add(attributes);
  memory.point(at + 8, memory.add(key));
  if (value !== undefined) memory.point(at + 16, memory.add(value));
  return memory.seal();
}
