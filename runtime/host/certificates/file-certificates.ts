/** Certificates from a folder, for a mesh without an authority; renewed by writing the files anew, read again when they change. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseSpiffeId, type SpiffeId } from "#core/identity/spiffe-id.ts";
import { type Clock, systemClock, type Timer } from "#host/clock.ts";
import { errorText, MeshError } from "#host/mesh-error.ts";
import type { CertificateSource, CertificateState, HeldCertificate } from "./certificate-source.ts";
import { readHeldCertificate, readLeaf } from "./held-certificate.ts";

/** What is looked at and how often. */
export interface FileCertificatesOptions {
  /** Holds `ca.pem` (the roots) and for each identity `<name>.pem` (leaf, then intermediates) with `<name>.key` (PKCS#8). */
  readonly folder: string;
  /** Between two looks at the files. Default 1 s. */
  readonly intervalMs?: number;
  readonly clock?: Clock;
  /** Certificates that may lie in it. Default 4096. */
  readonly filesMax?: number;
  /** Told of what cannot be used; the last good certificate stays. */
  readonly onFailure?: (path: string, error: Error) => void;
}

const filesMaxDefault = 4096;

/**
 * Opens a folder; the identity of each certificate is read from it.
 * @throws MeshError `io-failed` or `bad-input` when the folder or one of its certificates cannot be used.
 */
export function fileCertificates(options: FileCertificatesOptions): CertificateSource {
  const source = new FileSource(options);
  source.load(true);
  return source;
}

class FileSource implements CertificateSource {
  readonly #options: FileCertificatesOptions;
  readonly #clock: Clock;
  readonly #held = new Map<SpiffeId, HeldCertificate>();
  readonly #listeners = new Set<(identity: SpiffeId) => void>();
  #seen = "";
  #timer: Timer | undefined;

  constructor(options: FileCertificatesOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  load(isFirst: boolean): void {
    try {
      const names = this.#names();
      const files = ["ca.pem", ...names.flatMap((name) => [`${name}.pem`, `${name}.key`])];
      const seen = files.map((file) => this.#stamp(file)).join();
      if (seen !== this.#seen) this.#read(names, isFirst);
      this.#seen = seen;
    } catch (error) {
      const wrapped = asMeshError(this.#options.folder, error);
      if (isFirst) throw wrapped;
      this.#options.onFailure?.(this.#options.folder, wrapped);
    }
    this.#timer = this.#clock.after(this.#options.intervalMs ?? 1000, () => this.load(false));
  }

  prefetch(identity: SpiffeId): boolean {
    return this.#held.has(identity);
  }

  get(identity: SpiffeId): Promise<HeldCertificate> {
    const held = this.peek(identity);
    if (held !== undefined) return Promise.resolve(held);
    const why = this.#held.has(identity) ? "it expired" : "there is no such file";
    const text = `Cannot use a certificate of ${identity} from "${this.#options.folder}": ${why}`;
    return Promise.reject(new MeshError("not-found", text));
  }

  peek(identity: SpiffeId): HeldCertificate | undefined {
    const held = this.#held.get(identity);
    return held !== undefined && this.#clock.nowMs() < held.notAfterMs ? held : undefined;
  }

  /** The files are the user's: what is forgotten is only what they no longer hold. */
  forget(): void {}

  onChange(listener: (identity: SpiffeId) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  states(): ReadonlyMap<SpiffeId, CertificateState> {
    const none = { failures: 0, lastError: undefined };
    return new Map(
      [...this.#held].map(([identity, certificate]) => [
        identity,
        this.peek(identity) === undefined
          ? { kind: "expired" as const, ...none }
          : { kind: "held" as const, certificate, ...none },
      ]),
    );
  }

  close(): void {
    this.#timer?.cancel();
    this.#listeners.clear();
  }

  #names(): string[] {
    const files = readdirSync(this.#options.folder).filter((file) => file.endsWith(".key"));
    const filesMax = this.#options.filesMax ?? filesMaxDefault;
    if (files.length > filesMax)
      throw new MeshError("limit-reached", `Cannot read more than ${filesMax} certificates: ${files.length}`);
    return files.map((file) => file.slice(0, -".key".length)).sort();
  }

  #stamp(file: string): string {
    const { mtimeMs, size } = statSync(join(this.#options.folder, file));
    return `${file}:${mtimeMs}:${size}`;
  }

  #read(names: readonly string[], isFirst: boolean): void {
    const rootsPem = this.#text("ca.pem");
    const found = new Set<SpiffeId>();
    for (const name of names) {
      try {
        const held = readOne({
          keyPem: this.#text(`${name}.key`),
          chainPem: this.#text(`${name}.pem`),
          rootsPem,
        });
        found.add(held.identity);
        const before = this.#held.get(held.identity);
        this.#held.set(held.identity, held);
        if (before !== undefined && before.serial !== held.serial) this.#changed(held.identity);
      } catch (error) {
        if (isFirst) throw error;
        this.#options.onFailure?.(join(this.#options.folder, name), asMeshError(name, error));
        return; // a half-written pair: its next change is read again, and what is held stays
      }
    }
    for (const identity of this.#held.keys()) {
      if (found.has(identity)) continue;
      this.#held.delete(identity);
      this.#changed(identity);
    }
  }

  #text(file: string): string {
    return readFileSync(join(this.#options.folder, file), "utf8");
  }

  #changed(identity: SpiffeId): void {
    for (const listener of this.#listeners) listener(identity);
  }
}

function readOne(parts: { keyPem: string; chainPem: string; rootsPem: string }): HeldCertificate {
  const leaf = readLeaf(parts.chainPem);
  if (!leaf.ok) throw new MeshError("bad-input", leaf.error);
  const identity = parseSpiffeId(leaf.value.extensions.altNames.uris[0] ?? "");
  if (!identity.ok) throw new MeshError("bad-input", identity.error);
  const held = readHeldCertificate(identity.value, parts);
  if (!held.ok) throw new MeshError("bad-input", held.error);
  return held.value;
}

function asMeshError(what: string, error: unknown): MeshError {
  if (error instanceof MeshError) return error;
  return new MeshError("io-failed", `Cannot read certificates of "${what}": ${errorText(error)}`, error);
}
