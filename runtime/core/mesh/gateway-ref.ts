/** Where a waypoint is found: by address, or by the name of its service; resolved against a snapshot elsewhere. */
import { formatIp, type IpAddress } from "#core/address/ip.ts";
import type { GatewayAddress } from "#core/proto/istio/workload_pb.js";

/** The port on which tunnels are taken unless said otherwise. */
export const tunnelPort = 15008;

/** A reference to a waypoint. */
export type GatewayRef =
  | { readonly kind: "address"; readonly network: string; readonly ip: IpAddress; readonly port: number }
  | {
      readonly kind: "hostname";
      /** `<namespace>/<hostname>`. */
      readonly service: string;
      readonly port: number;
    };

/** Reads a reference; undefined when it names nothing. */
export function readGatewayRef(message: GatewayAddress | undefined): GatewayRef | undefined {
  if (message?.destination.case === undefined) return undefined;
  const port = message.hboneMtlsPort === 0 ? tunnelPort : message.hboneMtlsPort;
  if (message.destination.case === "address") {
    const { network, address } = message.destination.value;
    return { kind: "address", network, ip: formatIp(address), port };
  }
  const { namespace, hostname } = message.destination.value;
  return { kind: "hostname", service: `${namespace}/${hostname}`, port };
}
