/** Where tunnels end: a CONNECT for one of our services becomes a connection of its caller; any other is refused. */
import type { IpAddress } from "#core/address/ip.ts";
import { formatSocketAddress, parseSocketAddress } from "#core/address/socket-address.ts";
import { findField } from "#core/h2/header-field.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import { noService, type ServiceEntry } from "#core/routing/service-table.ts";
import { parseTraceparent, type TraceContext } from "#core/telemetry/trace-context.ts";
import type { ByteStream } from "#host/byte-stream.ts";
import type { Clock } from "#host/clock.ts";
import type { TunnelRequest, TunnelResponder } from "#host/tunnel/tunnel.ts";
import type { Snapshot } from "./configuration.ts";
import type { Connections } from "./connections.ts";
import type { Caller, Exchange } from "./exchange.ts";
import type { Exchanges } from "./exchanges.ts";
import { lookAtFirstBytes } from "./first-bytes.ts";
import type { PassThroughs } from "./pass-through.ts";

/** What ends of tunnels need. */
export interface TerminateOptions {
  readonly snapshot: () => Snapshot;
  readonly connections: Connections;
  readonly exchanges: Exchanges;
  readonly run: (exchange: Exchange) => Promise<void>;
  /** Carries what is not HTTP to an ordinary service's endpoint. */
  readonly passThroughs: Pick<PassThroughs, "carry">;
  readonly clock: Clock;
  /** A caller was let through to a service: what it needs can be started before its first request. */
  readonly onCaller: (caller: Caller, service: ServiceEntry) => void;
  readonly onRefused: (request: TunnelRequest, status: number, reason: string) => void;
}

/** Declared protocols that are HTTP/1.1 here; an undeclared one of a function is taken for it, since functions serve nothing else. */
const servedProtocols: ReadonlySet<string> = new Set(["", "http", "http/1.1", "kubernetes.io/ws"]);

/** Answers one CONNECT. */
export function terminate(
  request: TunnelRequest,
  responder: TunnelResponder,
  options: TerminateOptions,
): void {
  const { snapshot, connections, exchanges, run } = options;
  const address = parseSocketAddress(request.authority);
  const authority = address.ok ? formatSocketAddress(address.value) : "";
  const service = snapshot().table.byAuthority.get(authority);
  const refuse = (status: number, reason: string): void => {
    options.onRefused(request, status, reason);
    responder.refuse(status);
  };
  if (service === undefined) return refuse(404, "no service of this waypoint has the address");
  const isHttp = servedProtocols.has(service.appProtocol);
  if (!isHttp && !service.isDirect) return refuse(503, "the port's protocol is not served");
  if (connections.isFull) return refuse(503, "too many connections");
  exchanges.touch();
  const caller = callerOf(request);
  if (!isHttp) {
    const { passThroughs } = options;
    return passThroughs.carry({
      caller,
      service,
      accept: () => responder.accept(),
      refuse: (status) => responder.refuse(status),
    });
  }
  options.onCaller(caller, service);
  const serve = (stream: ByteStream): void =>
    connections.serve(stream, {
      // Looked up anew for each request, so that a change holds from the next one on.
      begin: (received) =>
        exchanges.begin(received, caller, snapshot().table.byAuthority.get(authority) ?? noService),
      run,
      finish: (exchange) => exchanges.finish(exchange),
      onProblem: (problem) => exchanges.refuse(problem, caller),
    });
  if (service.appProtocol === "" && service.isDirect)
    void serveUndeclared(responder.accept(), { caller, service, serve, options });
  else serve(responder.accept());
}

/** Longest that a connection of an undeclared protocol is waited for, before it is taken for one in which the server speaks first. */
const firstBytesMs = 100;

async function serveUndeclared(
  accepted: ByteStream,
  found: {
    readonly caller: Caller;
    readonly service: ServiceEntry;
    readonly serve: (stream: ByteStream) => void;
    readonly options: Pick<TerminateOptions, "passThroughs" | "clock">;
  },
): Promise<void> {
  const { caller, service, serve, options } = found;
  const { isHttp, stream } = await lookAtFirstBytes(accepted, options.clock, firstBytesMs);
  if (isHttp) {
    serve(stream);
    stream.resume();
  } else options.passThroughs.carry({ caller, service, accept: () => stream, refuse: () => stream.reset() });
}

function callerOf(request: TunnelRequest): Caller {
  const connectContext = parseTraceparent(findField(request.headers, "traceparent"));
  return makeCaller(request.peer, request.peerAddress.ip, connectContext, false);
}

/** Makes a caller. */
export function makeCaller(
  identity: SpiffeId,
  address: IpAddress,
  connectContext: TraceContext | undefined,
  isOutside: boolean,
): Caller {
  return { identity, address, key: `${identity} ${address}`, connectContext, isOutside };
}
