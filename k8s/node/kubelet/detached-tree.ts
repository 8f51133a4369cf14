/** Pieces of the file system held as detached trees, to be mounted in a container's root by whoever is born into it. */
import { closeFd, type Libc } from "#host/linux/libc.ts";

/** How a tree may be used. */
export interface TreeOptions {
  readonly isReadOnly: boolean;
  /** A path below `folder` that must not lead out of it by any link: what lies there may be a container's doing. */
  readonly below?: string;
}

const emptyPath = 0x1000;
const clone = 1;
const closeOnExec = 0o2000000;
const pathOnly = 0o10000000;
const beneath = 0x08;
const attributes = { readOnly: 1, noSetUid: 2, noDevice: 4 } as const;
const here = -100;

/** Opens a folder or file as a tree; the descriptor is the caller's. @throws LinuxError */
export function openTree(libc: Libc, path: string, options: TreeOptions): number {
  const what = `Cannot open ${path} as a mount`;
  const place = libc.call(what, "openat", here, text(path), pathOnly | closeOnExec, 0);
  try {
    const found = options.below === undefined ? place : openBelow(libc, place, options.below);
    try {
      const tree = libc.call(what, "open_tree", found, text(""), clone | emptyPath | closeOnExec);
      restrict(libc, tree, options.isReadOnly);
      return tree;
    } finally {
      if (found !== place) closeFd(libc, found);
    }
  } finally {
    closeFd(libc, place);
  }
}

function openBelow(libc: Libc, folderFd: number, path: string): number {
  const how = Buffer.alloc(24); // struct open_how
  how.writeBigUInt64LE(BigInt(pathOnly | closeOnExec), 0);
  how.writeBigUInt64LE(BigInt(beneath), 16);
  return libc.call(`Cannot open ${path} within its volume`, "openat2", folderFd, text(path), how, how.length);
}

function restrict(libc: Libc, treeFd: number, isReadOnly: boolean): void {
  const attribute = Buffer.alloc(32); // struct mount_attr
  const set = attributes.noSetUid | attributes.noDevice | (isReadOnly ? attributes.readOnly : 0);
  attribute.writeBigUInt64LE(BigInt(set), 0);
  libc.call(
    "Cannot restrict a mount",
    "mount_setattr",
    treeFd,
    text(""),
    emptyPath,
    attribute,
    attribute.length,
  );
}

function text(value: string): Uint8Array {
  return Buffer.from(`${value}\0`);
}
