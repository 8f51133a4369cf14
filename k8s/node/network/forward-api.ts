/** The API for Pods: a port in the node's namespace whose connections go to the API's socket as they are; who asks, and may ask, is the API's to find out. */
import type { IpAddress } from "#core/address/ip.ts";
import type { Libc } from "#host/linux/libc.ts";
import { startListen } from "#host/linux/sockets.ts";
import type { Log } from "#host/log.ts";
import { errorText } from "#host/mesh-error.ts";
import { listenStreams } from "#host/tunnel/socket-stream.ts";
import { splice } from "#host/tunnel/splice.ts";
import type { SocketStream } from "#host/tunnel/tcp-stream.ts";
import { connectUnixStream } from "#host/tunnel/unix-stream.ts";

/** What forwarding needs. */
export interface ForwardOptions {
  readonly libc: Libc;
  readonly log: Log;
  readonly address: IpAddress;
  /** `<run-dir>/api.sock`. */
  readonly socketPath: string;
}

/** Where clients of the API in Pods look for it. */
export const apiPort = 443;
/** Connections of all Pods together: the API has others to serve. */
const connectionsMax = 1024;

/** Starts. @returns how to stop. @throws LinuxError when the address cannot be bound */
export function forwardApi({ libc, log, address, socketPath }: ForwardOptions): () => void {
  let open = 0;
  const forward = async (stream: SocketStream): Promise<void> => {
    stream.pause();
    try {
      splice(stream, await connectUnixStream(socketPath), () => open--);
      stream.resume();
    } catch (error) {
      open--;
      log.debug("API not reached for a Pod", { error: errorText(error) });
      stream.reset();
    }
  };
  const fd = startListen(libc, libc.homeNamespace, { address, port: apiPort });
  const listener = listenStreams({ kind: "fd", fd }, (stream) => {
    if (open >= connectionsMax) return stream.reset();
    open++;
    void forward(stream);
  });
  return () => listener.close();
}
