/** eBPF objects that outlive their maker: names for them in a file system of their kind, and what the kernel says of links and maps held again. */
import { attributeBytes, bpf } from "./bpf.ts";
import { isErrno } from "./errno.ts";
import { closeFd, type Libc } from "./libc.ts";
import { MemoryBuilder, u32s } from "./memory.ts";

const command = { mapLookup: 1, pin: 6, get: 7, info: 15, linkUpdate: 29, linkDetach: 34 } as const;
const infoBytes = 128;

/** Mounts a file system for pins over a folder, in this process's mount namespace. It lives as long as that namespace. */
export function mountPins(libc: Libc, folder: string): void {
  const what = `Cannot mount a file system for eBPF objects at ${folder}`;
  const context = libc.call(what, "fsopen", zero("bpf"), 1);
  try {
    libc.call(what, "fsconfig", context, setString, zero("mode"), zero("0700"), 0);
    libc.call(what, "fsconfig", context, create, null, null, 0);
    const mount = libc.call(what, "fsmount", context, 1, 0);
    try {
      libc.call(what, "move_mount", mount, zero(""), currentFolder, zero(folder), emptySource);
    } finally {
      closeFd(libc, mount);
    }
  } finally {
    closeFd(libc, context);
  }
}

const setString = 1;
const create = 6;
const currentFolder = -100;
const emptySource = 4;

/** Gives an object a name in such a file system; it lives until the name is removed, too. @throws LinuxError `EEXIST` */
export function pinObject(libc: Libc, objectFd: number, path: string): void {
  const memory = new MemoryBuilder();
  const attributes = Buffer.alloc(attributeBytes);
  attributes.writeUInt32LE(objectFd, 8);
  const at = memory.add(attributes);
  memory.point(at, memory.addText(path));
  bpf(libc, `Cannot pin an eBPF object at ${path}`, command.pin, memory.seal());
}

/** Opens what has a name; undefined when nothing has it. The descriptor is the caller's. */
export function openPinned(libc: Libc, path: string): number | undefined {
  const memory = new MemoryBuilder();
  const at = memory.add(Buffer.alloc(attributeBytes));
  memory.point(at, memory.addText(path));
  try {
    return bpf(libc, `Cannot open the eBPF object at ${path}`, command.get, memory.seal());
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** The inode number of the network namespace that a link is attached to; undefined once it is detached. */
export function attachedNamespace(libc: Libc, linkFd: number): number | undefined {
  const memory = new MemoryBuilder();
  const attributes = Buffer.alloc(attributeBytes);
  u32s(linkFd, infoBytes).copy(attributes);
  const at = memory.add(attributes);
  const info = memory.add(new Uint8Array(infoBytes));
  memory.point(at + 8, info);
  const sealed = memory.seal();
  bpf(libc, "Cannot ask about an eBPF link", command.info, sealed);
  const inode = sealed.readUInt32LE(info + 16);
  return inode === 0 ? undefined : inode;
}

/** Puts another program in the place of an attached one, with no packet between them. */
export function replaceProgram(libc: Libc, linkFd: number, programFd: number): void {
  const attributes = Buffer.alloc(attributeBytes);
  u32s(linkFd, programFd).copy(attributes);
  bpf(libc, "Cannot replace the program of an eBPF link", command.linkUpdate, attributes);
}

/** Ends what a link does, whoever else holds it. */
export function detachLink(libc: Libc, linkFd: number): void {
  const attributes = Buffer.alloc(attributeBytes);
  u32s(linkFd).copy(attributes);
  bpf(libc, "Cannot detach an eBPF link", command.linkDetach, attributes);
}

/** Whether a slot of a map of sockets holds one. */
export function holdsSocket(libc: Libc, mapFd: number, slot: number): boolean {
  const memory = new MemoryBuilder();
  const attributes = Buffer.alloc(attributeBytes);
  attributes.writeUInt32LE(mapFd, 0);
  const at = memory.add(attributes);
  memory.point(at + 8, memory.add(u32s(slot)));
  memory.point(at + 16, memory.add(new Uint8Array(8)));
  try {
    bpf(libc, `Cannot read slot ${slot} of a socket map`, command.mapLookup, memory.seal());
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}

function zero(text: string): Uint8Array {
  return Buffer.from(`${text}\0`);
}
