/** The file mode's own captures: what a node does for its slots is done here for namespaces that are given by path. */
import { isIP } from "node:net";
import type { IpAddress } from "#core/address/ip.ts";
import { openCapture } from "#host/linux/bpf.ts";
import { openNetworkNamespace } from "#host/linux/namespaces.ts";
import { sealedSlotProgram } from "#host/linux/sk-lookup.ts";
import { duplicate } from "#host/linux/sockets.ts";
import { errorText, MeshError } from "#host/mesh-error.ts";
import type { CapturedNamespace } from "./config.ts";
import type { Parts } from "./parts.ts";
import type { Workloads } from "./workloads.ts";

/** Captures a namespace and serves its workload. @returns how to let it go. @throws MeshError */
export function captureNamespace(
  parts: Parts,
  workloads: Workloads,
  { address, namespacePath }: CapturedNamespace,
): () => void {
  const { libc } = parts;
  const { nameserver } = parts.config;
  if (isIP(address) !== 4)
    throw new MeshError("bad-input", `Cannot capture a workload by an IPv4 address: ${address}`);
  try {
    const namespace = openNetworkNamespace(namespacePath);
    const capture = openCapture(libc, namespace.fd, 1, (mapFd) =>
      sealedSlotProgram(mapFd, { address, nameserver }),
    );
    const mapFd = duplicate(libc, capture.mapFd);
    workloads.serveKnown({ uid: uidOf(address), address, nameserver, namespaceFd: namespace.fd, mapFd });
    return () => capture.close();
  } catch (error) {
    throw new MeshError(
      "io-failed",
      `Cannot capture ${namespacePath} for ${address}: ${errorText(error)}`,
      error,
    );
  }
}

function uidOf(address: IpAddress): string {
  return `captured/${address}`;
}
