/** The delta discovery (ADS) client: one stream for all types, reconnected for as long as it is open; not a cache. */
import type { Client, ClientDuplexStream } from "@grpc/grpc-js";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
  NodeSchema,
} from "#core/proto/envoy/discovery_pb.js";
import { type Clock, systemClock, type Timer } from "#host/clock.ts";
import { errorText } from "#host/mesh-error.ts";
import { type BackoffLimits, backoffMs } from "./backoff.ts";
import { callMetadata, type ControlChannelOptions, openControlChannel } from "./control-channel.ts";
import { TypeState } from "./type-state.ts";
import type { WatchedType } from "./watched-type.ts";

/** What the client is doing. */
export type DiscoveryState =
  | { readonly kind: "connecting" }
  /** Every type has had its first response on this connection. */
  | { readonly kind: "synced" }
  | { readonly kind: "disconnected"; readonly reason: string; readonly retryInMs: number };

/** Who asks for what, and who is told. */
export interface DiscoveryOptions {
  readonly channel: ControlChannelOptions;
  /** Istio's node id, `ztunnel~<ip>~<name>.<ns>~<domain>`, or a program's name. */
  readonly nodeId: string;
  readonly types: readonly WatchedType[];
  readonly onState?: (state: DiscoveryState) => void;
  /** Default 10 ms doubling to 15 s. */
  readonly backoff?: BackoffLimits;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/** Figures of one type, for `/config_dump` and metrics. */
export interface DiscoveryTypeStatus {
  readonly typeUrl: string;
  readonly held: number;
  readonly refused: number;
  readonly isSynced: boolean;
}

/** A client that runs. */
export interface Discovery {
  /** Changes the names wanted of a type that is followed by name; what is no longer wanted is delivered as removed. */
  setNames(typeUrl: string, names: readonly string[]): void;
  readonly isSynced: boolean;
  status(): readonly DiscoveryTypeStatus[];
  /** Ends the stream; nothing is delivered any more. */
  close(): void;
}

type Stream = ClientDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

const method = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
const defaultBackoff: BackoffLimits = { firstMs: 10, longestMs: 15_000, jitter: 0.2 };

/** Starts following; returns at once. What cannot be reached is tried again until `close`. */
export function openDiscovery(options: DiscoveryOptions): Discovery {
  const client = new DiscoveryClient(options);
  client.connect();
  return client;
}

class DiscoveryClient implements Discovery {
  readonly #options: DiscoveryOptions;
  readonly #clock: Clock;
  readonly #types: ReadonlyMap<string, TypeState>;
  readonly #answered = new Set<string>();
  #client: Client | undefined;
  #stream: Stream | undefined;
  #retry: Timer | undefined;
  #failures = 0;
  #isIntroduced = false;
  #open = true;

  constructor(options: DiscoveryOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#types = new Map(options.types.map((watched) => [watched.typeUrl, new TypeState(watched)]));
  }

  get isSynced(): boolean {
    if (this.#stream === undefined) return false;
    return [...this.#types].every(([typeUrl, type]) => type.wantsNothing || this.#answered.has(typeUrl));
  }

  connect(): void {
    this.#answered.clear();
    this.#options.onState?.({ kind: "connecting" });
    try {
      const metadata = callMetadata(this.#options.channel);
      this.#client = openControlChannel(this.#options.channel);
      const stream = this.#client.makeBidiStreamRequest(method, encode, decode, metadata);
      this.#stream = stream;
      this.#isIntroduced = false;
      // A stream says both "error" and "end"; whichever comes first ends it, the other then finds it gone.
      stream.on("data", (response: DeltaDiscoveryResponse) => this.#onResponse(stream, response));
      stream.on("error", (error: Error) => this.#onEnd(stream, error.message));
      stream.on("end", () => this.#onEnd(stream, "the server ended the stream"));
      for (const type of this.#types.values()) {
        const request = type.firstRequest();
        if (request !== undefined) this.#write(stream, request);
      }
    } catch (error) {
      this.#disconnected(errorText(error));
    }
  }

  setNames(typeUrl: string, names: readonly string[]): void {
    const request = this.#types.get(typeUrl)?.rename(names);
    if (request !== undefined && this.#stream !== undefined) this.#write(this.#stream, request);
  }

  status(): readonly DiscoveryTypeStatus[] {
    return [...this.#types].map(([typeUrl, { held, refused, isSynced }]) => ({
      typeUrl,
      held,
      refused,
      isSynced,
    }));
  }

  close(): void {
    this.#open = false;
    this.#retry?.cancel();
    this.#hangUp();
  }

  #onResponse(stream: Stream, response: DeltaDiscoveryResponse): void {
    const type = this.#types.get(response.typeUrl);
    if (stream !== this.#stream || type === undefined) return;
    this.#failures = 0;
    this.#write(stream, type.apply(response));
    const wasSynced = this.isSynced;
    this.#answered.add(response.typeUrl);
    if (!wasSynced && this.isSynced) this.#options.onState?.({ kind: "synced" });
  }

  /** The first request of a stream says who asks. */
  #write(stream: Stream, request: DeltaDiscoveryRequest): void {
    if (!this.#isIntroduced) request.node = create(NodeSchema, { id: this.#options.nodeId });
    this.#isIntroduced = true;
    stream.write(request);
  }

  #onEnd(stream: Stream, reason: string): void {
    if (stream === this.#stream) this.#disconnected(reason);
  }

  #disconnected(reason: string): void {
    this.#hangUp();
    if (!this.#open) return;
    this.#failures++;
    const random = (this.#options.random ?? Math.random)();
    const retryInMs = backoffMs(this.#options.backoff ?? defaultBackoff, this.#failures, random);
    this.#options.onState?.({ kind: "disconnected", reason, retryInMs });
    this.#retry = this.#clock.after(retryInMs, () => this.connect());
  }

  #hangUp(): void {
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.cancel();
    this.#client?.close();
    this.#client = undefined;
    this.#answered.clear();
  }
}

function encode(request: DeltaDiscoveryRequest): Buffer {
  return Buffer.from(toBinary(DeltaDiscoveryRequestSchema, request));
}

function decode(bytes: Buffer): DeltaDiscoveryResponse {
  return fromBinary(DeltaDiscoveryResponseSchema, bytes);
}
