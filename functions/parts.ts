/** The parts of the node runtime and how they hang together, without what serves or follows anything; ended in an order that lets work finish. */
import { join } from "node:path";
import { makeMetricsRegistry, type MetricsRegistry } from "#host/admin/metrics.ts";
import type { Clock } from "#host/clock.ts";
import type { KubeClient } from "#host/kube/kube-client.ts";
import type { Log } from "#host/log.ts";
import { postToStore } from "#host/spans/span-exporter.ts";
import { makeSpanIds } from "#host/spans/span-ids.ts";
import type { OutputLine } from "#isolate/output.ts";
import { defaultPoolOptions } from "#isolate/pool.ts";
import { Activator } from "./activation/activator.ts";
import { Instances } from "./activation/instances.ts";
import type { LoadRequest } from "./activation/slot-port.ts";
import { apiBundles } from "./api-bundles.ts";
import { BundleCache } from "./bundles.ts";
import type { CheckDependencies } from "./check.ts";
import type { Config } from "./config.ts";
import type { Engine } from "./engine.ts";
import { EngineSlots } from "./engine-slots.ts";
import { FunctionSpans, type SpanOwner } from "./function-spans.ts";
import { LogStore } from "./logs/log-store.ts";
import { type NodeFacts, type NodeMetrics, openMetrics, registerFacts } from "./metrics.ts";
import { releaseCheck } from "./release-check.ts";
import { Revisions } from "./revisions.ts";
import { Schedules } from "./schedules/schedules.ts";
import { Secrets } from "./secrets.ts";
import { GenericPool } from "./waypoints/generic-pool.ts";
import { tunnelListeners } from "./waypoints/tunnel-listener.ts";
import { waypointStarter } from "./waypoints/waypoint-process.ts";
import { Waypoints } from "./waypoints/waypoints.ts";
import { ZdsServer } from "./zds/zds-server.ts";

/** What parts are built from. */
export interface PartsOptions {
  readonly config: Config;
  readonly engine: Engine;
  readonly api: KubeClient;
  readonly clock: Clock;
  readonly log: Log;
}

/** See the file's opening. */
export interface Parts {
  readonly trustDomain: string;
  readonly registry: MetricsRegistry;
  readonly metrics: NodeMetrics;
  readonly logs: LogStore;
  readonly zds: ZdsServer;
  readonly slots: EngineSlots;
  readonly revisions: Revisions;
  readonly instances: Instances;
  readonly activator: Activator;
  readonly schedules: Schedules;
  readonly generic: GenericPool;
  readonly waypoints: Waypoints;
  readonly checks: CheckDependencies;
  close(): Promise<void>;
}

const mebibyte = 1 << 20;
const bundleLimits = { bytesMax: 16 * mebibyte, totalBytesMax: 1024 * mebibyte };
const logLimits = {
  folder: { fileBytesMax: mebibyte, filesMax: 4 },
  totalBytesMax: 256 * mebibyte,
  waitersMax: 256,
};
/** Deadline of ZDS for every request; one ztunnel that serves and a few that drain. */
const zdsLimits = { deadlineMs: 5000, connectionsMax: 8 };
const secretLimits = { freshMs: 1000, waitMs: 250 };
const failure = { firstMs: 250, mostMs: 10_000 };
const waypointBackoff = { firstMs: 100, mostMs: 10_000 };
const refillDelayMs = 250;
const waypointLimits = { bootTimeoutMs: 10_000, stopMs: 5000 };
const scheduledRunTimeoutMs = 300_000;
/** How long an instance that stops may finish what it has begun. */
const graceMs = 5000;
/** Shorter than the engine's own 30 s: the range is small, and ztunnel is told when a slot is gone. */
const quarantineMs = 10_000;

/** Builds them; nothing runs yet. */
export function buildParts(options: PartsOptions): Parts {
  const registry = makeMetricsRegistry();
  const metrics = openMetrics(registry);
  const stores = buildStores(options, metrics);
  const places = buildSlots(options, stores);
  const running = buildActivation(options, { metrics, stores, slots: places.slots });
  const schedules = buildSchedules(options, { metrics, stores, ...running });
  const waking = buildWaypoints(options, metrics);
  const checks = { ...stores.content, slots: places.slots };
  const parts = { registry, metrics, ...stores, ...places, ...running, ...waking, schedules, checks };
  registerFacts(registry, () => readFacts(parts));
  return { ...parts, trustDomain: options.config.trustDomain, close: () => closeParts(parts) };
}

interface Stores {
  readonly logs: LogStore;
  readonly spans: FunctionSpans;
  readonly bundles: BundleCache;
  readonly secrets: Secrets;
  /** What activations and checks read of the two. */
  readonly content: Omit<CheckDependencies, "slots">;
}

function buildStores({ config, api, clock, log }: PartsOptions, metrics: NodeMetrics): Stores {
  const bundlesPath = join(config.dataDir, "node", "bundles");
  const bundles = new BundleCache({ path: bundlesPath, source: apiBundles(config.runDir), ...bundleLimits });
  const secrets = new Secrets({ api, clock, ...secretLimits });
  return {
    logs: new LogStore({ path: join(config.dataDir, "logs"), clock, log, ...logLimits }),
    spans: new FunctionSpans({
      post: postToStore(config.runDir, "node-runtime"),
      onLost: (count) => metrics.spansDropped(count),
      node: config.node,
    }),
    bundles,
    secrets,
    content: {
      readBundle: (digest) => bundles.read(digest),
      resolveEnv: (revision) => secrets.resolveEnv(revision),
    },
  };
}

function buildSlots(
  { config, engine, clock, log }: PartsOptions,
  { logs, spans }: Stores,
): { readonly zds: ZdsServer; readonly slots: EngineSlots } {
  const zds = new ZdsServer({ clock, log, ...zdsLimits });
  const { poolSize: size, slotRange: range, nameserver } = config;
  const slots = new EngineSlots({
    host: engine.host,
    pool: { ...defaultPoolOptions, quarantineMs, size, range, nameserver },
    zds,
    clock,
    log,
    graceMs,
    onLine: (request, line) => keepLine(logs, request, line),
    onSpan: (request, span) => spans.recordRequest(ownerOf(request, request.instance), span),
  });
  return { zds, slots };
}

interface Activation {
  readonly revisions: Revisions;
  readonly instances: Instances;
  readonly activator: Activator;
}

function buildActivation(
  { config, clock, log }: PartsOptions,
  given: { readonly metrics: NodeMetrics; readonly stores: Stores; readonly slots: EngineSlots },
): Activation {
  const { metrics, stores, slots } = given;
  const { bundles, secrets, spans, content } = stores;
  const instances = new Instances({
    clock,
    log,
    onGone(instance, reason) {
      metrics.instanceGone(reason);
      log.info("instance gone", { instance: instance.id, namespace: instance.revision.namespace, reason });
      void spans.close(instance.id);
    },
  });
  const revisions: Revisions = new Revisions({
    log,
    findRefusal: releaseCheck(config.runDir),
    prefetch: async (revision) => {
      await Promise.all([bundles.ensure(revision.spec.bundle), secrets.resolveEnv(revision)]);
    },
    onDeleted({ uid }) {
      activator.forget(uid);
      void instances.stopRevision(uid);
      bundles.prune(revisions.bundlesInUse());
      secrets.forgetAllBut(revisions.secretsInUse());
    },
  });
  const activator = new Activator({
    ...content,
    slots,
    clock,
    log,
    revisions,
    instances,
    failure,
    newInstanceId: ({ name }) => `${name}-${randomSuffix()}`,
    onStarted(outcome, tookMs) {
      if (outcome.kind === "started") metrics.started(outcome.instance.rung, tookMs);
    },
  });
  return { revisions, instances, activator };
}

function buildSchedules(
  { clock, log }: PartsOptions,
  given: Activation & { readonly metrics: NodeMetrics; readonly stores: Stores },
): Schedules {
  const { activator, instances, metrics, stores } = given;
  const ids = makeSpanIds();
  return new Schedules({
    clock,
    log,
    activate: (revision, holder) => activator.activate({ revision, isFurther: false, holder }),
    release: (instance, holder) => instances.release(instance, holder),
    newTrace: () => ids.childOf(undefined),
    record(span, activation) {
      if (activation === undefined) return;
      const { id, revision } = activation.instance;
      stores.spans.record(ownerOf({ ...revision, revision: revision.name }, id), span);
    },
    onRun: (result) => metrics.scheduledRun(result),
    runTimeoutMs: scheduledRunTimeoutMs,
  });
}

function buildWaypoints(
  { config, engine, clock, log }: PartsOptions,
  metrics: NodeMetrics,
): { readonly generic: GenericPool; readonly waypoints: Waypoints } {
  const { libc, poller } = engine;
  const { waypointEntry: entry, commonFlags: flags } = config;
  const env = { ...waypointEnvironment, PATH: "/usr/bin:/bin", HOME: "/" };
  const start = waypointStarter({ libc, poller, clock, entry, flags, env, ...waypointLimits });
  const generic = new GenericPool({ start, clock, log, backoff: waypointBackoff, refillDelayMs });
  const waypoints = new Waypoints({
    take: () => generic.take(),
    openListener: tunnelListeners(libc, poller),
    ownerPid: process.pid,
    clock,
    log,
    backoff: waypointBackoff,
    onWake: (result, tookMs) => metrics.waypointWoken(result, tookMs),
  });
  return { generic, waypoints };
}

/** Bun would keep compiled sources in a folder that outlives the mesh. */
const waypointEnvironment = { BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0" };

type Closed = Pick<
  Parts,
  "schedules" | "activator" | "generic" | "waypoints" | "instances" | "zds" | "slots" | "logs"
> & { readonly spans: FunctionSpans };

/** Callers end before what they call. */
async function closeParts(parts: Closed): Promise<void> {
  await Promise.all([parts.waypoints.close(), parts.generic.close(), parts.activator.close()]);
  await Promise.all([parts.schedules.close(), parts.instances.stopAll()]);
  parts.zds.close();
  await parts.slots.close();
  await parts.spans.closeAll();
  parts.logs.close();
}

function readFacts(parts: Omit<Parts, "close" | "trustDomain">): NodeFacts {
  return {
    instances: parts.instances.size,
    starting: parts.activator.starting,
    slotsReady: parts.slots.ready,
    slotsOpen: parts.slots.open,
    revisions: parts.revisions.size,
    isZtunnelSynced: parts.zds.isSynced,
    logLinesDropped: parts.logs.dropped,
    waypointsAwake: parts.waypoints.report().filter(({ state }) => state === "awake").length,
  };
}

function keepLine(logs: LogStore, request: LoadRequest, { atMs, stream, text }: OutputLine): void {
  if (request.isCheck) return;
  const { namespace, spec, instance, revision } = request;
  logs.append({ namespace, function: spec.function }, { atMs, stream, text, instance, revision });
}

function ownerOf(
  { namespace, revision, spec }: Pick<LoadRequest, "namespace" | "revision" | "spec">,
  instance: string,
): SpanOwner {
  return { instance, namespace, revision, function: spec.function };
}

/** Six characters as Kubernetes puts behind a Pod's name. */
function randomSuffix(): string {
  const alphabet = "bcdfghjklmnpqrstvwxz2456789";
  return Array.from(
    crypto.getRandomValues(new Uint8Array(6)),
    (byte) => alphabet[byte % alphabet.length] ?? "x",
  ).join("");
}
