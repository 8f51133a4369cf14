/** Bundles by their digest on disk: written whole or not at all, of bounded size and number; never looked into. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { errorText, MeshError } from "#host/mesh-error.ts";
import { syncFolder } from "#host/private-file.ts";

/** Where, and how much. */
export interface BundleStoreOptions {
  readonly folder: string;
  /** Largest bundle. Default 16 MiB. */
  readonly bytesMax?: number;
  /** Uploads at once. Default 16. */
  readonly uploadsMax?: number;
}

/** How an upload ended well. */
export type PutOutcome = "created" | "existed";

/** See the file's head. */
export interface BundleStore {
  readonly bytesMax: number;
  /**
   * Takes a bundle; one that is there already is left as it is.
   * @throws MeshError `bad-input` for another digest or form, `limit-reached` for its size or too many uploads,
   * `io-failed` when the disk is full or broken. Nothing half written is left.
   */
  put(digest: string, content: AsyncIterable<Uint8Array>): Promise<PutOutcome>;
  /** The file of a bundle; undefined when there is none. */
  find(digest: string): Bun.BunFile | undefined;
  /** Deletes bundles that are not in use and were not uploaded lately: a deploy uploads before it names them. */
  prune(inUse: ReadonlySet<string>, olderThanMs: number, nowMs: number): number;
}

const digestForm = /^sha256:([0-9a-f]{64})$/;

/** Opens the folder, and clears what a crash left half written. */
export function openBundleStore(options: BundleStoreOptions): BundleStore {
  const { folder } = options;
  const bytesMax = options.bytesMax ?? 16 << 20;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(folder))
    if (name.endsWith(".part")) rmSync(join(folder, name), { force: true });
  let uploads = 0;
  let number = 0;

  async function upload(digest: string, path: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    const part = `${path}.${++number}.part`;
    try {
      await writePart(part, digest, bytesMax, content);
      renameSync(part, path);
      syncFolder(folder);
    } catch (error) {
      rmSync(part, { force: true });
      throw asMeshError(digest, error);
    }
  }

  return {
    bytesMax,
    async put(digest, content) {
      const path = join(folder, hexOf(digest));
      if (existsSync(path)) {
        const now = new Date();
        utimesSync(path, now, now); // it is wanted anew: not to be pruned before its revision is made
        return "existed";
      }
      if (uploads >= (options.uploadsMax ?? 16))
        throw new MeshError(
          "limit-reached",
          `Cannot take bundle ${digest}: ${uploads} uploads run already; try again`,
        );
      uploads++;
      try {
        await upload(digest, path, content);
      } finally {
        uploads--;
      }
      return "created";
    },
    find(digest) {
      const path = join(folder, hexOf(digest));
      return existsSync(path) ? Bun.file(path) : undefined;
    },
    prune(inUse, olderThanMs, nowMs) {
      let removed = 0;
      for (const name of readdirSync(folder)) {
        if (!/^[0-9a-f]{64}$/.test(name) || inUse.has(`sha256:${name}`)) continue;
        if (nowMs - statSync(join(folder, name)).mtimeMs < olderThanMs) continue;
        rmSync(join(folder, name), { force: true });
        removed++;
      }
      return removed;
    },
  };
}

async function writePart(
  ...[path, digest, bytesMax, content]: [string, string, number, AsyncIterable<Uint8Array>]
): Promise<void> {
  const hash = new Bun.CryptoHasher("sha256");
  const fd = openSync(path, "wx", 0o600);
  try {
    let total = 0;
    for await (const chunk of content) {
      total += chunk.length;
      if (total > bytesMax)
        throw new MeshError(
          "limit-reached",
          `Cannot take bundle ${digest} of more than ${bytesMax} bytes; make it smaller`,
        );
      hash.update(chunk);
      for (let at = 0; at < chunk.length;) at += writeSync(fd, chunk, at);
    }
    const found = `sha256:${hash.digest("hex")}`;
    if (found !== digest)
      throw new MeshError("bad-input", `Cannot take a bundle as ${digest}: its digest is ${found}`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function hexOf(digest: string): string {
  const hex = digestForm.exec(digest)?.[1];
  if (hex === undefined)
    throw new MeshError(
      "bad-input",
      `Cannot read a bundle's digest as sha256:<64 hex digits>: "${digest.slice(0, 100)}"`,
    );
  return hex;
}

function asMeshError(digest: string, error: unknown): MeshError {
  if (error instanceof MeshError) return error;
  const isFull = (error as { code?: unknown } | undefined)?.code === "ENOSPC";
  const fix = isFull ? "; the disk is full: free space in the data folder and deploy again" : "";
  return new MeshError("io-failed", `Cannot store bundle ${digest}: ${errorText(error)}${fix}`, error);
}
