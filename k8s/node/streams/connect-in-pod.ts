/** Connections to a Pod's ports from within it, as `kubectl port-forward` makes them: they reach what listens on its loopback too. */
import type { IpAddress } from "#core/address/ip.ts";
import type { ByteStream } from "#host/byte-stream.ts";
import type { Libc } from "#host/linux/libc.ts";
import { startConnect } from "#host/linux/sockets.ts";
import { errorText, MeshError } from "#host/mesh-error.ts";
import { connectStream } from "#host/tunnel/socket-stream.ts";

// Sound: both are addresses in their canonical form.
const loopbacks = ["127.0.0.1" as IpAddress, "::1" as IpAddress];
const timeoutMs = 10_000;

/**
 * Connects.
 * @throws MeshError (rejects) `unavailable` when nothing listens there
 */
export async function connectInPod(libc: Libc, network: number, port: number): Promise<ByteStream> {
  const reasons: string[] = [];
  for (const address of loopbacks) {
    try {
      const fd = startConnect(libc, network, { to: { address, port } });
      return await connectStream({ kind: "fd", fd }, { timeoutMs });
    } catch (error) {
      reasons.push(`${address}: ${errorText(error)}`);
    }
  }
  throw new MeshError(
    "unavailable",
    `failed to connect to localhost:${port} inside the Pod's network namespace, ${reasons.join(", ")}`,
  );
}
