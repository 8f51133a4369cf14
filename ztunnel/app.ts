/** Builds ztunnel, top to bottom: the kernel, the mesh as it is known, what is counted and logged, who is served; and takes it down again. */
import { existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { SnapshotChanges } from "#core/mesh/snapshot.ts";
import { serveAdmin } from "#host/admin/admin-server.ts";
import { makeMetricsRegistry } from "#host/admin/metrics.ts";
import { type Clock, systemClock } from "#host/clock.ts";
import { freeMemoryWhenIdle } from "#host/free-memory.ts";
import { type LineSink, makeLineWriter } from "#host/line-writer.ts";
import { openLibc } from "#host/linux/libc.ts";
import { warmUp } from "#host/linux/namespaces.ts";
import { openPoller } from "#host/linux/poller.ts";
import { type Log, type LogLevel, openLog } from "#host/log.ts";
import { openSpanExporter, postToStore, type SpanExporter } from "#host/spans/span-exporter.ts";
import { makeTunnelPool } from "#host/tunnel/tunnel-pool.ts";
import { captureNamespace } from "./captures.ts";
import type { Config } from "./config.ts";
import { configDump } from "./config-dump.ts";
import { ConnectionLedger } from "./connection-ledger.ts";
import { makeDnsUpstream, readResolvers } from "#host/dns/dns-upstream.ts";
import { forgetIdentities } from "./forget-identities.ts";
import type { RunningSource } from "./mesh-source.ts";
import { makeMeshState, type MeshState } from "./mesh-state.ts";
import { makeZtunnelMetrics, type ZtunnelMetrics } from "./metrics.ts";
import type { Parts } from "./parts.ts";
import { makePods, type Pods } from "./pods.ts";
import { makeWorkloads, type Workloads } from "./workloads.ts";
import { followZds } from "./zds.ts";
import { servePods } from "./zds-pods.ts";
import { serveSlots } from "./zds-slots.ts";

/** A running ztunnel. */
export interface App {
  /** Takes nothing more, lets what is open end within the deadline, then ends it all. */
  close(): Promise<void>;
}

/** Starts it. @throws MeshError or Error when the kernel, a file or the run directory is not as it must be. */
export async function openApp(config: Config, version: string, accessLog: LineSink): Promise<App> {
  const clock = systemClock;
  const logging = { level: config.logLevel };
  const log = openProgramLog(config, logging, clock);
  const libc = openLibc();
  await warmUp();
  const hostNamespaceFd =
    config.hostNamespacePath === undefined ? libc.homeNamespace : openSync(config.hostNamespacePath, "r");

  const registry = makeMetricsRegistry();
  const metrics = makeZtunnelMetrics(registry, version);
  const mesh = makeMeshState(clock);
  const source = await openSource({ config, mesh, metrics, clock, log });
  const { certificates } = source;
  const spans = openSpans(config, log);
  const lines = makeLineWriter(accessLog, clock);
  const ledger = new ConnectionLedger({ clock, metrics, lines, spans, limits: config });
  const pool = makeTunnelPool();
  const kernel = { libc, hostNamespaceFd, clock, random: Math.random };
  const parts: Parts = { ...kernel, config, log, mesh, certificates, pool, ledger, metrics };

  const resolvers = config.resolvers.length > 0 ? config.resolvers : readResolvers(readResolvConf());
  const upstream = makeDnsUpstream({ ...kernel, resolvers });
  const workloads = makeWorkloads(parts, upstream);
  const forget = (): void =>
    forgetIdentities(certificates, mesh, [...workloads.identities, ...pods.identities]);
  const pods = makePods(parts, upstream, forget);
  certificates.onChange((identity) => pool.drain((key) => key.source === identity));
  mesh.onChange((changes) => {
    if (canChangeAccess(changes, config) || pods.isConcernedBy(changes)) ledger.review(() => mesh.snapshot);
    if ((changes.removedTemplates?.length ?? 0) > 0) forget();
  });
  registry.onCollect(() => {
    ledger.countLive();
    metrics.proxiesActive.set(workloads.size + pods.size);
    metrics.tunnelsOpen.set(pool.tunnelsOpen);
    metrics.accessLinesDropped.set(lines.dropped);
    metrics.spansDropped.set(spans?.dropped ?? 0);
  });

  const stopFreeing = freeMemoryWhenIdle({
    clock,
    workDone: () => workDone(ledger),
  });
  const local = await openLocal(parts, { workloads, pods, known: source.known });
  const admin = serveAdmin({
    socketPath: join(config.runDir, "admin", "ztunnel.sock"),
    metrics: registry,
    readiness() {
      const waitsFor = [...source.waitsFor, ...local.waitsFor()];
      return waitsFor.length === 0 ? { ready: true } : { ready: false, waitsFor };
    },
    logging,
    configDump: () => configDump(parts, [...workloads.all, ...pods.all], source, version),
  });
  log.info("ztunnel serves", { runDir: config.runDir, source: config.source.kind });
  return {
    async close() {
      stopFreeing();
      local.close();
      await drain(parts, [workloads, pods]);
      source.close();
      await Promise.all([lines.flush(), spans?.flush(1000)]);
      admin.close();
      log.info("ztunnel stopped");
    },
  };
}

/** Whether live connections must be decided again. Instances come and go all the time: what a slot lets in does not depend on them. */
function canChangeAccess(changes: SnapshotChanges, { source }: Config): boolean {
  const { policies, removedPolicies, templates, removedTemplates, workloads } = changes;
  const lists = [policies, removedPolicies, templates, removedTemplates];
  return lists.some((list) => (list?.length ?? 0) > 0) || (source.kind === "file" && workloads !== undefined);
}

/** Connections and, for those that stay, their bytes: 64 KiB of them leave about what a connection does. */
function workDone(ledger: ConnectionLedger): number {
  ledger.countLive();
  return ledger.connectionsEnded + Math.floor(ledger.bytesCarried / 65_536);
}

/** What takes no more is told at once; what is open has until the deadline. */
async function drain(parts: Parts, tables: readonly Pick<Pods, "drain" | "close">[]): Promise<void> {
  const { ledger, config, clock } = parts;
  for (const table of tables) table.drain();
  parts.pool.drain(() => true);
  const deadlineMs = clock.monotonicMs() + config.drainMs;
  const stepMs = 20;
  while (ledger.openCount > 0 && clock.monotonicMs() < deadlineMs) await Bun.sleep(stepMs);
  for (const table of tables) table.close("connection closed due to connection drain");
  parts.pool.close(() => true);
}

/** Each source is loaded when it is the one: gRPC alone costs 15 MB. */
async function openSource(options: {
  readonly config: Config;
  readonly mesh: MeshState;
  readonly metrics: ZtunnelMetrics;
  readonly clock: Clock;
  readonly log: Log;
}): Promise<RunningSource> {
  const { source } = options.config;
  if (source.kind === "file") return (await import("./file-source.ts")).openFileSource(source, options);
  return (await import("./control-plane-source.ts")).openControlPlaneSource(source, options);
}

/** Who takes local workloads, and when. */
interface LocalTables {
  readonly workloads: Workloads;
  readonly pods: Pods;
  readonly known: Promise<void>;
}

/** Where local workloads come from. */
interface Local {
  /** What was not told of yet. */
  waitsFor(): readonly string[];
  close(): void;
}

/** The local workloads: those that the node runtime and the node hand over, or the captures of the file mode. */
async function openLocal(parts: Parts, { workloads, pods, known }: LocalTables): Promise<Local> {
  const { source } = parts.config;
  const { libc, clock, log, random } = parts;
  if (source.kind === "file") {
    const releases = source.captures.map((capture) => captureNamespace(parts, workloads, capture));
    return { waitsFor: () => [], close: () => releases.forEach((release) => release()) };
  }
  const poller = await openPoller(libc);
  const common = { libc, poller, clock, log, random };
  const slots = {
    node: "node runtime",
    path: source.zdsPath,
    served: serveSlots(workloads),
    isOptional: false,
  };
  const ofSlots = followZds({ ...common, ...slots });
  const enrolled = { node: "node", path: source.podsPath, served: servePods(pods), isOptional: true };
  // A Pod that is served before the mesh is known would be carried in the plain to those who have tunnels.
  const ofPods = followZds({ ...common, ...enrolled }, known);
  return {
    waitsFor() {
      const isWithoutPods = ofPods.isSynced || !existsSync(source.podsPath);
      return [
        ...(ofSlots.isSynced ? [] : ["the node's workloads"]),
        ...(isWithoutPods ? [] : ["the node's Pods"]),
      ];
    },
    close() {
      ofSlots.close();
      ofPods.close();
      poller.close();
    },
  };
}

function openSpans(config: Config, log: Log): SpanExporter | undefined {
  if (config.source.kind === "file") return undefined;
  return openSpanExporter({
    resource: { service: "ztunnel", instance: config.node },
    post: postToStore(config.runDir, "ztunnel"),
    onLost: (spans, reason) => log.debug("spans lost", { spans, reason }),
  });
}

function openProgramLog(config: Config, logging: { readonly level: LogLevel }, clock: Clock): Log {
  return openLog({
    program: "ztunnel",
    format: config.logFormat,
    write: (line) => void process.stderr.write(line),
    nowMs: () => clock.nowMs(),
    get level() {
      return logging.level;
    },
  });
}

function readResolvConf(): string {
  try {
    return readFileSync("/etc/resolv.conf", "utf8");
  } catch {
    return ""; // a machine without a resolver: names outside the mesh then fail one by one, with their reason
  }
}
