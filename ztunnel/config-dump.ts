/** What `/config_dump` shows, under Istio's keys, so that tools that know a ztunnel can read this one. */
import type { CertificateState } from "#host/certificates/certificate-source.ts";
import { formatSocketAddress } from "#core/address/socket-address.ts";
import { identityOf } from "#core/identity/spiffe-id.ts";
import type { Service } from "#core/mesh/service.ts";
import type { Workload } from "#core/mesh/workload.ts";
import type { LiveConnection } from "./connection-ledger.ts";
import type { LocalFacts, LocalWorkload } from "./local-workload.ts";
import type { RunningSource } from "./mesh-source.ts";
import type { Parts } from "./parts.ts";

/** Collects the dump. */
export function configDump(
  parts: Parts,
  locals: readonly LocalWorkload[],
  source: RunningSource,
  version: string,
): unknown {
  const { snapshot } = parts.mesh;
  return {
    workloads: [...snapshot.workloads.values()].map(showWorkload),
    services: [...snapshot.services.values()].map(showService),
    policies: [...snapshot.policies.byKey.values()].map(({ key, namespace, scope, action, dryRun }) => ({
      name: key.slice(key.indexOf("/") + 1),
      namespace,
      scope,
      action,
      dryRun,
    })),
    templates: [...snapshot.templates.values()].map(({ key, identity, policies, waypointIdentity }) => ({
      key,
      identity,
      policies,
      waypointIdentity,
    })),
    certificates: [...source.certificates.states()].map(([identity, state]) =>
      showCertificate(identity, state),
    ),
    workloadState: Object.fromEntries(locals.map((local) => [local.uid, showLocal(parts, local)])),
    discovery: source.status(),
    version,
    config: parts.config,
  };
}

function showWorkload(workload: Workload): unknown {
  return {
    ...workload,
    workloadIps: workload.addresses,
    protocol: workload.protocol.toUpperCase(),
    status: workload.isHealthy ? "Healthy" : "Unhealthy",
    services: Object.fromEntries(
      [...workload.services].map(([key, ports]) => [key, Object.fromEntries(ports)]),
    ),
  };
}

function showService(service: Service): unknown {
  const vips = service.addresses.map(({ network, ip }) => `${network}/${ip}`);
  return { ...service, vips, ports: Object.fromEntries(service.ports) };
}

const certificateStates = { minting: "Initializing", held: "Available", expired: "Unavailable" } as const;

function showCertificate(identity: string, state: CertificateState): unknown {
  const held = state.kind === "held" ? state.certificate : undefined;
  return {
    identity,
    state: certificateStates[state.kind],
    certChain:
      held === undefined
        ? []
        : [
            {
              pem: Buffer.from(held.chainPem).toString("base64"),
              serialNumber: held.serial,
              validFrom: new Date(held.notBeforeMs).toISOString(),
              expirationTime: new Date(held.notAfterMs).toISOString(),
            },
          ],
    failures: state.failures,
    lastError: state.lastError,
  };
}

function showLocal(parts: Parts, workload: LocalWorkload): unknown {
  const { uid } = workload;
  const live = [...parts.ledger.live].filter(({ facts }) => facts.uid === uid);
  const shown = (direction: "inbound" | "outbound"): unknown[] =>
    live.filter(({ facts }) => facts.direction === direction).map(showConnection);
  return {
    state: "Up",
    connections: { inbound: shown("inbound"), outbound: shown("outbound") },
    info: showInfo(workload.factsAt(parts.mesh.snapshot)),
  };
}

/** Undefined for a slot that is nobody's yet. */
function showInfo(facts: LocalFacts | undefined): unknown {
  if (facts === undefined) return undefined;
  const { namespace, serviceAccount } = identityOf(facts.source.identity);
  return { name: facts.party.workload, namespace, serviceAccount };
}

function showConnection({ facts }: LiveConnection): unknown {
  return {
    src: formatSocketAddress(facts.sourceAddress),
    originalDst: facts.tunnelTarget ?? formatSocketAddress(facts.destinationAddress),
    actualDst: formatSocketAddress(facts.destinationAddress),
    protocol: facts.isMutualTls ? "HBONE" : "TCP",
  };
}
