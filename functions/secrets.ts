/** What a revision finds in `env`: its variables and the secrets it names, read from the API and held in memory only. */
import { isNotFound } from "#host/kube/kube-error.ts";
import type { KubeClient } from "#host/kube/kube-client.ts";
import { secretResource } from "#host/kube/known-resources.ts";
import type { Clock } from "#host/clock.ts";
import { errorText, MeshError } from "#host/mesh-error.ts";
import type { Revision } from "./revision.ts";

/** What reading secrets needs. */
export interface SecretsOptions {
  readonly api: Pick<KubeClient, "get">;
  readonly clock: Clock;
  /** A secret read within this time is not read again: one burst of activations asks once. Default 1000. */
  readonly freshMs: number;
  /** How long an activation waits for the API before it takes the values known last. Default 250. */
  readonly waitMs: number;
}

type SecretData = Readonly<Record<string, string>>;

interface Known {
  readonly data: SecretData;
  readonly readAtMs: number;
}

/** See the file's opening. */
export class Secrets {
  readonly #options: SecretsOptions;
  readonly #known = new Map<string, Known>();

  constructor(options: SecretsOptions) {
    this.#options = options;
  }

  /**
   * The whole `env` of a revision's instance.
   * @throws MeshError `bad-input` when a secret or its key is not there, `unavailable` when it was never read and the API does not answer
   */
  async resolveEnv(revision: Revision): Promise<Readonly<Record<string, string>>> {
    const references = Object.entries(revision.spec.secrets);
    if (references.length === 0) return revision.spec.env;
    const names = new Set(references.map(([, { secret }]) => secret));
    const read = await Promise.all(
      [...names].map(async (name) => [name, await this.#read(revision.namespace, name)] as const),
    );
    const secrets = new Map(read);
    const env: Record<string, string> = { ...revision.spec.env };
    for (const [variable, { secret, key }] of references) {
      const value = secrets.get(secret)?.[key];
      if (value === undefined) {
        const keys = Object.keys(secrets.get(secret) ?? {}).join(", ") || "none";
        throw new MeshError(
          "bad-input",
          `Cannot set ${variable} from key "${key}" of Secret ${revision.namespace}/${secret}: it has the keys ${keys}`,
        );
      }
      env[variable] = value;
    }
    return env;
  }

  /** Forgets the secrets of a namespace that no revision names any more. */
  forgetAllBut(inUse: ReadonlySet<string>): void {
    for (const key of this.#known.keys()) if (!inUse.has(key)) this.#known.delete(key);
  }

  async #read(namespace: string, name: string): Promise<SecretData> {
    const key = `${namespace}/${name}`;
    const known = this.#known.get(key);
    if (known === undefined) return this.#fetch(namespace, name);
    if (this.#options.clock.monotonicMs() - known.readAtMs < this.#options.freshMs) return known.data;
    const late = Promise.withResolvers<SecretData>();
    const timer = this.#options.clock.after(this.#options.waitMs, () => late.resolve(known.data));
    try {
      return await Promise.race([this.#fetch(namespace, name), late.promise]);
    } catch (error) {
      if (error instanceof MeshError && error.code === "bad-input") throw error;
      return known.data; // the API is away: what was known last serves on
    } finally {
      timer.cancel();
    }
  }

  async #fetch(namespace: string, name: string): Promise<SecretData> {
    const key = `${namespace}/${name}`;
    try {
      const secret = await this.#options.api.get(secretResource, { namespace, name });
      const data = Object.fromEntries(
        Object.entries(secret.data ?? {}).map(([field, value]) => [
          field,
          Buffer.from(value, "base64").toString("utf8"),
        ]),
      );
      this.#known.set(key, { data, readAtMs: this.#options.clock.monotonicMs() });
      return data;
    } catch (error) {
      if (!isNotFound(error))
        throw new MeshError("unavailable", `Cannot read Secret ${key}: ${errorText(error)}`, error);
      this.#known.delete(key);
      throw new MeshError(
        "bad-input",
        `Cannot read Secret ${key}: it does not exist; create it and deploy again`,
        error,
      );
    }
  }
}
