/** The control plane, built in the order in which its parts need each other; reads top to bottom. */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { makeMetricsRegistry } from "#host/admin/metrics.ts";
import { systemClock } from "#host/clock.ts";
import { isAlreadyExists } from "#host/kube/kube-error.ts";
import type { KubeClient } from "#host/kube/kube-client.ts";
import { type Log, type LogLevel, openLog } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import { openApi } from "../api/open-api.ts";
import { lambientChecks } from "../model/checks.ts";
import { lambientDefinitions } from "../model/definitions.ts";
import { gatewayClassResource } from "../model/gateway.ts";
import { type MeshSettings, waypointClass } from "../translate/mesh-objects.ts";
import { openAuthenticator, userOfToken } from "./authenticate.ts";
import { openAccountKey } from "./authority/account-key.ts";
import { openRoot } from "./authority/open-root.ts";
import { openDoors } from "./open-doors.ts";
import type { Base, Loop, Stores } from "./parts.ts";
import { openReleaseKey } from "./authority/release-key.ts";
import { openBundleStore } from "./bundles/bundle-store.ts";
import type { Config } from "./config.ts";
import { openController } from "./controllers/controller.ts";
import { openControllers } from "../controllers/open-controllers.ts";
import { podBinding } from "../controllers/scheduling/bind-pod.ts";
import { Deliveries } from "./discovery/deliveries.ts";
import { ResourceSet } from "./discovery/resource-set.ts";
import { makeMetrics } from "./metrics.ts";
import { makeInstanceList } from "./node/instance-list.ts";
import { openNodeLink } from "./node/node-link.ts";
import { openSpanStore } from "./spans/span-store.ts";
import type { InstanceLogs } from "./streams/instance-log.ts";
import { podSubresources } from "./streams/pod-subresources.ts";

/** The control plane, running. */
export interface App {
  readonly apiPort: number;
  close(): Promise<void>;
}

const hourMs = 3_600_000;
/** A node runtime that lives answers within milliseconds; a socket file without one must not hold up the start. */
const instancesWaitMs = 2000;

/** Starts everything. @throws MeshError naming what cannot be had */
export async function openApp(config: Config, write: (line: string) => void): Promise<App> {
  const base = openBase(config, write);
  const stores = await openStores(base, {
    // Asked only through the doors, which open last.
    ask: (method, params, timeoutMs) => loop.node.request(method, params, timeoutMs),
    isAlive: (instance) => loop.instances.instances.some((each) => each.instance === instance),
  });
  const loop = openLoop(base, stores);
  await loop.controller.synced;
  // Proxies that outlived the last control plane would take what is not known yet for gone.
  if (existsSync(join(config.runDir, "node.sock"))) await loop.instances.whenKnown(instancesWaitMs);
  const doors = await openDoors(base, stores, loop);
  const pruning = setInterval(() => pruneBundles(base, stores, loop), hourMs);
  pruning.unref();
  base.log.info("control plane runs", { apiPort: doors.apiPort, trustDomain: config.trustDomain });
  return {
    apiPort: doors.apiPort,
    async close() {
      clearInterval(pruning);
      loop.close();
      await doors.close();
      stores.close();
    },
  };
}

function openBase(config: Config, write: (line: string) => void): Base {
  const logging: { level: LogLevel } = { level: config.logLevel };
  const registry = makeMetricsRegistry();
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  // The store holds Secrets, and its library makes files that all may read: the folder may be an older, wider one.
  process.umask(0o077);
  return {
    config,
    nowMs: readClock,
    logging,
    log: openAppLog(config, logging, write),
    registry,
    metrics: makeMetrics(registry),
    issuer: openRoot(config.dataDir, config.trustDomain, readClock()),
    releaseKey: openReleaseKey(config.dataDir),
    authenticator: openAuthenticator(join(config.runDir, "token-key.pem"), readClock),
  };
}

async function openStores(base: Base, instances: InstanceLogs): Promise<Stores> {
  const { config, log } = base;
  const api = openApi({
    dataFile: join(config.dataDir, "objects.sqlite"),
    durability: config.durability,
    serviceRange: config.serviceRange,
    reservedAddresses: [config.apiAddress, config.nameserver],
    definitions: lambientDefinitions,
    checks: lambientChecks,
    accountKey: openAccountKey(config.dataDir),
    authenticate: (token) => userOfToken(base.authenticator, token),
    rootCertificate: base.issuer.rootPem,
    clock: systemClock,
    random: Math.random,
    log,
    subresources: [
      podBinding,
      ...podSubresources({
        node: {
          socketPath: join(config.runDir, "kubelet.sock"),
          tokenPath: join(config.runDir, "tokens", "control-plane"),
        },
        instances,
        nowMs: readClock,
        onFault: (what, error) => log.warn(what, { reason: errorText(error) }),
      }),
    ],
  });
  await ensureGatewayClass(api.client);
  const spans = openSpanStore(join(config.dataDir, "spans.sqlite"), { spansMax: config.spansMax });
  return {
    api,
    bundles: openBundleStore({ folder: join(config.dataDir, "bundles") }),
    spans,
    resources: new ResourceSet(),
    deliveries: new Deliveries(systemClock),
    close() {
      api.close();
      spans.close();
    },
  };
}

function openLoop(base: Base, stores: Stores): Loop {
  const { config, log } = base;
  const node = openNodeLink({
    socketPath: join(config.runDir, "node.sock"),
    tokenPath: join(config.runDir, "tokens", "control-plane"),
    clock: systemClock,
    // Both are called later than this function returns: a connection takes a turn of the event loop at least.
    onUp() {
      log.info("node runtime connected");
      instances.linkUp();
      controller.retryChecks();
    },
    onDown(reason) {
      log.debug("node runtime not connected", { reason });
      instances.linkDown();
    },
  });
  const instances = makeInstanceList(
    (method, params, timeoutMs) => node.request(method, params, timeoutMs),
    systemClock,
    () => {
      controller.changed();
      workloads.instancesChanged();
    },
  );
  const controller = openController({
    client: stores.api.client,
    settings: meshSettings(config),
    resources: stores.resources,
    deliveries: stores.deliveries,
    releaseKey: base.releaseKey,
    node,
    bundles: stores.bundles,
    instances: () => instances.instances,
    metrics: base.metrics,
    clock: systemClock,
    log,
  });
  const workloads = openControllers({
    api: stores.api,
    instances: {
      get instances() {
        return instances.instances;
      },
      get ended() {
        return instances.ended;
      },
      node: config.node,
      nodeAddress: config.nodeAddress,
      known: instances.whenKnown(instancesWaitMs),
    },
    clock: systemClock,
    random: Math.random,
    log,
    onFailure: (component) => base.metrics.controllerFailures({ controller: component }).add(),
  });
  return {
    node,
    instances,
    controller,
    close() {
      workloads.close();
      controller.close();
      instances.close();
      node.close();
    },
  };
}

function readClock(): number {
  return systemClock.nowMs();
}

function openAppLog(config: Config, logging: { level: LogLevel }, write: (line: string) => void): Log {
  return openLog({
    program: "control-plane",
    get level() {
      return logging.level;
    },
    format: config.logFormat,
    write,
    nowMs: readClock,
  });
}

function meshSettings(config: Config): MeshSettings {
  return {
    trustDomain: config.trustDomain,
    clusterDomain: "cluster.local",
    rootNamespace: "lambient-system",
    node: config.node,
    nodeAddress: config.nodeAddress,
    edgeAddress: config.edgeAddress,
    waypointRange: config.waypointRange,
    waypointIdleMs: config.waypointIdleMs,
  };
}

/** Kubernetes' clients look for the class of a Gateway before they make one. */
async function ensureGatewayClass(client: KubeClient): Promise<void> {
  try {
    await client.create(gatewayClassResource, {
      metadata: { name: waypointClass },
      spec: { controllerName: "lambient.dev/mesh" },
    });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}

/** A bundle that no revision names was uploaded by a deploy that went no further, or its revision is gone. */
function pruneBundles({ log, nowMs }: Base, { bundles }: Stores, { controller }: Loop): void {
  if (!controller.isSynced) return;
  const inUse = new Set(controller.objects().revisions.map(({ spec }) => spec.bundle));
  try {
    const removed = bundles.prune(inUse, hourMs, nowMs());
    if (removed > 0) log.info("unused bundles removed", { removed });
  } catch (error) {
    // Housekeeping: the next hour tries again, and what it could not remove harms nobody.
    log.warn("unused bundles not removed", { error: errorText(error) });
  }
}
