/** Where a mesh comes from, as ztunnel's parts see it: the state is kept up to date, certificates are given. */
import type { CertificateSource } from "#host/certificates/certificate-source.ts";

/** A source that runs. */
export interface RunningSource {
  readonly certificates: CertificateSource;
  /** What it still waits for before the mesh is known; empty when it is. */
  readonly waitsFor: readonly string[];
  /** Settles when it is known for the first time; never rejects. */
  readonly known: Promise<void>;
  /** Figures for `/config_dump`. */
  status(): unknown;
  close(): void;
}
