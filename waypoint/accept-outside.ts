/** The edge's entrance: plain HTTP from outside the mesh, served by the Host it names. */
import { findField } from "#core/h2/header-field.ts";
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import { findByHost, noService } from "#core/routing/service-table.ts";
import type { SocketStream } from "#host/tunnel/tcp-stream.ts";
import type { Caller } from "./exchange.ts";
import { makeCaller, type TerminateOptions } from "./terminate.ts";

/** What the entrance needs. */
export interface AcceptOptions extends Pick<
  TerminateOptions,
  "snapshot" | "connections" | "exchanges" | "run"
> {
  /** The edge's own identity: what the mesh knows outsiders by. */
  readonly own: SpiffeId;
}

/** Serves one connection. */
export function acceptOutside(stream: SocketStream, options: AcceptOptions): void {
  const { snapshot, connections, exchanges, run, own } = options;
  if (connections.isFull) return stream.reset();
  const caller = outsider(own, stream);
  connections.serve(stream, {
    begin(received) {
      const host = findField(received.head.headers, "host") ?? "";
      return exchanges.begin(received, caller, findByHost(snapshot().table, host) ?? noService);
    },
    run,
    finish: (exchange) => exchanges.finish(exchange),
    onProblem: (problem) => exchanges.refuse(problem, caller),
  });
}

/** Outsiders share upstream connections: inside the mesh all of them are the edge. */
function outsider(own: SpiffeId, stream: SocketStream): Caller {
  return { ...makeCaller(own, stream.peerAddress.ip, undefined, true), key: own };
}
