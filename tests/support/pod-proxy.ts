/** A ztunnel's sockets in a captured Pod without its mesh: what leaves goes on to where it was going, what comes is given to the Pod as its caller. */
import { putSocket } from "#host/linux/bpf.ts";
import type { Libc } from "#host/linux/libc.ts";
import { podListeners, podMarks } from "#host/linux/pod-marks.ts";
import { startConnect, startListen } from "#host/linux/sockets.ts";
import { connectStream, listenStreams } from "#host/tunnel/socket-stream.ts";
import { splice } from "#host/tunnel/splice.ts";
import type { SocketStream } from "#host/tunnel/tcp-stream.ts";
import type { IpAddress } from "#core/address/ip.ts";

/** Listeners that run. */
export interface PodProxy extends Disposable {
  readonly counts: { outbound: number; inbound: number; failed: number };
  /** Takes no more; what is open goes on. */
  drain(): void;
}

/** Puts listeners into a Pod's map. */
export function openPodProxy(
  libc: Libc,
  pod: { readonly namespaceFd: number; readonly mapFd: number; readonly address: IpAddress },
): PodProxy {
  const counts = { outbound: 0, inbound: 0, failed: 0 };
  const { namespaceFd } = pod;
  const carry = (stream: SocketStream, connect: () => number): void => {
    try {
      connectStream({ kind: "fd", fd: connect() }).then(
        (far) => splice(stream, far),
        () => {
          counts.failed++;
          stream.reset();
        },
      );
    } catch {
      counts.failed++;
      stream.reset();
    }
  };
  const onOutbound = (stream: SocketStream): void => {
    counts.outbound++;
    const { ip: address, port } = stream.localAddress;
    carry(stream, () => startConnect(libc, namespaceFd, { to: { address, port } }, { mark: podMarks.proxy }));
  };
  const onInbound = (stream: SocketStream): void => {
    counts.inbound++;
    const to = { address: pod.address, port: stream.localAddress.port };
    const from = { address: stream.peerAddress.ip, port: 0 };
    carry(stream, () =>
      startConnect(libc, namespaceFd, { to, from }, { mark: podMarks.looped, transparent: true }),
    );
  };
  const listeners = [
    [podListeners.outbound, onOutbound],
    [podListeners.inbound, onInbound],
    [podListeners.tunnels, onInbound],
  ] as const;
  const open = listeners.map(([slot, onStream]) => {
    const at = { address: "127.0.0.1" as IpAddress, port: 0 };
    const fd = startListen(libc, namespaceFd, at, { mark: podMarks.proxy, transparent: true });
    const listener = listenStreams({ kind: "fd", fd }, onStream);
    putSocket(libc, pod.mapFd, slot, fd);
    return listener;
  });
  const drain = (): void => open.forEach((listener) => listener.close());
  return { counts, drain, [Symbol.dispose]: drain };
}
