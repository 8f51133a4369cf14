/** What every verb of ztunnel works with; built once by app.ts. */
import type { CertificateSource } from "#host/certificates/certificate-source.ts";
import type { Clock } from "#host/clock.ts";
import type { Libc } from "#host/linux/libc.ts";
import type { Log } from "#host/log.ts";
import type { TunnelPool } from "#host/tunnel/tunnel-pool.ts";
import type { Config } from "./config.ts";
import type { ConnectionLedger } from "./connection-ledger.ts";
import type { MeshState } from "./mesh-state.ts";
import type { ZtunnelMetrics } from "./metrics.ts";

/** The parts of a running ztunnel. */
export interface Parts {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
  readonly libc: Libc;
  readonly mesh: MeshState;
  readonly certificates: CertificateSource;
  readonly pool: TunnelPool;
  readonly ledger: ConnectionLedger;
  readonly metrics: ZtunnelMetrics;
  /** The namespace from which the world outside the mesh is reached. */
  readonly hostNamespaceFd: number;
  /** In [0, 1). */
  readonly random: () => number;
}
