/** The discovery service (delta ADS) over gRPC: a session a stream, pushed to as resources change. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type ServerDuplexStream,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
} from "#core/proto/envoy/discovery_pb.js";
import { AdsSession, type AdsTransport } from "./ads-session.ts";
import type { Deliveries } from "./deliveries.ts";
import type { ResourceSet } from "./resource-set.ts";

/** What is served, to whom. */
export interface AdsServiceOptions {
  readonly resources: ResourceSet;
  /** Who a bearer token speaks for; undefined: nobody we know. */
  readonly authenticate: (authorization: string | undefined) => Promise<string | undefined>;
  /** Whether a program may see a type. */
  readonly mayFollow: (program: string, typeUrl: string) => boolean;
  /** Streams at once; more are refused. Default 1024. */
  readonly streamsMax?: number;
  /** Names of one type that a stream may ask for; a stream that asks for more is ended. Default 100000. */
  readonly namesMax?: number;
  /** Learns how far each stream is. */
  readonly deliveries?: Deliveries;
  readonly onRefusal?: (program: string, typeUrl: string, message: string) => void;
  readonly onStreams?: (open: number) => void;
}

/** A service to add to a gRPC server. */
export interface GrpcService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

type Call = ServerDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

/** Makes the service. */
export function makeAdsService(options: AdsServiceOptions): GrpcService {
  let open = 0;
  const changeOpen = (by: number): void => {
    open += by;
    options.onStreams?.(open);
  };
  return {
    definition: adsDefinition,
    implementation: {
      DeltaAggregatedResources(call: Call): void {
        if (open >= (options.streamsMax ?? 1024))
          return refuse(call, status.RESOURCE_EXHAUSTED, "too many streams");
        changeOpen(1);
        call.once("close", () => changeOpen(-1));
        serveStream(call, options);
      },
    },
  };
}

/** Requests wait until the token is verified; few can come before it, since the client waits for our answers. */
function serveStream(call: Call, options: AdsServiceOptions): void {
  call.pause();
  const authorization = call.metadata.get("authorization")[0]?.toString();
  options
    .authenticate(authorization)
    .then((program) => {
      if (program === undefined)
        refuse(call, status.UNAUTHENTICATED, "the bearer token is absent or not valid");
      else followProgram(call, program, options);
    })
    .catch((error: unknown) => refuse(call, status.INTERNAL, String(error)));
}

function followProgram(call: Call, program: string, options: AdsServiceOptions): void {
  let isOver = false;
  let isFlushing = false;
  const transport: AdsTransport = {
    send: (response) => !isOver && call.write(response),
    onRefusal: (typeUrl, message) => options.onRefusal?.(program, typeUrl, message),
  };
  const session = new AdsSession(options.resources, transport, options.namesMax);
  // One flush for all that changes in a turn: a policy and what it selects go out together, with no waiting beyond it.
  const flushSoon = (): void => {
    if (isFlushing) return;
    isFlushing = true;
    setImmediate(() => {
      isFlushing = false;
      if (isOver || call.writableNeedDrain) return;
      session.flush();
      options.deliveries?.advanced();
    });
  };
  const stop = options.resources.onChange((change) => {
    session.note(change);
    flushSoon();
  });
  const leave = options.deliveries?.join(session);
  const over = (): void => {
    isOver = true;
    stop();
    leave?.();
  };
  const end = (code: status, details: string): void => {
    over();
    refuse(call, code, details);
  };
  call.on("drain", flushSoon);
  call.on("data", (request: DeltaDiscoveryRequest) => {
    if (isOver) return;
    if (!options.mayFollow(program, request.typeUrl))
      return end(status.PERMISSION_DENIED, `${program} may not follow "${request.typeUrl.slice(0, 200)}"`);
    const refusal = session.receive(request);
    if (refusal !== undefined) return end(status.RESOURCE_EXHAUSTED, refusal);
    options.deliveries?.advanced();
  });
  for (const event of ["close", "cancelled", "error"] as const) call.on(event, over);
  call.on("end", () => {
    over();
    call.end();
  });
  call.resume();
}

function refuse(call: Call, code: status, details: string): void {
  call.emit("error", { code, details });
}

const adsDefinition: ServiceDefinition = {
  DeltaAggregatedResources: {
    path: "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
    requestStream: true,
    responseStream: true,
    requestSerialize: (request: DeltaDiscoveryRequest) =>
      Buffer.from(toBinary(DeltaDiscoveryRequestSchema, request)),
    requestDeserialize: (bytes: Buffer) => fromBinary(DeltaDiscoveryRequestSchema, bytes),
    responseSerialize: (response: DeltaDiscoveryResponse) =>
      Buffer.from(toBinary(DeltaDiscoveryResponseSchema, response)),
    responseDeserialize: (bytes: Buffer) => fromBinary(DeltaDiscoveryResponseSchema, bytes),
  },
};
