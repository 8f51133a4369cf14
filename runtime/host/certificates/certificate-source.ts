/** Certificates by identity, as tunnels ask for them; kept by a keeper (from the authority) or read from files. */
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import type { TunnelCertificate } from "#host/tunnel/tunnel.ts";

/** A certificate with its key, and how long it is good for. */
export interface HeldCertificate extends TunnelCertificate {
  /** Milliseconds since the epoch. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Lowercase hex. */
  readonly serial: string;
}

/** What an identity's certificate is doing, for `/config_dump`. */
export type CertificateState =
  | { readonly kind: "minting"; readonly failures: number; readonly lastError: string | undefined }
  | {
      readonly kind: "held";
      readonly certificate: HeldCertificate;
      readonly failures: number;
      readonly lastError: string | undefined;
    }
  | { readonly kind: "expired"; readonly failures: number; readonly lastError: string | undefined };

/** Gives certificates. */
export interface CertificateSource {
  /** Starts minting unless it is held already. @returns false when no more identities can be held. */
  prefetch(identity: SpiffeId): boolean;
  /**
   * Waits for the identity's certificate, minting it when needed.
   * @throws MeshError (rejects): `timeout`, `unavailable` when it expired and cannot be renewed, `limit-reached`,
   * `not-permitted` when the authority refuses the identity, `not-found` from files.
   */
  get(identity: SpiffeId, timeoutMs?: number): Promise<HeldCertificate>;
  /** The certificate when it is held and good now; never waits. For the turn in which a connection is accepted. */
  peek(identity: SpiffeId): HeldCertificate | undefined;
  /** Drops key and certificate and stops renewing. */
  forget(identity: SpiffeId): void;
  /** Calls back with each identity whose certificate was renewed, expired or forgotten. @returns how to stop. */
  onChange(listener: (identity: SpiffeId) => void): () => void;
  /** Everything held, by identity. */
  states(): ReadonlyMap<SpiffeId, CertificateState>;
  close(): void;
}
