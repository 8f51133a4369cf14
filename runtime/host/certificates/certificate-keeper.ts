/** Keeps the certificates of a bounded number of identities, minted by the authority on demand; keys stay in memory. */
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import { type Clock, systemClock } from "#host/clock.ts";
import type { BackoffLimits } from "#host/discovery/backoff.ts";
import { MeshError } from "#host/mesh-error.ts";
import type { SignedChain } from "./authority-client.ts";
import type { CertificateSource, CertificateState, HeldCertificate } from "./certificate-source.ts";
import { type KeeperPorts, KeptIdentity } from "./kept-identity.ts";

/** How certificates are minted and kept. */
export interface CertificateKeeperOptions {
  /** Has a request signed: an {@link AuthorityClient}'s `sign`. */
  readonly sign: (identity: SpiffeId, csrPem: string) => Promise<SignedChain>;
  /** Identities held at once. Default 4096. */
  readonly identitiesMax?: number;
  /** Requests to the authority at once. Default 8, as in Istio. */
  readonly requestsMax?: number;
  /** Callers that wait for one identity's first certificate. Default 1024. */
  readonly waitersMax?: number;
  /** Default 0.5 s doubling to 150 s. */
  readonly backoff?: BackoffLimits;
  readonly clock?: Clock;
  readonly random?: () => number;
  /** Told of each failed attempt, for logs and metrics. */
  readonly onFailure?: (identity: SpiffeId, error: Error, failures: number) => void;
}

const waitMs = 10_000;

/** Opens a keeper that holds nothing yet. */
export function openCertificateKeeper(options: CertificateKeeperOptions): CertificateSource {
  return new Keeper(options);
}

class Keeper implements CertificateSource {
  readonly #kept = new Map<SpiffeId, KeptIdentity>();
  readonly #listeners = new Set<(identity: SpiffeId) => void>();
  readonly #ports: KeeperPorts;
  readonly #identitiesMax: number;

  constructor(options: CertificateKeeperOptions) {
    this.#identitiesMax = options.identitiesMax ?? 4096;
    this.#ports = {
      sign: options.sign,
      inTurn: makeTurns(options.requestsMax ?? 8),
      waitersMax: options.waitersMax ?? 1024,
      backoff: options.backoff ?? { firstMs: 500, longestMs: 150_000, jitter: 0.2 },
      clock: options.clock ?? systemClock,
      random: options.random ?? Math.random,
      onFailure: options.onFailure,
    };
  }

  prefetch(identity: SpiffeId): boolean {
    return this.#keep(identity) !== undefined;
  }

  get(identity: SpiffeId, timeoutMs = waitMs): Promise<HeldCertificate> {
    const kept = this.#keep(identity);
    if (kept !== undefined) return kept.wait(timeoutMs);
    const text = `Cannot hold the certificate of ${identity}: ${this.#identitiesMax} identities are held already`;
    return Promise.reject(new MeshError("limit-reached", text));
  }

  peek(identity: SpiffeId): HeldCertificate | undefined {
    return this.#kept.get(identity)?.peek();
  }

  forget(identity: SpiffeId): void {
    const kept = this.#kept.get(identity);
    if (kept === undefined) return;
    this.#kept.delete(identity);
    kept.forget();
    this.#changed(identity);
  }

  onChange(listener: (identity: SpiffeId) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  states(): ReadonlyMap<SpiffeId, CertificateState> {
    return new Map([...this.#kept].map(([identity, kept]) => [identity, kept.state()]));
  }

  close(): void {
    this.#listeners.clear();
    for (const identity of this.#kept.keys()) this.forget(identity);
  }

  #keep(identity: SpiffeId): KeptIdentity | undefined {
    const known = this.#kept.get(identity);
    if (known !== undefined) return known;
    if (this.#kept.size >= this.#identitiesMax) return undefined;
    const kept = new KeptIdentity(identity, this.#ports, () => this.#changed(identity));
    this.#kept.set(identity, kept);
    return kept;
  }

  #changed(identity: SpiffeId): void {
    for (const listener of this.#listeners) listener(identity);
  }
}

/** Lets so many pieces of work run at once; the rest waits in order, bounded by the identities there are. */
function makeTurns(runningMax: number): KeeperPorts["inTurn"] {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= runningMax) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  };
}
