/** Builds a waypoint or edge: every long-lived part, in reading order. When it starts and stops is its caller's. */
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import type { ServiceEntry } from "#core/routing/service-table.ts";
import { openCertificateKeeper } from "#host/certificates/certificate-keeper.ts";
import type { CertificateSource } from "#host/certificates/certificate-source.ts";
import type { Clock } from "#host/clock.ts";
import { fileCertificates } from "#host/certificates/file-certificates.ts";
import { freeMemoryWhenIdle } from "#host/free-memory.ts";
import { decideCaller } from "./authorize.ts";
import { emptySnapshot, policiesOf, type Snapshot } from "./configuration.ts";
import { Connections } from "./connections.ts";
import { type Entrance, openEntrance } from "./entrance.ts";
import type { Exchange } from "./exchange.ts";
import { Exchanges } from "./exchanges.ts";
import { declareGauges } from "./metrics.ts";
import { edgeStages, makePipeline, type PipelineOptions, waypointStages } from "./pipeline.ts";
import { Readiness } from "./readiness.ts";
import { endpointPorts, openPassThroughs } from "./open-pass-throughs.ts";
import type { PassThroughs } from "./pass-through.ts";
import { type AppPorts, identityOf, type Self } from "./self.ts";
import { openAdmin } from "./serve-admin.ts";
import { openTelemetry, type Telemetry } from "./telemetry.ts";
import { boundedSampler, samplesAsAsked } from "./trace.ts";
import { openUpstreams, type Upstreams } from "./upstreams.ts";

/** Longest wait for the control plane before a program gives up. */
const readyMs = 15_000;
const flushMs = 1000;

/** A program that runs. */
export interface App {
  /** How long it may be idle before it sleeps; 0 for ever. */
  readonly idleMs: number;
  /** Resolves once configuration, policies and certificate are held. @throws MeshError `timeout` (rejects) */
  ready(): Promise<void>;
  /** Starts accepting. @returns the port, where it was chosen here. */
  listen(): number | undefined;
  /** Milliseconds since the last request, while none is under way and no instance is leased; else undefined. */
  idleForMs(): number | undefined;
  /** Sends spans and lines that wait. */
  flush(): Promise<void>;
  /** Accepts nothing more; idle connections are closed, others after their response. Resolves when all are, or after `drainMs`. */
  drain(): Promise<void>;
  /** Gives up the admin socket: its path is the successor's from now on. */
  closeAdmin(): void;
  /** Closes everything now. */
  close(): void;
}

/** What the parts share: the state of the mesh as it is now. */
interface Held {
  snapshot: Snapshot;
}

/** Builds everything; nothing is accepted yet. */
export function openApp(self: Self, ports: AppPorts): App {
  const { config, clock, log } = ports;
  const own = identityOf(self, config);
  const held: Held = { snapshot: emptySnapshot };
  const readiness = new Readiness(clock, (need, afterMs) => log.debug("reached", { need, afterMs }));
  const telemetry = openTelemetry(self, ports);
  const certificates = openCertificates(ports, { own, readiness });
  const upstreams = openUpstreams(self, ports, certificates, { telemetry, own });
  const { connectionsMax, connectionIdleMs: idleMs } = config.limits;
  const connections = new Connections({ clock, connectionsMax, idleMs });
  const exchanges = openExchanges(self, ports, telemetry);
  const run = pipelineOf(self, ports, { own, held, upstreams });
  const passThroughs = openPassThroughs(ports, held, upstreams);
  follow(self, ports, { held, readiness, connections, passThroughs });
  const admin = openAdmin(self, ports, { telemetry, readiness, held, certificates });
  declareGauges(telemetry.registry, {
    openRequests: () => exchanges.open,
    openConnections: () => connections.count + passThroughs.count,
    leasedInstances: () => upstreams.leases.instances,
    logLinesDropped: () => ports.lines.dropped,
    spansDropped: () => telemetry.spans.dropped,
  });
  const stopFreeing = freeBetweenBursts(clock, exchanges);
  const snapshot = (): Snapshot => held.snapshot;
  const serving = { connections, exchanges, passThroughs, run, snapshot };
  const entry = { own, ...serving, log, clock, certificates, ...upstreams };
  let entrance: Entrance | undefined;
  return {
    get idleMs() {
      return Number(held.snapshot.waypoint?.idleMs ?? 0n);
    },
    ready: () => readiness.reached(readyMs),
    listen() {
      if (self.kind === "waypoint") upstreams.node.connect();
      entrance = openEntrance(self, entry);
      exchanges.touch();
      return entrance.port;
    },
    idleForMs() {
      const { inUse, instances } = upstreams.leases;
      if (exchanges.open > 0 || inUse > 0 || instances > 0 || passThroughs.count > 0) return undefined;
      return clock.monotonicMs() - exchanges.lastOverMs;
    },
    async flush() {
      await Promise.all([telemetry.spans.flush(flushMs), ports.lines.flush()]);
    },
    async drain() {
      entrance?.drain();
      connections.drain();
      upstreams.leases.releaseIdle();
      const isOver = (): boolean => connections.count === 0 && (entrance?.tunnelsOpen ?? 0) === 0;
      await until(clock, config.limits.drainMs, isOver);
    },
    closeAdmin: () => admin.close(),
    close() {
      stopFreeing();
      entrance?.close();
      connections.cut();
      passThroughs.cut();
      upstreams.pool.closeIdle();
      upstreams.tunnels.close(() => true);
      upstreams.node.close();
      certificates.close();
      ports.control.close();
      telemetry.spans.close();
      admin.close();
    },
  };
}

function openCertificates(
  ports: AppPorts,
  { own, readiness }: { readonly own: SpiffeId; readonly readiness: Readiness },
): CertificateSource {
  const { log } = ports;
  const certificates = certificatesOf(ports);
  certificates.get(own, readyMs).then(
    () => readiness.reach("certificate"),
    (error: Error) => log.error("no certificate", { identity: own, error: error.message }),
  );
  return certificates;
}

/** The program's own key, signed by the authority and renewed; or a folder's. */
function certificatesOf({ config, control, clock, log }: AppPorts): CertificateSource {
  const { authority } = control;
  if (authority === undefined) {
    return fileCertificates({
      folder: config.certificatesFolder,
      clock,
      onFailure: (path, error) => log.warn("certificate not read", { path, error: error.message }),
    });
  }
  return openCertificateKeeper({
    sign: (identity, csrPem) => authority.sign(identity, csrPem),
    clock,
    onFailure: (identity, error) => log.warn("certificate not minted", { identity, error: error.message }),
  });
}

function openExchanges(self: Self, { config, clock }: AppPorts, telemetry: Telemetry): Exchanges {
  const { samplesPerSecond, requestsMax } = config.limits;
  return new Exchanges({
    clock,
    ids: telemetry.ids,
    metrics: telemetry.metrics,
    sampler:
      self.kind === "edge" ? boundedSampler(samplesPerSecond, () => clock.monotonicMs()) : samplesAsAsked,
    log: telemetry.access,
    record: (span) => telemetry.spans.record(span),
    requestsMax,
  });
}

function pipelineOf(
  self: Self,
  ports: AppPorts,
  parts: { readonly own: SpiffeId; readonly held: Held; readonly upstreams: Upstreams },
): (exchange: Exchange) => Promise<void> {
  const { own, held, upstreams } = parts;
  const { config, clock, log, random } = ports;
  const options: PipelineOptions = {
    own,
    ...upstreams,
    clock,
    random,
    ...endpointPorts(ports),
    attemptsMax: config.limits.attemptsMax,
    policiesOf: (service: ServiceEntry) => policiesOf(held.snapshot, service),
    onFault: (error) => log.error("stage failed", { error: error.message, stack: error.stack }),
  };
  return makePipeline(self.kind === "edge" ? edgeStages(options) : waypointStages(options), options);
}

function follow(
  self: Self,
  { control, log }: AppPorts,
  parts: {
    readonly held: Held;
    readonly readiness: Readiness;
    readonly connections: Connections;
    readonly passThroughs: PassThroughs;
  },
): void {
  const { held, readiness, connections, passThroughs } = parts;
  control.mesh.follow(`${self.namespace}/${self.name}`, {
    onSynced: () => readiness.reach("policies"),
    onSnapshot(snapshot) {
      held.snapshot = snapshot;
      if (snapshot.waypoint !== undefined) readiness.reach("configuration");
      for (const problem of snapshot.table.problems) log.warn("configuration not understood", { problem });
      if (self.kind === "edge") return;
      connections.cutDenied((exchange) => isNowDenied(exchange, snapshot));
      passThroughs.cutDenied();
    },
  });
}

/** Whether an exchange under way would not be admitted any more; a service that is gone lets its last requests end. */
function isNowDenied(exchange: Exchange, snapshot: Snapshot): boolean {
  const service = snapshot.table.byAuthority.get(exchange.service.authority);
  if (service === undefined) return false;
  const verdict = decideCaller(exchange.caller, service, policiesOf(snapshot, service));
  if (verdict.kind === "allowed") return false;
  exchange.flag = "DP";
  exchange.detail = "cut by a change of policy";
  exchange.policy = verdict.policies.join(",");
  return true;
}

async function until(clock: Clock, withinMs: number, isOver: () => boolean): Promise<void> {
  const untilMs = clock.monotonicMs() + withinMs;
  while (!isOver() && clock.monotonicMs() < untilMs) {
    const waited = Promise.withResolvers<void>();
    clock.after(10, () => waited.resolve());
    await waited.promise;
  }
}

function freeBetweenBursts(clock: Clock, exchanges: Exchanges): () => void {
  return freeMemoryWhenIdle({
    clock,
    workDone: () => exchanges.finished,
    isBusy: () => exchanges.open > 0,
  });
}
