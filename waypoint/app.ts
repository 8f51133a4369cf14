/** Builds a waypoint or edge: every long-lived part, in reading order. When it starts and stops is its caller's. */
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import type { ServiceEntry } from "#core/routing/service-table.ts";
import { serveAdmin } from "#host/admin/admin-server.ts";
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
import { type AppPorts, identityOf, type Self } from "./self.ts";
import { openTelemetry, type Telemetry } from "./telemetry.ts";
import { boundedSampler, samplesAsAsked } from "./trace.ts";
import { openUpstreams, type Upstreams } from "./upstreams.ts";

/** Longest wait for the control plane before a program gives up. */
const readyMs = 15_000;
const flushMs = 1000;
/** Longest that a request waits for endpoints to be known at all. */
const endpointsWaitMs = 2000;
/** A client of which nothing is known but its node. */
const nowhere = { locality: { region: "", zone: "", subzone: "" }, clusterId: "Kubernetes", network: "" };

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
  const connections = new Connections({
    clock,
    connectionsMax: config.limits.connectionsMax,
    idleMs: config.limits.connectionIdleMs,
  });
  const exchanges = openExchanges(self, ports, telemetry);
  const run = pipelineOf(self, ports, { own, held, upstreams });
  follow(self, ports, { held, readiness, connections });
  const admin = openAdmin(self, ports, { telemetry, readiness, held, certificates });
  declareGauges(telemetry.registry, {
    openRequests: () => exchanges.open,
    openConnections: () => connections.count,
    leasedInstances: () => upstreams.leases.instances,
    logLinesDropped: () => ports.lines.dropped,
    spansDropped: () => telemetry.spans.dropped,
  });
  const stopFreeing = freeBetweenBursts(clock, exchanges);
  const snapshot = (): Snapshot => held.snapshot;
  const entry = { own, connections, exchanges, run, snapshot, log, certificates, ...upstreams };
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
      if (exchanges.open > 0 || inUse > 0 || instances > 0) return undefined;
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
  { config, clock, log, random, control }: AppPorts,
  parts: { readonly own: SpiffeId; readonly held: Held; readonly upstreams: Upstreams },
): (exchange: Exchange) => Promise<void> {
  const { own, held, upstreams } = parts;
  const { endpoints } = control.mesh;
  const place = { ...nowhere, node: config.node };
  const options: PipelineOptions = {
    own,
    ...upstreams,
    clock,
    random,
    endpointFor: ({ service, upstream }, backend) =>
      endpoints.destinationOf({ backend, port: service.port, avoid: upstream?.ip, pick: random() }, place),
    endpointsKnown: () => endpoints.whenKnown(clock, endpointsWaitMs),
    attemptsMax: config.limits.attemptsMax,
    policiesOf: (service: ServiceEntry) => policiesOf(held.snapshot, service),
    onFault: (error) => log.error("stage failed", { error: error.message, stack: error.stack }),
  };
  return makePipeline(self.kind === "edge" ? edgeStages(options) : waypointStages(options), options);
}

function follow(
  self: Self,
  { control, log }: AppPorts,
  parts: { readonly held: Held; readonly readiness: Readiness; readonly connections: Connections },
): void {
  const { held, readiness, connections } = parts;
  control.mesh.follow(`${self.namespace}/${self.name}`, {
    onSynced: () => readiness.reach("policies"),
    onSnapshot(snapshot) {
      held.snapshot = snapshot;
      if (snapshot.waypoint !== undefined) readiness.reach("configuration");
      for (const problem of snapshot.table.problems) log.warn("configuration not understood", { problem });
      if (self.kind === "waypoint") connections.cutDenied((exchange) => isNowDenied(exchange, snapshot));
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

function openAdmin(
  self: Self,
  { config, logging }: AppPorts,
  parts: {
    readonly telemetry: Telemetry;
    readonly readiness: Readiness;
    readonly held: Held;
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
