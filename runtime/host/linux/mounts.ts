/** File systems made as descriptors, and the steps by which a child makes one of them its root. It mounts nothing in this process's namespace. */
import type { Step } from "./birth.ts";
import { closeFd, type Libc } from "./libc.ts";

/** A tmpfs to make. */
export interface TmpfsOptions {
  readonly bytesMax: number;
  readonly filesMax: number;
}

const setString = 1;
const create = 6;
const closeOnExec = 1;
const noSetUid = 2;
const noDevice = 4;
const noExec = 8;

/**
 * Makes a tmpfs that is mounted nowhere: files in it are reached through `/proc/self/fd/<descriptor>/`, also after a child made it its root.
 * No file in it can be executed or gives privileges; devices work, so that it can hold `/dev/null`.
 */
export function openTmpfs(libc: Libc, options: TmpfsOptions): number {
  const what = "Cannot make a tmpfs";
  const context = libc.call(what, "fsopen", zero("tmpfs"), closeOnExec);
  try {
    const settings = { size: options.bytesMax, nr_inodes: options.filesMax, mode: "0755" };
    for (const [name, value] of Object.entries(settings)) {
      libc.call(
        `${what} with ${name}=${value}`,
        "fsconfig",
        context,
        setString,
        zero(name),
        zero(String(value)),
        0,
      );
    }
    libc.call(what, "fsconfig", context, create, null, null, 0);
    return libc.call(what, "fsmount", context, closeOnExec, noSetUid | noExec);
  } finally {
    closeFd(libc, context);
  }
}

/** Makes a device node in a folder held by its descriptor. */
export function makeDevice(libc: Libc, folderFd: number, name: string, device: Device): void {
  const [major, minor] = devices[device];
  const what = `Cannot make the device ${name}`;
  libc.call(what, "mknodat", folderFd, zero(name), 0o020000 | 0o666, (major << 8) | minor);
  libc.call(what, "fchmodat", folderFd, zero(name), 0o666);
}

/** Devices that a sandbox has. */
export type Device = "null" | "zero" | "random" | "urandom";

const devices: Readonly<Record<Device, readonly [number, number]>> = {
  null: [1, 3],
  zero: [1, 5],
  random: [1, 8],
  urandom: [1, 9],
};

/** A file of the machine that appears read-only in a new root. */
export interface Bind {
  readonly source: string;
  /** Where, below the new root; a file that exists there. */
  readonly target: string;
}

/** Where the new root stands until it is the root: a folder that every machine has. */
const stage = "/proc";
const readOnly = 1;
const remount = 32;
const bind = 4096;
const detach = 2;
const recursivePrivate = 0x4000 | 0x40000;
const attributes = { noSetUid, noDevice, noExec } as const;

/**
 * The steps by which a child, in a mount and pid namespace of its own, makes the tmpfs its root, with files of the machine bound into it
 * and a `/proc` of its own processes only. The old root is gone afterwards.
 */
export function rootSteps(tmpfsFd: number, binds: readonly Bind[]): Step[] {
  const hidden = attributes.noSetUid | attributes.noDevice | attributes.noExec;
  return [
    step("Cannot make mounts private", "mount", ["none", "/", "none", recursivePrivate, 0]),
    step("Cannot mount the new root", "move_mount", [tmpfsFd, "", -100, stage, 4]),
    ...binds.flatMap(({ source, target }) => [
      step(`Cannot bind ${source}`, "mount", [source, stage + target, "none", bind, 0]),
      step(`Cannot make ${source} read-only`, "mount", [
        "none",
        stage + target,
        "none",
        bind | remount | readOnly | attributes.noSetUid | attributes.noDevice,
        0,
      ]),
    ]),
    step("Cannot mount /proc", "mount", [
      "proc",
      `${stage}/proc`,
      "proc",
      hidden | readOnly,
      "subset=pid,hidepid=2",
    ]),
    step("Cannot enter the new root", "chdir", [stage]),
    step("Cannot change the root", "pivot_root", [".", "."]),
    step("Cannot leave the old root", "umount2", [".", detach]),
    step("Cannot enter the root", "chdir", ["/"]),
  ];
}

function step(what: string, name: Step["name"], args: Step["args"]): Step {
  return { what, name, args };
}

function zero(text: string): Uint8Array {
  return Buffer.from(`${text}\0`);
}
