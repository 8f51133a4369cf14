/** Builds the node's program, top to bottom: the kernel, what Pods get, the mesh, the kubelet, what it serves. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Readiness, serveAdmin } from "#host/admin/admin-server.ts";
import { makeMetricsRegistry } from "#host/admin/metrics.ts";
import { systemClock } from "#host/clock.ts";
import { KubeConnection } from "#host/kube/kube-connection.ts";
import { openKubeClient } from "#host/kube/open-kube-client.ts";
import { readCgroupMounts } from "#host/linux/cgroup.ts";
import { closeLibc, openLibc } from "#host/linux/libc.ts";
import { warmUp } from "#host/linux/namespaces.ts";
import { openPoller } from "#host/linux/poller.ts";
import { type Log, type LogLevel, openLog } from "#host/log.ts";
import { MeshError } from "#host/mesh-error.ts";
import type { Config } from "./config.ts";
import { type OpenEnrolment, openEnrolment } from "./enrolment/open-enrolment.ts";
import { findRootKind } from "./find-root-kind.ts";
import { accessPods } from "./kubelet/access-pods.ts";
import { type ImageMap, parseImageMap } from "./kubelet/image-map.ts";
import { Kubelet } from "./kubelet/kubelet.ts";
import type { KubeletHost } from "./kubelet/kubelet-host.ts";
import { ObjectCache } from "./kubelet/object-cache.ts";
import { PodAddresses } from "./kubelet/pod-addresses.ts";
import { PodEvents } from "./kubelet/pod-events.ts";
import { openPodNetworks } from "./kubelet/pod-network.ts";
import { podFolders } from "./kubelet/pod-paths.ts";
import { openPodRecords } from "./kubelet/pod-record.ts";
import { makeServiceAccountTokens } from "./kubelet/service-account-tokens.ts";
import { registerFacts } from "./metrics.ts";
import { keepNode, readAllocatable } from "./node-object.ts";
import { makeApiTokenTest } from "./streams/api-token.ts";
import { serveStreams } from "./streams/serve-streams.ts";
import { startInContainer } from "./streams/start-in-container.ts";

/** A running node's program. */
export interface App {
  /** Ends its work; Pods run on. */
  close(): Promise<void>;
}

/** Starts it. @throws MeshError or Error when the kernel, the run directory or the image map is not as it must be */
export async function openApp(config: Config): Promise<App> {
  const { runDir, dataDir } = config;
  const clock = systemClock;
  const logging = { level: config.logLevel };
  const log = openProgramLog(config, logging);
  const images = readImages(config.imagesFile);
  const registry = makeMetricsRegistry();

  const libc = openLibc();
  const poller = await openPoller(libc);
  await warmUp();
  const cgroups = readCgroupMounts();
  const connection = {
    socketPath: join(runDir, "api.sock"),
    caFile: join(runDir, "ca.pem"),
    tokenFile: join(runDir, "tokens", "node"),
  };
  const api = openKubeClient(connection);
  const events = new PodEvents({ api, clock, log, node: config.node });
  const enrolment = openEnrolment({
    ...{ libc, poller, clock, log, api, registry, events, runDir, cgroupMounts: cgroups, node: config.node },
    excludedNamespaces: systemNamespaces,
    rootNamespace: "lambient-system",
  });
  const objects = new ObjectCache(api, log, (uid) => kubelet.refresh(uid));
  const folders = podFolders(runDir, dataDir);
  const networks = openPodNetworks({
    libc,
    folder: join(folders.run, "networks"),
    gateway: config.nodeAddress,
  });
  const host: KubeletHost = {
    ...{ libc, poller, clock, log, api, cgroups, folders, images, networks, events, enrolment },
    cgroupPath: config.cgroup,
    rootKind: await findRootKind(libc, poller, log),
    hidden: [runDir, dataDir],
    node: {
      name: config.node,
      address: config.nodeAddress,
      resolvConf: readFileSync("/etc/resolv.conf", "utf8"),
    },
    nameserver: config.nameserver,
    clusterDomain: "cluster.local",
    backOff: { firstMs: config.restartBackOffMs, mostMs: config.restartBackOffMs * 30 },
    addresses: new PodAddresses(config.podRange),
    records: openPodRecords(join(folders.run, "records")),
    volumes: {
      ...{ libc, clock, objects },
      tokens: makeServiceAccountTokens(new KubeConnection(connection), clock),
      hostPaths: config.hostPaths,
    },
    services: { attach() {} },
    allocatable: readAllocatable(),
    servicesOf: () => [],
    startIn: (place, command) =>
      startInContainer({ libc, poller }, place, { command, tty: false, stdin: false }),
  };
  const kubelet: Kubelet = new Kubelet(host);
  const streams = serveStreams({
    ...{ libc, log },
    socketPath: join(runDir, "kubelet.sock"),
    access: accessPods(kubelet, { libc, poller, folders }),
    isApi: makeApiTokenTest(join(runDir, "token-key.pem")),
  });
  kubelet.start();
  const podRange = `${config.podRange.address}/${config.podRange.prefixBits}`;
  const podsMax = 2 ** (32 - config.podRange.prefixBits) - 1;
  const node = keepNode({
    api,
    clock,
    log,
    name: config.node,
    address: config.nodeAddress,
    podRange,
    podsMax,
  });
  registerFacts(registry, () => ({
    pods: kubelet.size,
    eventsDropped: events.dropped,
    streams: streams.open,
  }));
  const admin = serveAdmin({
    socketPath: join(runDir, "admin", "node.sock"),
    metrics: registry,
    readiness: () => readinessOf(kubelet, enrolment, node.isRegistered),
    logging,
    configDump: () => ({ pods: kubelet.report(), enrolment: enrolment.report() }),
  });
  log.info("node serves", { node: config.node, podRange });
  return {
    async close() {
      node.close();
      streams.close();
      kubelet.close();
      await events.flushed();
      objects.close();
      await enrolment.close();
      networks.close();
      admin.close();
      poller.close();
      closeLibc(libc);
      log.info("node stopped");
    },
  };
}

/** Namespaces whose Pods no label takes into the mesh: the mesh's own and the cluster's. */
const systemNamespaces: ReadonlySet<string> = new Set(["kube-system", "istio-system", "lambient-system"]);

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
  if (!existsSync(path))
    throw new MeshError("bad-input", `Cannot read the image map ${path}: there is no such file`);
  const images = parseImageMap(readFileSync(path, "utf8"));
  if (!images.ok) throw new MeshError("bad-input", images.error.join("\n"));
  return images.value;
}

/** It can do its work once it knows its Pods and the mesh knows it. */
function readinessOf(kubelet: Kubelet, enrolment: OpenEnrolment, isRegistered: boolean): Readiness {
  const waitsFor = [...enrolment.waitsFor];
  if (!kubelet.isSynced) waitsFor.push("pods");
  if (!isRegistered) waitsFor.push("node");
  return waitsFor.length === 0 ? { ready: true } : { ready: false, waitsFor };
}
