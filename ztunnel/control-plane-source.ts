/** The mesh by discovery and certificates from the authority, over the control plane's socket. */
import { openAuthorityClient } from "#host/certificates/authority-client.ts";
import { openCertificateKeeper } from "#host/certificates/certificate-keeper.ts";
import type { CertificateSource } from "#host/certificates/certificate-source.ts";
import type { Clock } from "#host/clock.ts";
import { type DiscoveryState, openDiscovery } from "#host/discovery/open-discovery.ts";
import type { Log } from "#host/log.ts";
import type { Config, MeshSource } from "./config.ts";
import type { RunningSource } from "./mesh-source.ts";
import type { MeshState } from "./mesh-state.ts";
import { meshWatches } from "./mesh-updates.ts";
import type { ZtunnelMetrics } from "./metrics.ts";

/** What the source works with. */
export interface ControlPlaneParts {
  readonly config: Config;
  readonly mesh: MeshState;
  readonly metrics: ZtunnelMetrics;
  readonly clock: Clock;
  readonly log: Log;
}

/** Starts following; returns at once. */
export function openControlPlaneSource(
  source: Extract<MeshSource, { kind: "control-plane" }>,
  { config, mesh, metrics, clock, log }: ControlPlaneParts,
): RunningSource {
  const authority = openAuthorityClient({ channel: source.authority });
  const certificates = openCertificateKeeper({
    sign: (identity, csr) => authority.sign(identity, csr),
    clock,
    onFailure: (identity, error, failures) =>
      log.warn("certificate not minted", { identity, error: error.message, failures }),
  });
  const known = Promise.withResolvers<void>();
  const discovery = openDiscovery({
    channel: source.ads,
    nodeId: `ztunnel~127.0.0.1~${config.node}.lambient-system~lambient-system.svc.${config.domain}`,
    types: meshWatches(mesh, () => prefetchTemplates(mesh, certificates)),
    onState(state) {
      if (state.kind === "synced") known.resolve();
      report(state, metrics, log);
    },
    clock,
  });
  return {
    certificates,
    known: known.promise,
    get waitsFor() {
      return discovery.isSynced ? [] : ["discovery"];
    },
    status: () => discovery.status(),
    close() {
      discovery.close();
      certificates.close();
      authority.close();
    },
  };
}

/** A revision's certificate is minted at deploy, so that no activation waits for it. */
function prefetchTemplates(mesh: MeshState, certificates: CertificateSource): void {
  for (const { identity } of mesh.snapshot.templates.values()) certificates.prefetch(identity);
}

function report(state: DiscoveryState, metrics: ZtunnelMetrics, log: Log): void {
  if (state.kind === "synced") log.info("mesh known");
  if (state.kind !== "disconnected") return;
  metrics.xdsTerminations({ reason: "ConnectionError" }).add();
  log.warn("discovery not connected", { reason: state.reason, retryInMs: Math.round(state.retryInMs) });
}
