/** Who a program is in the mesh, and what its process gives it: values and ports that every part of the app shares. */
import type { IpAddress } from "#core/address/ip.ts";
import { formatSpiffeId, type SpiffeId } from "#core/identity/spiffe-id.ts";
import type { Clock } from "#host/clock.ts";
import type { LineWriter } from "#host/line-writer.ts";
import type { Libc } from "#host/linux/libc.ts";
import type { Log, LogLevel } from "#host/log.ts";
import type { ListenTarget } from "#host/tunnel/tunnel-listener.ts";
import type { Config } from "./config.ts";
import type { Control } from "./control.ts";

/** Who the program is. */
export interface Self {
  readonly kind: "waypoint" | "edge";
  readonly namespace: string;
  /** The Gateway's name, which is its service account's too. */
  readonly name: string;
  /** Its own address: the source of what it opens. */
  readonly address: IpAddress;
  readonly listen: ListenTarget;
}

/** What the process gives. */
export interface AppPorts {
  readonly config: Config;
  readonly clock: Clock;
  readonly libc: Libc;
  readonly log: Log;
  /** The level that `log` reads at each line. */
  readonly logging: { level: LogLevel };
  readonly lines: LineWriter;
  readonly control: Control;
  /** A number in [0, 1). */
  readonly random: () => number;
}

/** The edge as it is known in the mesh. */
export const edgeName: Pick<Self, "namespace" | "name"> = { namespace: "lambient-system", name: "edge" };

/** The program's identity. */
export function identityOf(self: Self, config: Config): SpiffeId {
  return formatSpiffeId({
    trustDomain: config.trustDomain,
    namespace: self.namespace,
    serviceAccount: self.name,
  });
}
