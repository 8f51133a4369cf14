/** Where tunnels end: a CONNECT for one of our services becomes a connection of its caller; any other is refused. */
import type { IpAddress } from "#core/address/ip.ts";
import { formatSocketAddress, parseSocketAddress } from "#core/address/socket-address.ts";
import { findField } from "#core/h2/header-field.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import { noService, type ServiceEntry } from "#core/routing/service-table.ts";
import { parseTraceparent, type TraceContext } from "#core/telemetry/trace-context.ts";
import type { TunnelRequest, TunnelResponder } from "#host/tunnel/tunnel.ts";
import type { Snapshot } from "./configuration.ts";
import type { Connections } from "./connections.ts";
import type { Caller, Exchange } from "./exchange.ts";
import type { Exchanges } from "./exchanges.ts";

/** What ends of tunnels need. */
export interface TerminateOptions {
  readonly snapshot: () => Snapshot;
  readonly connections: Connections;
  readonly exchanges: Exchanges;
  readonly run: (exchange: Exchange) => Promise<void>;
  /** A caller was let through to a service: what it needs can be started before its first request. */
  readonly onCaller: (caller: Caller, service: ServiceEntry) => void;
  readonly onRefused: (request: TunnelRequest, status: number, reason: string) => void;
}

/** Declared protocols that are HTTP/1.1 here; an undeclared one is taken for it, since a waypoint serves nothing else. */
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
  if (!servedProtocols.has(service.appProtocol)) return refuse(503, "the port's protocol is not served");
  if (connections.isFull) return refuse(503, "too many connections");
  exchanges.touch();
  const caller = callerOf(request);
  options.onCaller(caller, service);
  connections.serve(responder.accept(), {
    // Looked up anew for each request, so that a change holds from the next one on.
    begin: (received) =>
      exchanges.begin(received, caller, snapshot().table.byAuthority.get(authority) ?? noService),
    run,
    finish: (exchange) => exchanges.finish(exchange),
    onProblem: (problem) => exchanges.refuse(problem, caller),
  });
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
