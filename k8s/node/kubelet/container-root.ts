/**
 * The root of a container: the machine's own file system under a writable layer that goes away with the container, without what is the
 * machine's alone, with devices, `/proc` and `/sys` of its own, and the Pod's volumes. Steps of a birth; nothing is mounted in this process's namespace.
 */
import { existsSync, lstatSync, readdirSync, readlinkSync } from "node:fs";
import { dirname } from "node:path";
import type { Step } from "#host/linux/birth.ts";

/** Something to mount, made ahead as a detached tree. */
export interface RootMount {
  /** Descriptor of the tree. */
  readonly treeFd: number;
  /** Where, as the container sees it. */
  readonly target: string;
  readonly isFolder: boolean;
}

/** What a root is made of. */
export interface ContainerRootOptions {
  readonly kind: RootKind;
  /** Bytes of the writable layer, in memory. */
  readonly layerBytesMax: number;
  /** Folders of the mesh, which no container sees. */
  readonly hidden: readonly string[];
  readonly mounts: readonly RootMount[];
  readonly isReadOnly: boolean;
  /** Folder that is made when it is not there. */
  readonly workingDir: string;
}

/** How the writable root is made: by overlayfs, or, where the kernel refuses it, by the machine's folders bound read-only into a tmpfs. */
export type RootKind = "overlay" | "bound";

const flag = { readOnly: 1, noSetUid: 2, noDevice: 4, noExec: 8, remount: 32, bind: 4096 } as const;
const recursive = 0x4000;
const recursivePrivate = recursive | 0x40000;
const detach = 2;
/** Move a tree held by a descriptor, and follow a link at the end of the target. */
const moveTree = 0x4 | 0x10;
const atHere = -100;
const folderMode = 0o755;
const regularFile = 0o100644;

/** Where the new root is put together: a folder that every machine has. */
const stage = "/proc";
const newRoot = `${stage}/root`;

/** Fresh for each container: folders and their modes. */
const ownFolders: readonly (readonly [string, string])[] = [
  ["/run", "755"],
  ["/tmp", "1777"],
  ["/var/tmp", "1777"],
];
/** Of the machine's people and services; empty in a container. */
const privateFolders = [
  "/root",
  "/home",
  "/boot",
  "/mnt",
  "/media",
  "/lost+found",
  "/etc/ssh",
  "/etc/ssl/private",
  "/etc/kubernetes",
  "/var/backups",
  "/var/lib/containerd",
  "/var/lib/docker",
  "/var/lib/kubelet",
  "/var/log",
  "/var/spool",
];
const privateFiles = ["/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/sudoers"];
const hiddenKernelFiles = ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug"];
const hiddenKernelFolders = ["/proc/acpi", "/proc/scsi", "/sys/firmware", "/sys/fs/bpf", "/sys/kernel/debug"];
const readOnlyKernel = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
const devices: Readonly<Record<string, readonly [number, number]>> = {
  null: [1, 3],
  zero: [1, 5],
  full: [1, 7],
  random: [1, 8],
  urandom: [1, 9],
  tty: [5, 0],
};
const deviceLinks: Readonly<Record<string, string>> = {
  "/dev/fd": "/proc/self/fd",
  "/dev/stdin": "/proc/self/fd/0",
  "/dev/stdout": "/proc/self/fd/1",
  "/dev/stderr": "/proc/self/fd/2",
  "/dev/ptmx": "pts/ptmx",
};

/** The steps by which a child, in mount and pid namespaces of its own, makes this root its own. */
export function containerRootSteps(options: ContainerRootOptions): Step[] {
  return [
    step("Cannot set the file mask", "umask", [0]),
    step("Cannot make mounts private", "mount", ["none", "/", "none", recursivePrivate, 0]),
    ...(options.kind === "overlay" ? overlaySteps(options.layerBytesMax) : boundSteps(options.layerBytesMax)),
    step("Cannot enter the new root", "chdir", [newRoot]),
    step("Cannot change the root", "pivot_root", [".", "."]),
    step("Cannot leave the old root", "umount2", [".", detach]),
    step("Cannot enter the root", "chdir", ["/"]),
    ...kernelSteps(),
    ...deviceSteps(),
    ...hidingSteps(options),
    ...options.mounts.flatMap(mountSteps),
    ...makeFolderSteps(options.workingDir),
    ...(options.isReadOnly ? [sealStep("/")] : []),
    step("Cannot set the file mask", "umask", [0o022]),
  ];
}

/** What it takes to find out whether the kernel lets this process use overlayfs over the machine's root. */
export function overlaySteps(bytesMax: number): Step[] {
  const parts = ["upper", "work", "root"].map((name) => `${stage}/${name}`);
  const layers = `lowerdir=/,upperdir=${stage}/upper,workdir=${stage}/work`;
  return [
    layerStep(bytesMax),
    ...parts.map((path) => step(`Cannot make ${path}`, "mkdir", [path, folderMode])),
    step("Cannot mount an overlay over the machine's root", "mount", [
      "overlay",
      newRoot,
      "overlay",
      flag.noDevice,
      layers,
    ]),
  ];
}

/** Top folders of the machine, read-only; a mount point can only be made where a container may write. */
function boundSteps(bytesMax: number): Step[] {
  const own = new Set(["proc", "sys", "dev", "run", "tmp", "root"]);
  const shared = readdirSync("/", { withFileTypes: true }).filter(({ name }) => !own.has(name));
  const folders = shared.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const links = shared.filter((entry) => entry.isSymbolicLink()).map(({ name }) => name);
  return [
    layerStep(bytesMax),
    step("Cannot make a root", "mkdir", [newRoot, folderMode]),
    // Only what is mounted can become a root.
    step("Cannot mount the new root", "mount", [newRoot, newRoot, "none", flag.bind, 0]),
    ...["proc", "sys", "dev", "run", "tmp", "root", "etc"].map((name) =>
      step(`Cannot make /${name}`, "mkdir", [`${newRoot}/${name}`, folderMode]),
    ),
    ...folders
      .concat("etc")
      .flatMap((name) => [
        step(`Cannot make /${name}`, "mkdir", [`${newRoot}/${name}`, folderMode], "mayFail"),
        step(`Cannot bind /${name}`, "mount", [`/${name}`, `${newRoot}/${name}`, "none", flag.bind, 0]),
        sealStep(`${newRoot}/${name}`),
      ]),
    ...links.map((name) =>
      step(`Cannot link /${name}`, "symlink", [readlinkSync(`/${name}`), `${newRoot}/${name}`]),
    ),
  ];
}

function layerStep(bytesMax: number): Step {
  return step("Cannot make a writable layer", "mount", [
    "tmpfs",
    stage,
    "tmpfs",
    flag.noDevice,
    `mode=755,size=${bytesMax}`,
  ]);
}

function kernelSteps(): Step[] {
  const guarded = flag.noSetUid | flag.noDevice | flag.noExec;
  return [
    step("Cannot mount /proc", "mount", ["proc", "/proc", "proc", guarded, 0]),
    step("Cannot mount /sys", "mount", ["sysfs", "/sys", "sysfs", guarded | flag.readOnly, 0]),
    ...hiddenKernelFolders.filter(isFolder).map((path) => emptyStep(path, "mode=555,size=4k,nr_inodes=1")),
    ...readOnlyKernel
      .filter(existsSync)
      .flatMap((path) => [
        step(`Cannot bind ${path}`, "mount", [path, path, "none", flag.bind | recursive, 0]),
        step(`Cannot make ${path} read-only`, "mount", [
          "none",
          path,
          "none",
          flag.bind | flag.remount | flag.readOnly | guarded,
          0,
        ]),
      ]),
  ];
}

function deviceSteps(): Step[] {
  return [
    step("Cannot mount /dev", "mount", ["tmpfs", "/dev", "tmpfs", flag.noSetUid, "mode=755,size=64k"]),
    ...Object.entries(devices).map(([name, [major, minor]]) =>
      step(`Cannot make /dev/${name}`, "mknod", [`/dev/${name}`, 0o020666, (major << 8) | minor]),
    ),
    ...Object.entries(deviceLinks).map(([path, target]) =>
      step(`Cannot make ${path}`, "symlink", [target, path]),
    ),
    ...["/dev/pts", "/dev/shm", "/dev/mqueue"].map((path) =>
      step(`Cannot make ${path}`, "mkdir", [path, folderMode]),
    ),
    step("Cannot mount /dev/pts", "mount", [
      "devpts",
      "/dev/pts",
      "devpts",
      flag.noSetUid | flag.noExec,
      "newinstance,ptmxmode=0666,mode=0620,gid=5",
    ]),
    emptyStep("/dev/shm", "mode=1777,size=64m"),
    step(
      "Cannot mount /dev/mqueue",
      "mount",
      ["mqueue", "/dev/mqueue", "mqueue", flag.noSetUid, 0],
      "mayFail",
    ),
    ...hiddenKernelFiles.filter(existsSync).map(coverStep),
  ];
}

function hidingSteps({ hidden, layerBytesMax }: ContainerRootOptions): Step[] {
  return [
    ...ownFolders
      .filter(([path]) => isFolder(path))
      .map(([path, mode]) => emptyStep(path, `mode=${mode},size=${layerBytesMax}`)),
    ...privateFolders.filter(isFolder).map((path) => emptyStep(path, "mode=700,size=16m")),
    ...privateFiles.filter(existsSync).map(coverStep),
    // Under a folder that is empty by now there is nothing left to hide.
    ...hidden
      .filter((path) => isFolder(path) && !isCovered(path))
      .map((path) => emptyStep(path, "mode=000,size=4k,nr_inodes=1")),
  ];
}

function isCovered(path: string): boolean {
  const covered = [...ownFolders.map(([folder]) => folder), ...privateFolders, "/dev", "/proc", "/sys"];
  return covered.some((folder) => path === folder || path.startsWith(`${folder}/`));
}

function mountSteps({ treeFd, target, isFolder: folder }: RootMount): Step[] {
  const place = folder ? makeFolderSteps(target) : makeFileSteps(target);
  return [...place, step(`Cannot mount ${target}`, "move_mount", [treeFd, "", atHere, target, moveTree])];
}

function makeFileSteps(path: string): Step[] {
  return [
    ...makeFolderSteps(dirname(path)),
    // A link there would lead the mount elsewhere, perhaps to nowhere.
    step(`Cannot replace ${path}`, "unlink", [path], "mayFail"),
    step(`Cannot make ${path}`, "mknod", [path, regularFile, 0], "mayFail"),
  ];
}

/** Every folder on the way; what is there stays. */
function makeFolderSteps(path: string): Step[] {
  const parts = path.split("/").filter((part) => part !== "");
  return parts.map((_, i) => {
    const folder = `/${parts.slice(0, i + 1).join("/")}`;
    return step(`Cannot make ${folder}`, "mkdir", [folder, folderMode], "mayFail");
  });
}

/** A real folder: one that is reached by a link is dealt with where it is. */
function isFolder(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function emptyStep(path: string, settings: string): Step {
  return step(`Cannot empty ${path}`, "mount", [
    "tmpfs",
    path,
    "tmpfs",
    flag.noSetUid | flag.noDevice,
    settings,
  ]);
}

function coverStep(path: string): Step {
  return step(`Cannot hide ${path}`, "mount", ["/dev/null", path, "none", flag.bind, 0]);
}

function sealStep(path: string): Step {
  const flags = flag.bind | flag.remount | flag.readOnly | flag.noDevice;
  return step(`Cannot make ${path} read-only`, "mount", ["none", path, "none", flags, 0]);
}

function step(what: string, name: Step["name"], args: Step["args"], mayFail?: "mayFail"): Step {
  return { what, name, args, ...(mayFail === undefined ? {} : { mayFail: true }) };
}
