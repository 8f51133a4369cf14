/**
 * Runs a few requests through a whole waypoint inside this process before it has a role: key, TLS, tunnel, codec and stages are then
 * compiled code when the first real caller waits. Its authority, callers and instance are made up, and nothing of it stays.
 */
import { parseIp } from "#core/address/ip.ts";
import { encodeRequestHead } from "#core/http1/encode.ts";
import { formatSpiffeId, type SpiffeId } from "#core/identity/spiffe-id.ts";
import { WaypointSchema } from "#core/proto/lambient/discovery_pb.js";
import { parseCertificateRequest } from "#core/x509/certificate-request.ts";
import { parsePem } from "#core/x509/pem.ts";
import { create } from "@bufbuild/protobuf";
import { makeMetricsRegistry } from "#host/admin/metrics.ts";
import type { ByteStream, ByteStreamHandler } from "#host/byte-stream.ts";
import type { SignedChain } from "#host/certificates/authority-client.ts";
import { openCertificateKeeper } from "#host/certificates/certificate-keeper.ts";
import type { CertificateSource } from "#host/certificates/certificate-source.ts";
import { createRoot, openIssuer } from "#host/certificates/issuer.ts";
import type { Clock } from "#host/clock.ts";
import { silentLog } from "#host/log.ts";
import { makeSpanIds } from "#host/spans/span-ids.ts";
import { openTunnel } from "#host/tunnel/open-tunnel.ts";
import type { Tunnel } from "#host/tunnel/tunnel.ts";
import { formatAccess } from "./access-log.ts";
import { emptySnapshot, policiesOf, withWaypoint } from "./configuration.ts";
import { Connections } from "./connections.ts";
import { type Entrance, openEntrance } from "./entrance.ts";
import { Exchanges } from "./exchanges.ts";
import { InstanceLeases } from "./instance-leases.ts";
import { declareMetrics } from "./metrics.ts";
import { makePipeline, type PipelineOptions, waypointStages } from "./pipeline.ts";
import type { Self } from "./self.ts";
import { samplesAsAsked } from "./trace.ts";
import { UpstreamPool } from "./upstream-pool.ts";

/** Enough for the engine to compile what a request runs through. */
const requests = 40;
const withinMs = 3000;
const dayMs = 86_400_000;
const authority = "192.0.2.1:80";

/** Rehearses. @returns how many requests were answered; never throws, since without it the program is only slower at first. */
export async function rehearse(clock: Clock): Promise<number> {
  const late = Promise.withResolvers<number>();
  const timer = clock.after(withinMs, () => late.resolve(0));
  const stage = openStage(clock);
  try {
    return await Promise.race([perform(stage), late.promise]);
  } catch {
    return 0; // the real entrance will say what is wrong
  } finally {
    timer.cancel();
    stage.close();
  }
}

interface Stage {
  readonly certificates: CertificateSource;
  readonly own: SpiffeId;
  /** Opens the entrance once there is a certificate. */
  open(): number;
  close(): void;
}

async function perform(stage: Stage): Promise<number> {
  const certificate = await stage.certificates.get(stage.own);
  const port = stage.open();
  const tunnel = await openTunnel({
    dial: { kind: "address", hostname: "127.0.0.1", port },
    certificate,
    expectedPeers: new Set([stage.own]),
  });
  try {
    return await askTimes(tunnel, requests);
  } finally {
    tunnel.close();
  }
}

async function askTimes(tunnel: Tunnel, times: number): Promise<number> {
  const outcome = await tunnel.connect([
    [":method", "CONNECT"],
    [":authority", authority],
  ]);
  if (outcome.kind === "refused") return 0;
  const { stream } = outcome;
  const over = Promise.withResolvers<void>();
  const request = encodeRequestHead({
    method: "GET",
    target: "/a/%7Eb?c=d",
    version: "1.1",
    headers: [
      ["host", "rehearsal"],
      ["accept", "*/*"],
    ],
  });
  let answered = 0;
  stream.handle({
    // Each answer here fits one piece.
    onData() {
      if (++answered < times) stream.write(request);
      else over.resolve();
    },
    onDrain() {},
    onEnd: () => over.resolve(),
    onClose: () => over.resolve(),
  });
  stream.write(request);
  await over.promise;
  return answered;
}

function openStage(clock: Clock): Stage {
  const own = formatSpiffeId({
    trustDomain: "rehearsal",
    namespace: "rehearsal",
    serviceAccount: "waypoint",
  });
  const certificates = openCertificateKeeper({ sign: makeSigner(clock), clock });
  const metrics = declareMetrics(makeMetricsRegistry(), "waypoint");
  const exchanges = new Exchanges({
    clock,
    ids: makeSpanIds(),
    metrics,
    sampler: samplesAsAsked,
    log: (fields) => void formatAccess(fields, clock.nowMs(), "text"),
    record() {},
    requestsMax: 10,
  });
  const connections = new Connections({ clock, connectionsMax: 10, idleMs: withinMs });
  const pipeline = pipelineOf(clock, own);
  const run = makePipeline(waypointStages(pipeline), pipeline);
  const snapshot = withWaypoint(emptySnapshot, configuration(own));
  const self: Self = {
    kind: "waypoint",
    namespace: "rehearsal",
    name: "waypoint",
    address: loopback(),
    listen: { kind: "address", hostname: "127.0.0.1", port: 0 },
  };
  const serving = { connections, exchanges, passThroughs: { carry() {} }, run, clock };
  const parts = { own, certificates, ...serving, leases: pipeline.leases, log: silentLog };
  let entrance: Entrance | undefined;
  return {
    own,
    certificates,
    open() {
      entrance = openEntrance(self, { ...parts, snapshot: () => snapshot });
      return entrance.port ?? 0;
    },
    close() {
      entrance?.close();
      connections.cut();
      certificates.close();
    },
  };
}

function pipelineOf(clock: Clock, own: SpiffeId): PipelineOptions {
  const instance = { instance: "rehearsal", address: { ip: loopback(), port: 1 }, identity: own };
  const leases = new InstanceLeases({
    activation: { activate: () => Promise.resolve({ ...instance, rung: "new" }), release() {} },
    clock,
    queueMax: 10,
    onForgotten() {},
  });
  const context = { traceId: "0".repeat(31) + "1", spanId: "0".repeat(15) + "1", sampled: false };
  return {
    own,
    clock,
    leases,
    attemptsMax: 1,
    endpointFor: () => undefined,
    endpointsKnown: () => undefined,
    random: () => 0,
    pool: new UpstreamPool({ clock, idlePerKeyMax: 1, idleMax: 1, idleMs: withinMs }),
    policiesOf: (service) => policiesOf(emptySnapshot, service),
    onFault() {},
    open: () => Promise.resolve({ kind: "opened", stream: answeringStream(), context }),
  };
}

function configuration(own: SpiffeId): ReturnType<typeof create<typeof WaypointSchema>> {
  const backend = { uid: "rehearsal/one", function: "one", identity: own, concurrency: 1, maxInstances: 1 };
  return create(WaypointSchema, {
    services: [
      {
        namespace: "rehearsal",
        name: "one",
        hostname: "one.rehearsal",
        addresses: [Uint8Array.of(192, 0, 2, 1)],
        ports: [{ port: 80, targetPort: 8080, appProtocol: "http" }],
        routes: [
          {
            name: "rehearsal",
            matches: [{ path: { value: "/a" } }],
            backends: [{ weight: 1, target: { case: "revision", value: backend } }],
          },
        ],
      },
    ],
  });
}

/** An instance that answers each request with the same few bytes. */
function answeringStream(): ByteStream {
  const answer = new TextEncoder().encode(
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nrehearsed",
  );
  let handler: ByteStreamHandler | undefined;
  return {
    write(bytes) {
      queueMicrotask(() => handler?.onData(answer));
      return bytes.length;
    },
    end() {},
    reset: () => handler?.onClose(),
    pause() {},
    resume() {},
    handle: (next) => void (handler = next),
  };
}

function makeSigner(clock: Clock): (identity: SpiffeId, csrPem: string) => Promise<SignedChain> {
  return (identity, csrPem) => {
    const nowMs = clock.nowMs();
    const issuer = openIssuer(createRoot("rehearsal", nowMs - dayMs, nowMs + dayMs));
    const der = parsePem("CERTIFICATE REQUEST", csrPem);
    const request = parseCertificateRequest((der.ok ? der.value[0] : undefined) ?? new Uint8Array(0));
    if (!request.ok) return Promise.reject(new Error(request.error));
    const altNames = { uris: [identity], dnsNames: [], ips: [] };
    const life = { notBeforeMs: nowMs - dayMs, notAfterMs: nowMs + dayMs };
    const chainPem = issuer.issue({ publicKey: request.value.publicKey, altNames, ...life });
    return Promise.resolve({ chainPem, rootsPem: issuer.rootPem });
  };
}

function loopback(): Self["address"] {
  const ip = parseIp("127.0.0.1");
  if (!ip.ok) throw new Error(ip.error);
  return ip.value;
}
