/** The parts of the node's program and how they hang together, without what serves or follows anything; let go of in an order that leaves Pods running. */
import { openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { MetricsRegistry } from "#host/admin/metrics.ts";
import type { Clock } from "#host/clock.ts";
import { makeDnsUpstream, readResolvers } from "#host/dns/dns-upstream.ts";
import type { KubeClient } from "#host/kube/kube-client.ts";
import type { KubeConnection } from "#host/kube/kube-connection.ts";
import { type CgroupMounts, readCgroupMounts } from "#host/linux/cgroup.ts";
import { type Libc, openLibc } from "#host/linux/libc.ts";
import { warmUp } from "#host/linux/namespaces.ts";
import { openPoller, type Poller } from "#host/linux/poller.ts";
import type { Log } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import type { Config } from "./config.ts";
import { type OpenEnrolment, openEnrolment } from "./enrolment/open-enrolment.ts";
import { findRootKind } from "./find-root-kind.ts";
import type { RootKind } from "./kubelet/container-root.ts";
import type { ImageMap } from "./kubelet/image-map.ts";
import { Kubelet } from "./kubelet/kubelet.ts";
import { ObjectCache } from "./kubelet/object-cache.ts";
import { PodAddresses } from "./kubelet/pod-addresses.ts";
import { PodEvents } from "./kubelet/pod-events.ts";
import { openPodNetworks, type PodNetworks } from "./kubelet/pod-network.ts";
import { podFolders } from "./kubelet/pod-paths.ts";
import { openPodRecords } from "./kubelet/pod-record.ts";
import { makeServiceAccountTokens } from "./kubelet/service-account-tokens.ts";
import { apiPort, forwardApi } from "./network/forward-api.ts";
import { apiServiceAt, KnownServices } from "./network/known-services.ts";
import { serveNames } from "./network/serve-names.ts";
import { openServiceRedirect, type ServiceRedirect } from "./network/service-redirect.ts";
import { decideServiceTable } from "./network/service-table.ts";
import { readAllocatable } from "./node-object.ts";
import { startInContainer } from "./streams/start-in-container.ts";

/** The kernel's side. */
export interface Kernel {
  readonly libc: Libc;
  readonly poller: Poller;
  readonly cgroups: CgroupMounts;
  readonly rootKind: RootKind;
}

/** What parts are built from. */
export interface PartsOptions {
  readonly config: Config;
  readonly kernel: Kernel;
  readonly images: ImageMap;
  readonly api: KubeClient;
  readonly connection: KubeConnection;
  readonly registry: MetricsRegistry;
  readonly clock: Clock;
  readonly log: Log;
}

/** See the file's opening. */
export interface Parts {
  readonly kubelet: Kubelet;
  readonly enrolment: OpenEnrolment;
  readonly services: KnownServices;
  readonly events: PodEvents;
  close(): Promise<void>;
}

/** Namespaces whose Pods no label takes into the mesh: the mesh's own and the cluster's. */
const systemNamespaces: ReadonlySet<string> = new Set(["kube-system", "istio-system", "lambient-system"]);
const rootNamespace = "lambient-system";
/** Of names, not of identities: what every cluster's resolvers are told. */
const clusterDomain = "cluster.local";
/** From the first wait after a crash to the longest one. */
const backOffFactor = 30;

/** Opens the kernel, and starts helper threads before any namespace is entered. */
export async function openKernel(log: Log): Promise<Kernel> {
  const libc = openLibc();
  const poller = await openPoller(libc);
  await warmUp();
  return { libc, poller, cgroups: readCgroupMounts(), rootKind: await findRootKind(libc, poller, log) };
}

/** Builds them; Pods are not looked at yet. */
export function buildParts(options: PartsOptions): Parts {
  const { config, kernel, api, clock, log, registry } = options;
  const { libc, poller, cgroups } = kernel;
  const redirect = openRedirect(options);
  const services: KnownServices = new KnownServices({
    api,
    clock,
    log,
    apiService: apiServiceAt(config.apiAddress, apiPort),
    onChange: () => redirect.update(decideServiceTable(services.services(), services.allSlices())),
  });
  const closeNames = openNames(options, services);
  const socketPath = join(config.runDir, "api.sock");
  const closeForward = forwardApi({ libc, log, address: config.apiAddress, socketPath });
  const events = new PodEvents({ api, clock, log, node: config.node });
  const enrolment = openEnrolment({
    libc,
    poller,
    clock,
    log,
    api,
    registry,
    events,
    services: redirect,
    runDir: config.runDir,
    cgroupMounts: cgroups,
    node: config.node,
    excludedNamespaces: systemNamespaces,
    rootNamespace,
  });
  const pods = buildPods(options, { events, enrolment, redirect, services });
  return {
    kubelet: pods.kubelet,
    enrolment,
    services,
    events,
    async close() {
      pods.kubelet.close();
      await events.flushed();
      pods.objects.close();
      services.close();
      await enrolment.close();
      pods.networks.close();
      closeForward();
      closeNames();
      redirect.close();
    },
  };
}

/** Services outside the mesh, where the kernel lets programs attach to control groups. */
function openRedirect({ kernel, log }: PartsOptions): ServiceRedirect {
  try {
    return openServiceRedirect(kernel.libc, kernel.cgroups);
  } catch (error) {
    log.warn("Services have no addresses outside the mesh", { reason: errorText(error) });
    return noRedirect;
  }
}

const noRedirect: ServiceRedirect = {
  attach() {},
  renew() {},
  detach() {},
  update() {},
  close() {},
  [Symbol.dispose]() {},
};

/** Names of the cluster for Pods outside the mesh. */
function openNames({ config, kernel, clock, log }: PartsOptions, index: KnownServices): () => void {
  const { libc } = kernel;
  const { hostNetworkPath } = config;
  const upstream = makeDnsUpstream({
    libc,
    clock,
    hostNamespaceFd: hostNetworkPath === undefined ? libc.homeNamespace : openSync(hostNetworkPath, "r"),
    resolvers: readResolvers(readResolvConf()),
    random: Math.random,
  });
  const domain = clusterDomain;
  const { nameserver: address } = config;
  return serveNames({ libc, clock, log, address, domain, index, upstream, random: Math.random });
}

interface PodParts {
  readonly kubelet: Kubelet;
  readonly objects: ObjectCache;
  readonly networks: PodNetworks;
}

function buildPods(
  options: PartsOptions,
  given: {
    readonly events: PodEvents;
    readonly enrolment: OpenEnrolment;
    readonly redirect: ServiceRedirect;
    readonly services: KnownServices;
  },
): PodParts {
  const { config, kernel, images, api, connection, clock, log } = options;
  const { libc, poller, cgroups, rootKind } = kernel;
  const { runDir, dataDir, nodeAddress: gateway, nameserver, hostPaths, restartBackOffMs } = config;
  const folders = podFolders(runDir, dataDir);
  const objects = new ObjectCache(api, log, (uid) => kubelet.refresh(uid));
  const networks = openPodNetworks({ libc, folder: join(folders.run, "networks"), gateway });
  const tokens = makeServiceAccountTokens(connection, clock);
  const kubelet: Kubelet = new Kubelet({
    libc,
    poller,
    clock,
    log,
    api,
    cgroups,
    rootKind,
    folders,
    images,
    networks,
    nameserver,
    clusterDomain,
    events: given.events,
    enrolment: given.enrolment,
    services: given.redirect,
    cgroupPath: config.cgroup,
    hidden: [runDir, dataDir],
    node: { name: config.node, address: gateway, resolvConf: readResolvConf() },
    backOff: { firstMs: restartBackOffMs, mostMs: restartBackOffMs * backOffFactor },
    addresses: new PodAddresses(config.podRange),
    records: openPodRecords(join(folders.run, "records")),
    volumes: { libc, clock, objects, tokens, hostPaths },
    allocatable: readAllocatable(),
    servicesOf: (namespace) => given.services.servicesOf(namespace),
    startIn: (place, command) =>
      startInContainer({ libc, poller }, place, { command, tty: false, stdin: false }),
  });
  return { kubelet, objects, networks };
}

function readResolvConf(): string {
  return readFileSync("/etc/resolv.conf", "utf8");
}
