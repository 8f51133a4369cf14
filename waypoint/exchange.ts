/** One request with its response: what is known of it (facts), what stages decided (outcome), and how it is answered. */
import type { Framing, RequestHead, ResponseHead } from "#core/http1/head.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import type { IpAddress } from "#core/address/ip.ts";
import type { SocketAddress } from "#core/address/socket-address.ts";
import type { RouteDecision } from "#core/routing/decide-route.ts";
import type { ServiceEntry } from "#core/routing/service-table.ts";
import type { TraceContext } from "#core/telemetry/trace-context.ts";
import type { ByteStream } from "#host/byte-stream.ts";
import type { BodySource } from "./body.ts";
import type { Ending } from "./ending.ts";
import type { Lease } from "./lease-outcome.ts";
import type { RequestTrace } from "./trace.ts";

/** Whoever opened the stream that requests come on. */
export interface Caller {
  /** From its certificate; for a request from outside the edge's own. */
  readonly identity: SpiffeId;
  readonly address: IpAddress;
  /** Identity and address in one text: what upstream connections are shared by. */
  readonly key: string;
  /** The context of the stream's CONNECT, where it had one. */
  readonly connectContext: TraceContext | undefined;
  /** Whether it is outside the mesh. */
  readonly isOutside: boolean;
}

/** Envoy's short words for why a request ended as it did; `-` when all went well. */
export type ResponseFlag =
  | "-"
  /** No route. */
  | "NR"
  /** The caller is not allowed. */
  | "RBAC"
  /** No healthy upstream: nothing can be activated. */
  | "UH"
  /** Overflow: a limit of ours was reached. */
  | "UO"
  /** No connection to the instance. */
  | "UF"
  /** The instance's connection ended before the response did. */
  | "UC"
  /** The instance broke HTTP. */
  | "UPE"
  /** A deadline passed. */
  | "UT"
  /** The caller went away. */
  | "DC"
  /** The caller broke HTTP. */
  | "DPE"
  /** Cut because policy no longer allows the caller. */
  | "DP";

/** The response as it comes from an instance. */
export interface UpstreamAnswer {
  readonly head: ResponseHead;
  readonly framing: Framing;
  readonly body: BodySource;
  /** Stands for the answer among Hono's stages. */
  readonly marker: Response;
}

/** How an exchange speaks to its caller before the response itself. */
export interface ExchangePort {
  /** Sends a 1xx on. */
  informational(head: ResponseHead): void;
  /** Sends a 101 and gives the caller's stream away, with the bytes that came behind the request. */
  upgrade(head: ResponseHead): { readonly stream: ByteStream; readonly rest: Uint8Array };
  /** What followed the upgrade is over. */
  upgradeOver(): void;
}

/** See the file's first line. Stages change `head` by replacing it, never in place. */
export interface Exchange {
  readonly id: number;
  readonly caller: Caller;
  readonly service: ServiceEntry;
  /** The head as it was received. */
  readonly received: RequestHead;
  /** The head as it goes on. */
  head: RequestHead;
  readonly framing: Framing;
  readonly body: BodySource | undefined;
  readonly port: ExchangePort;
  readonly trace: RequestTrace;
  /** Milliseconds of the monotonic clock. */
  readonly startedMs: number;
  /** Over when the response was sent or the exchange was given up. */
  readonly ending: Ending;

  route: RouteDecision | undefined;
  lease: Lease | undefined;
  answer: UpstreamAnswer | undefined;
  /** The response after all stages. */
  response: Response | undefined;
  /** True once the streams were joined and HTTP is over. */
  isUpgraded: boolean;
  upstream: SocketAddress | undefined;
  /** Identity that the upstream side showed. */
  upstreamIdentity: SpiffeId | undefined;
  attempts: number;
  flag: ResponseFlag;
  /** More of why, for the log. */
  detail: string;
  /** The policy that refused. */
  policy: string;
  bytesReceived: number;
  bytesSent: number;
  status: number;
}

/** A response of our own, noted in the exchange for log and metrics. */
export function refuse(
  exchange: Exchange,
  refusal: {
    readonly status: number;
    readonly flag: ResponseFlag;
    readonly detail: string;
    /** What the caller is told; by default the detail. */
    readonly text?: string;
    readonly retryAfterS?: number;
  },
): Response {
  exchange.flag = refusal.flag;
  exchange.detail = refusal.detail;
  const headers: Record<string, string> = { "content-type": "text/plain; charset=utf-8" };
  if (refusal.retryAfterS !== undefined) headers["retry-after"] = String(refusal.retryAfterS);
  return new Response(`${refusal.text ?? refusal.detail}\n`, { status: refusal.status, headers });
}
