/** What is known of a connection and what a change may mean for it; values only. */
import type { SocketAddress } from "#core/address/socket-address.ts";
import type { TraceContext } from "#core/telemetry/trace-context.ts";
import type { Party, ServiceNames } from "./party.ts";

/** Whether a live connection may go on under a snapshot. */
export type Review =
  | { readonly kind: "keep" }
  | { readonly kind: "cut"; readonly text: string }
  /** What decides is not known at the moment. */
  | { readonly kind: "unknown"; readonly text: string };

/** What is known of a connection once it is decided. */
export interface ConnectionFacts {
  readonly direction: "inbound" | "outbound";
  /** Uid of the local workload. */
  readonly uid: string;
  readonly source: Party;
  readonly sourceAddress: SocketAddress;
  readonly destination: Party;
  readonly destinationAddress: SocketAddress;
  readonly tunnelTarget: string | undefined;
  readonly service: ServiceNames;
  readonly isMutualTls: boolean;
  readonly trace: TraceContext;
  readonly parentSpanId: string | undefined;
}
