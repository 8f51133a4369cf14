/** The program's admin socket: metrics, readiness, and what it holds of the mesh. */
import { serveAdmin } from "#host/admin/admin-server.ts";
import type { CertificateSource } from "#host/certificates/certificate-source.ts";
import type { Snapshot } from "./configuration.ts";
import type { Readiness } from "./readiness.ts";
import type { AppPorts, Self } from "./self.ts";
import type { Telemetry } from "./telemetry.ts";

/** Serves it. */
export function openAdmin(
  self: Self,
  { config, logging }: AppPorts,
  parts: {
    readonly telemetry: Telemetry;
    readonly readiness: Readiness;
    /** As it is now. */
    readonly held: { readonly snapshot: Snapshot };
    readonly certificates: CertificateSource;
  },
): Disposable & { close(): void } {
  const program = self.kind === "edge" ? "edge" : `waypoint.${self.namespace}.${self.name}`;
  return serveAdmin({
    socketPath: `${config.runDir}/admin/${program}.sock`,
    metrics: parts.telemetry.registry,
    logging,
    readiness: () => parts.readiness.state(),
    configDump: () => dump(parts.held.snapshot, parts.certificates),
  });
}

function dump(snapshot: Snapshot, certificates: CertificateSource): unknown {
  return {
    waypoint: snapshot.waypoint,
    problems: snapshot.table.problems,
    policies: Array.from(snapshot.policies.byKey.values(), ({ key }) => key),
    certificates: [...certificates.states()].map(([identity, state]) => ({
      identity,
      state: state.kind,
      ...(state.kind === "held"
        ? { serial: state.certificate.serial, notAfterMs: state.certificate.notAfterMs }
        : {}),
    })),
  };
}
