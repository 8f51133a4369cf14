/**
 * One identity's certificate over its life: minted, renewed at half of its time, served until it expires.
 *
 *   minting ──signed──▶ held ──half its time──▶ held, renewing ──signed──▶ held
 *      ▲  └─failed: back-off─┘                     └─failed until notAfter──▶ expired (still trying)
 */
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import type { Clock, Timer } from "#host/clock.ts";
import { type BackoffLimits, backoffMs } from "#host/discovery/backoff.ts";
import { errorText, MeshError, meshErrorCode } from "#host/mesh-error.ts";
import type { SignedChain } from "./authority-client.ts";
import type { CertificateState, HeldCertificate } from "./certificate-source.ts";
import { readHeldCertificate } from "./held-certificate.ts";
import { createKeyAndCsr } from "./key-and-csr.ts";

/** What one identity needs of its keeper. */
export interface KeeperPorts {
  readonly sign: (identity: SpiffeId, csrPem: string) => Promise<SignedChain>;
  /** Runs work when few enough others run. */
  readonly inTurn: (work: () => Promise<void>) => Promise<void>;
  readonly waitersMax: number;
  readonly backoff: BackoffLimits;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onFailure: ((identity: SpiffeId, error: Error, failures: number) => void) | undefined;
}

interface Waiter {
  readonly resolve: (certificate: HeldCertificate) => void;
  readonly reject: (error: Error) => void;
  readonly timer: Timer;
}

/** A certificate that comes nearly expired must not make its renewal a busy loop. */
const shortestRenewalMs = 250;

/** See the diagram; one object an identity, from the first wish for it until it is forgotten. */
export class KeptIdentity {
  readonly #identity: SpiffeId;
  readonly #ports: KeeperPorts;
  readonly #onChange: () => void;
  readonly #waiters = new Set<Waiter>();
  #certificate: HeldCertificate | undefined;
  #timer: Timer | undefined;
  #expiry: Timer | undefined;
  #failures = 0;
  #lastError: Error | undefined;
  #wasHeld = false;
  #gone = false;

  constructor(identity: SpiffeId, ports: KeeperPorts, onChange: () => void) {
    this.#identity = identity;
    this.#ports = ports;
    this.#onChange = onChange;
    this.#mint();
  }

  /** The certificate when it is good now. */
  peek(): HeldCertificate | undefined {
    const held = this.#certificate;
    return held !== undefined && this.#ports.clock.nowMs() < held.notAfterMs ? held : undefined;
  }

  /** Waits for the first certificate; a refusal or an expiry is told at once, an authority that is away is waited for. */
  wait(timeoutMs: number): Promise<HeldCertificate> {
    const held = this.peek();
    if (held !== undefined) return Promise.resolve(held);
    if (this.#wasHeld) return Promise.reject(this.#expiredError());
    if (this.#waiters.size >= this.#ports.waitersMax)
      return Promise.reject(
        new MeshError("limit-reached", `Cannot wait for the certificate of ${this.#identity}: too many wait`),
      );
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        resolve,
        reject,
        timer: this.#ports.clock.after(timeoutMs, () => {
          this.#waiters.delete(waiter);
          reject(this.#timeoutError(timeoutMs));
        }),
      };
      this.#waiters.add(waiter);
    });
  }

  state(): CertificateState {
    const lastError = this.#lastError?.message;
    const certificate = this.peek();
    const failures = this.#failures;
    if (certificate !== undefined) return { kind: "held", certificate, failures, lastError };
    return { kind: this.#wasHeld ? "expired" : "minting", failures, lastError };
  }

  /** Ends it; whoever waits is told. */
  forget(): void {
    this.#gone = true;
    this.#timer?.cancel();
    this.#expiry?.cancel();
    this.#certificate = undefined;
    this.#rejectAll(new MeshError("canceled", `Cannot get the certificate of ${this.#identity}: forgotten`));
  }

  /** A new key each time; the next attempt is only scheduled when this one has ended. The turn of work is taken from the keeper, so that few requests run at once. */
  #mint(): void {
    void this.#ports.inTurn(() => this.#mintNow());
  }

  async #mintNow(): Promise<void> {
    if (this.#gone) return;
    try {
      const { keyPem, csrPem } = createKeyAndCsr(this.#identity);
      const signed = await this.#ports.sign(this.#identity, csrPem);
      const held = readHeldCertificate(this.#identity, { keyPem, ...signed });
      if (!held.ok) throw new MeshError("protocol-violation", held.error);
      this.#minted(held.value);
    } catch (error) {
      this.#failed(error instanceof Error ? error : new Error(errorText(error)));
    }
  }

  #minted(held: HeldCertificate): void {
    if (this.#gone) return;
    const isFirst = !this.#wasHeld;
    this.#certificate = held;
    this.#wasHeld = true;
    this.#failures = 0;
    this.#lastError = undefined;
    const { clock, random } = this.#ports;
    const leftMs = held.notAfterMs - clock.nowMs();
    // Half of what is left, spread by a tenth so that what was minted together is not renewed together.
    this.#schedule(Math.max(shortestRenewalMs, leftMs * (0.45 + 0.1 * random())));
    this.#expiry?.cancel();
    this.#expiry = longTimer(this.#ports.clock, leftMs, () => this.#onChange());
    for (const waiter of this.#waiters) {
      waiter.timer.cancel();
      waiter.resolve(held);
    }
    this.#waiters.clear();
    if (!isFirst) this.#onChange();
  }

  #failed(error: Error): void {
    if (this.#gone) return;
    this.#failures++;
    this.#lastError = error;
    if (meshErrorCode(error) === "not-permitted") this.#rejectAll(error);
    this.#ports.onFailure?.(this.#identity, error, this.#failures);
    this.#schedule(backoffMs(this.#ports.backoff, this.#failures, this.#ports.random()));
  }

  #schedule(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = longTimer(this.#ports.clock, delayMs, () => this.#mint());
  }

  #rejectAll(error: Error): void {
    for (const waiter of this.#waiters) {
      waiter.timer.cancel();
      waiter.reject(error);
    }
    this.#waiters.clear();
  }

  #expiredError(): MeshError {
    const why = this.#lastError?.message ?? "the authority has not answered";
    return new MeshError(
      "unavailable",
      `Cannot use the certificate of ${this.#identity}: it expired; ${why}`,
    );
  }

  #timeoutError(timeoutMs: number): MeshError {
    const why = this.#lastError === undefined ? "" : `; ${this.#lastError.message}`;
    const text = `Cannot get the certificate of ${this.#identity}: none within ${timeoutMs} ms${why}`;
    return new MeshError("timeout", text, this.#lastError);
  }
}

/** A timer beyond the 24.8 days that the runtime's timers can count, in steps. */
function longTimer(clock: KeeperPorts["clock"], delayMs: number, action: () => void): Timer {
  const stepMax = 2 ** 31 - 1;
  let timer: Timer;
  const step = (leftMs: number): void => {
    timer = clock.after(Math.min(leftMs, stepMax), () =>
      leftMs > stepMax ? step(leftMs - stepMax) : action(),
    );
  };
  step(Math.max(0, delayMs));
  return { cancel: () => timer.cancel() };
}
