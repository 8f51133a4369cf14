/** Bundles of the node's revisions, content-addressed on disk: pulled once, verified, written whole or not at all. Nothing here reads what is inside. */
import { mkdirSync, rmSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { errorText, MeshError } from "#host/mesh-error.ts";
import { writeWhole } from "#host/private-file.ts";
import { listFolder } from "./list-folder.ts";

/** Where bundles come from. */
export interface BundleSource {
  /**
   * Gets a bundle by `sha256:<hex>`.
   * @throws MeshError `not-found`, `bad-input` when it is larger than `bytesMax`, `unavailable`
   */
  get(digest: string, bytesMax: number): Promise<Uint8Array>;
}

/** How the cache behaves. */
export interface BundleCacheOptions {
  /** `<data-dir>/node/bundles` */
  readonly path: string;
  readonly source: BundleSource;
  /** Largest bundle. Default of the API: 16 MiB. */
  readonly bytesMax: number;
  /** Bytes on disk beyond which bundles that no revision names are deleted. */
  readonly totalBytesMax: number;
}

const digestPattern = /^sha256:([0-9a-f]{64})$/;

/** See the file's opening. */
export class BundleCache {
  readonly #options: BundleCacheOptions;
  /** Digests whose file was verified by this process. */
  readonly #verified = new Set<string>();
  readonly #pulling = new Map<string, Promise<void>>();

  constructor(options: BundleCacheOptions) {
    this.#options = options;
    mkdirSync(options.path, { recursive: true, mode: 0o700 });
    for (const name of listFolder(options.path)) {
      if (name.endsWith(".part")) rmSync(join(options.path, name), { force: true });
    }
  }

  /**
   * Makes sure that a bundle is on disk and is what its digest says; concurrent calls share one pull.
   * @throws MeshError `bad-input` for a digest of another form or content of another digest; the source's; `io-failed`, for a full disk for instance
   */
  async ensure(digest: string): Promise<void> {
    if (this.#verified.has(digest)) return;
    const pulling =
      this.#pulling.get(digest) ?? this.#pull(digest).finally(() => this.#pulling.delete(digest));
    this.#pulling.set(digest, pulling);
    await pulling;
  }

  /** The bytes of a bundle, pulled first where necessary. @throws MeshError as `ensure` */
  async read(digest: string): Promise<Uint8Array> {
    await this.ensure(digest);
    try {
      return await readFile(this.#pathOf(digest));
    } catch (error) {
      this.#verified.delete(digest); // someone deleted the file: the next call pulls it again
      throw new MeshError("io-failed", `Cannot read bundle ${digest}: ${errorText(error)}`, error);
    }
  }

  /** Deletes bundles that are not in use, if all together exceed the bound. */
  prune(inUse: ReadonlySet<string>): void {
    const files = listFolder(this.#options.path).map((name) => ({ name, bytes: this.#bytesOf(name) }));
    let total = files.reduce((sum, file) => sum + file.bytes, 0);
    for (const { name, bytes } of files) {
      const digest = `sha256:${name}`;
      if (total <= this.#options.totalBytesMax) return;
      if (inUse.has(digest) || name.endsWith(".part")) continue;
      rmSync(join(this.#options.path, name), { force: true });
      this.#verified.delete(digest);
      total -= bytes;
    }
  }

  async #pull(digest: string): Promise<void> {
    const path = this.#pathOf(digest);
    if (await isIntact(path, digest)) {
      this.#verified.add(digest);
      return;
    }
    const bytes = await this.#options.source.get(digest, this.#options.bytesMax);
    const got = digestOf(bytes);
    if (got !== digest)
      throw new MeshError("bad-input", `Cannot take bundle ${digest}: its content has the digest ${got}`);
    store(path, bytes);
    this.#verified.add(digest);
  }

  #bytesOf(name: string): number {
    return statSync(join(this.#options.path, name), { throwIfNoEntry: false })?.size ?? 0;
  }

  #pathOf(digest: string): string {
    const hex = digestPattern.exec(digest)?.[1];
    if (hex === undefined) {
      throw new MeshError(
        "bad-input",
        `Cannot read a bundle's digest as sha256:<64 hex>: "${digest.slice(0, 100)}"`,
      );
    }
    return join(this.#options.path, hex);
  }
}

/** `sha256:<hex>` of bytes. */
export function digestOf(bytes: Uint8Array): string {
  return `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;
}

async function isIntact(path: string, digest: string): Promise<boolean> {
  try {
    return digestOf(await readFile(path)) === digest;
  } catch {
    return false; // not there: it will be pulled
  }
}

function store(path: string, bytes: Uint8Array): void {
  try {
    writeWhole(path, bytes);
  } catch (error) {
    throw new MeshError("io-failed", `${errorText(error)}; free space under the data folder`, error);
  }
}
