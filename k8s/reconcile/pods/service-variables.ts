/** The variables by which containers of old find Services. Pure. */
import type { ServiceObject } from "../../model/core-objects.ts";

/** `WEB_SERVICE_HOST` and its kin for every Service with an address, the last one of a name wins. */
export function serviceVariables(services: readonly ServiceObject[]): Map<string, string> {
  const variables = new Map<string, string>();
  for (const service of services) {
    const address = service.spec.clusterIP;
    const ports = service.spec.ports ?? [];
    const [first] = ports;
    if (address === undefined || address === "" || address === "None" || first === undefined) continue;
    const prefix = service.metadata.name.toUpperCase().replaceAll("-", "_");
    variables.set(`${prefix}_SERVICE_HOST`, address);
    variables.set(`${prefix}_SERVICE_PORT`, String(first.port));
    variables.set(`${prefix}_PORT`, `${protocolOf(first)}://${address}:${first.port}`);
    for (const port of ports) {
      const protocol = protocolOf(port);
      if (port.name !== undefined && port.name !== "") {
        const name = port.name.toUpperCase().replaceAll("-", "_");
        variables.set(`${prefix}_SERVICE_PORT_${name}`, String(port.port));
      }
      const own = `${prefix}_PORT_${port.port}_${protocol.toUpperCase()}`;
      variables.set(own, `${protocol}://${address}:${port.port}`);
      variables.set(`${own}_PROTO`, protocol);
      variables.set(`${own}_PORT`, String(port.port));
      variables.set(`${own}_ADDR`, address);
    }
  }
  return variables;
}

function protocolOf(port: { readonly protocol?: string }): string {
  return (port.protocol ?? "TCP").toLowerCase();
}
