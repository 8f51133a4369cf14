/** What Services and Pods say of ports in the same words. */

/** Istio's name of the one cluster there is. */
export const clusterId = "Kubernetes";

/** Whether a port is one of TCP, which is the default. */
export function isTcp({ protocol }: { readonly protocol?: "TCP" | "UDP" | "SCTP" }): boolean {
  return protocol === undefined || protocol === "TCP";
}

/** What is spoken at a Service's port, as declared or as its name begins; empty when nobody says. */
export function appProtocolOf(port: { readonly appProtocol?: string; readonly name?: string }): string {
  return port.appProtocol ?? port.name?.split("-")[0] ?? "";
}
