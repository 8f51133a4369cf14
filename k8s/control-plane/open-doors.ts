/** What others reach the control plane by: the gRPC socket, the API's port and socket, the admin socket. */
import { join } from "node:path";
import { serveAdmin } from "#host/admin/admin-server.ts";
import { openLibc } from "#host/linux/libc.ts";
import { openPoller } from "#host/linux/poller.ts";
import { type Log } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import { writeWhole } from "#host/private-file.ts";
import { type AuthorityAnswer, makeAuthorityService } from "./authority/serve-authority.ts";
import { issueServerCertificate } from "./authority/server-certificate.ts";
import type { BundleStore } from "./bundles/bundle-store.ts";
import { type Controller } from "./controllers/controller.ts";
import { mayFollow } from "./discovery/may-follow.ts";
import { type GrpcService, makeAdsService } from "./discovery/serve-ads.ts";
import { serveGrpc } from "./grpc-server.ts";
import { handleRequest } from "./http/handle-request.ts";
import { listenApi } from "./http/listen-api.ts";
import { type ControlPlaneMetrics } from "./metrics.ts";

import type { Base, Loop, Stores } from "./parts.ts";
/** What others reach us by. */
export interface Doors {
  readonly apiPort: number;
  close(): Promise<void>;
}

/** Opens them. @throws MeshError `io-failed` when one cannot be had */
export async function openDoors(base: Base, stores: Stores, loop: Loop): Promise<Doors> {
  const { config, log, registry, metrics } = base;
  const server = issueServerCertificate(base.issuer, base.nowMs(), config.apiAddress);
  // What verifies us comes before what it verifies: whoever sees a socket finds the root beside it.
  writeWhole(join(config.runDir, "ca.pem"), base.issuer.rootPem);
  writeWhole(join(config.runDir, "release-key.pem"), base.releaseKey.publicPem);
  const services = makeServices(base, stores, loop);
  const grpc = await serveGrpc({ socketPath: join(config.runDir, "control.sock"), ...server, services });
  const parts = {
    ...stores,
    bundles: tellingOfUploads(stores.bundles, () => loop.controller.retryChecks()),
    authenticator: base.authenticator,
    reports: {
      instances: () => loop.instances.instances,
      ask: (method: string, params: object, timeoutMs: number) =>
        loop.node.request(method, params, timeoutMs),
    },
    onFault: (path: string, error: unknown) => log.error("request failed", { path, error: errorText(error) }),
  };
  const poller = await openPoller(openLibc());
  const api = listenApi({
    port: config.apiPort,
    socketPath: join(config.runDir, "api.sock"),
    ...server,
    handle: (request) => handleRequest(parts, request),
    watchLeft: (fd, onLeft) => poller.watch(fd, "left", onLeft),
  });
  registry.onCollect(() => {
    metrics.spans.set(stores.spans.count);
    metrics.instances.set(loop.instances.instances.length);
    for (const [typeUrl, count] of stores.resources.counts()) metrics.resources({ type: typeUrl }).set(count);
  });
  const admin = openAdmin(base, loop.controller);
  return {
    apiPort: api.port,
    async close() {
      admin.close();
      grpc.close();
      await api.close();
      poller.close();
    },
  };
}

/** A function may have been applied before its bundle came. */
function tellingOfUploads(bundles: BundleStore, onUpload: () => void): BundleStore {
  return {
    ...bundles,
    async put(digest, content) {
      const outcome = await bundles.put(digest, content);
      if (outcome === "created") onUpload();
      return outcome;
    },
  };
}

function makeServices(
  base: Base,
  { resources, deliveries }: Stores,
  { controller }: Loop,
): readonly GrpcService[] {
  const { config, log, metrics } = base;
  const authenticate = (authorization: string | undefined): Promise<string | undefined> =>
    base.authenticator.programOf(authorization);
  return [
    makeAdsService({
      resources,
      deliveries,
      authenticate,
      mayFollow,
      onRefusal(program, typeUrl, message) {
        metrics.refusals({ type: typeUrl }).add();
        log.warn("resource refused", { program, type: typeUrl, reason: message });
      },
      onStreams: (open) => metrics.streams.set(open),
    }),
    makeAuthorityService({
      issuer: base.issuer,
      authenticate,
      facts: () => controller.facts(),
      nowMs: base.nowMs,
      ttlMaxMs: config.svidTtlMs,
      onAnswer: (answer) => countAnswer(metrics, log, answer),
    }),
  ];
}

function countAnswer(metrics: ControlPlaneMetrics, log: Log, answer: AuthorityAnswer): void {
  const { program, identity, outcome, reason } = answer;
  metrics.requests.add();
  const counters = {
    signed: metrics.signed,
    refused: metrics.refused,
    unauthenticated: metrics.unauthenticated,
    malformed: metrics.malformed,
  };
  counters[outcome].add();
  if (outcome === "signed") log.debug("certificate signed", { program, identity });
  else log.warn("certificate refused", { program, identity, outcome, reason });
}

function openAdmin({ config, registry, logging }: Base, controller: Controller): { close(): void } {
  return serveAdmin({
    socketPath: join(config.runDir, "admin", "control-plane.sock"),
    metrics: registry,
    logging,
    readiness: () =>
      controller.isSynced ? { ready: true } : { ready: false, waitsFor: ["the objects of the API"] },
    configDump: () => {
      const { settings, instances, functions, revisions, gateways, policies, routes } = controller.objects();
      return {
        settings,
        instances,
        functions: names(functions),
        revisions: names(revisions),
        gateways: names(gateways),
        policies: names(policies),
        routes: names(routes),
      };
    },
  });
}

function names(objects: readonly { metadata: { namespace: string; name: string } }[]): string[] {
  return objects.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
}
