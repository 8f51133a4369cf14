/**
 * A folder whose files change all at once: they lie in a folder of their own behind the link `..data`, which is swapped, and each is reached by
 * a link through it. As the real kubelet does it, since programs watch for exactly that.
 */
import {
  chmodSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { VolumeFiles } from "../../reconcile/pods/volume-files.ts";

const dataLink = "..data";
const folderMode = 0o755;

/** How files are written. */
export interface AtomicFolderOptions {
  readonly mode: number;
  /** Group that may read them besides root. */
  readonly gid: number | undefined;
  /** A name that no earlier content had. */
  readonly version: string;
}

/** Replaces the folder's content. */
export function writeAtomicFolder(folder: string, files: VolumeFiles, options: AtomicFolderOptions): void {
  mkdirSync(folder, { recursive: true, mode: folderMode });
  const name = `..${options.version}`;
  const earlier = findData(folder);
  for (const [path, file] of files) {
    const place = join(folder, name, path);
    mkdirSync(dirname(place), { recursive: true, mode: folderMode });
    writeFileSync(place, file.bytes);
    setMode(place, file.mode ?? options.mode, options.gid);
  }
  mkdirSync(join(folder, name), { recursive: true, mode: folderMode });
  const link = join(folder, "..data_tmp");
  rmSync(link, { force: true });
  symlinkSync(name, link);
  renameSync(link, join(folder, dataLink));
  const tops = new Set([...files.keys()].map((path) => path.split("/")[0] ?? ""));
  linkTops(folder, tops);
  if (earlier !== undefined && earlier !== name)
    rmSync(join(folder, earlier), { recursive: true, force: true });
}

function setMode(path: string, mode: number, gid: number | undefined): void {
  if (gid === undefined) return chmodSync(path, mode);
  lchownSync(path, 0, gid);
  // The group reads what the owner may.
  chmodSync(path, mode | 0o440);
}

function findData(folder: string): string | undefined {
  try {
    return readlinkSync(join(folder, dataLink));
  } catch {
    return undefined; // It has no content yet.
  }
}

function linkTops(folder: string, tops: ReadonlySet<string>): void {
  const present = readdirSync(folder).filter((name) => !name.startsWith(".."));
  for (const name of present) if (!tops.has(name)) rmSync(join(folder, name), { force: true });
  for (const name of tops) {
    if (!present.includes(name)) symlinkSync(join(dataLink, name), join(folder, name));
  }
}
