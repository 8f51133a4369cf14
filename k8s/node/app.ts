/** Builds the node's program, top to bottom: the kernel, what it knows and runs, what it serves. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Readiness, serveAdmin } from "#host/admin/admin-server.ts";
import { makeMetricsRegistry } from "#host/admin/metrics.ts";
import { systemClock } from "#host/clock.ts";
import { KubeConnection } from "#host/kube/kube-connection.ts";
import { openKubeClient } from "#host/kube/open-kube-client.ts";
import { closeLibc } from "#host/linux/libc.ts";
import { type Log, type LogLevel, openLog } from "#host/log.ts";
import { MeshError } from "#host/mesh-error.ts";
import type { Config } from "./config.ts";
import { accessPods } from "./kubelet/access-pods.ts";
import { type ImageMap, parseImageMap } from "./kubelet/image-map.ts";
import { podFolders } from "./kubelet/pod-paths.ts";
import { registerFacts } from "./metrics.ts";
import { keepNode, type NodeHeartbeat } from "./node-object.ts";
import { buildParts, openKernel, type Parts } from "./parts.ts";
import { makeApiTokenTest } from "./streams/api-token.ts";
import { serveStreams } from "./streams/serve-streams.ts";

/** A running node's program. */
export interface App {
  /** Ends its work; Pods run on. */
  close(): Promise<void>;
}

/** Starts it. @throws MeshError or Error when the kernel, the run directory or the image map is not as it must be */
export async function openApp(config: Config): Promise<App> {
  const { runDir } = config;
  const clock = systemClock;
  const logging = { level: config.logLevel };
  const log = openProgramLog(config, logging);
  const images = readImages(config.imagesFile);
  const registry = makeMetricsRegistry();
  const kernel = await openKernel(log);
  const { libc, poller } = kernel;

  const socketPath = join(runDir, "api.sock");
  const access = { socketPath, caFile: join(runDir, "ca.pem"), tokenFile: join(runDir, "tokens", "node") };
  const api = openKubeClient(access);
  const connection = new KubeConnection(access);
  const parts = buildParts({ config, kernel, images, api, connection, registry, clock, log });
  const { kubelet, services, events, enrolment } = parts;
  const streams = serveStreams({
    libc,
    poller,
    log,
    socketPath: join(runDir, "kubelet.sock"),
    access: accessPods(kubelet, { libc, poller, folders: podFolders(runDir, config.dataDir) }),
    isApi: makeApiTokenTest(join(runDir, "token-key.pem")),
  });
  services.start();
  kubelet.start();
  const node = keepNode({ api, clock, log, ...describeNode(config) });
  registerFacts(registry, () => ({
    pods: kubelet.size,
    eventsDropped: events.dropped,
    streams: streams.open,
  }));
  const admin = serveAdmin({
    socketPath: join(runDir, "admin", "node.sock"),
    metrics: registry,
    readiness: () => readinessOf(parts, node),
    logging,
    configDump: () => ({ pods: kubelet.report(), enrolment: enrolment.report() }),
  });
  log.info("node serves", { runDir });
  return {
    async close() {
      node.close();
      streams.close();
      await parts.close();
      admin.close();
      poller.close();
      closeLibc(libc);
      log.info("node stopped");
    },
  };
}

function describeNode({ node, nodeAddress, podRange }: Config) {
  return {
    name: node,
    address: nodeAddress,
    podRange: `${podRange.address}/${podRange.prefixBits}`,
    podsMax: 2 ** (32 - podRange.prefixBits) - 1,
  };
}

function openProgramLog(config: Config, logging: { readonly level: LogLevel }): Log {
  return openLog({
    program: "node",
    format: config.logFormat,
    write: (line) => void process.stderr.write(line),
    nowMs: () => systemClock.nowMs(),
    get level() {
      return logging.level;
    },
  });
}

function readImages(path: string): ImageMap {
  if (path === "") return new Map();
  if (!existsSync(path)) {
    throw new MeshError("bad-input", `Cannot read the image map ${path}: there is no such file`);
  }
  const images = parseImageMap(readFileSync(path, "utf8"));
  if (!images.ok) throw new MeshError("bad-input", images.error.join("\n"));
  return images.value;
}

/** It can do its work once it knows its Pods and Services, and the mesh knows it. */
function readinessOf({ kubelet, enrolment, services }: Parts, node: NodeHeartbeat): Readiness {
  const waitsFor = [...enrolment.waitsFor, ...services.waitsFor];
  if (!kubelet.isSynced) waitsFor.push("pods");
  if (!node.isRegistered) waitsFor.push("node");
  return waitsFor.length === 0 ? { ready: true } : { ready: false, waitsFor };
}
