/**
 * A ztunnel's sockets in a captured Pod without its mesh: what leaves goes on to where it was going, what comes is given to the Pod as its caller.
 * In place of encryption the bytes of what leaves are inverted on the wire, so that a peer who echoes is none the wiser.
 */
import { putSocket } from "#host/linux/bpf.ts";
import type { ByteStream } from "#host/byte-stream.ts";
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
  const carry = (
    stream: SocketStream,
    connect: () => number,
    join: (far: ByteStream) => ByteStream = (far) => far,
  ): void => {
    try {
      connectStream({ kind: "fd", fd: connect() }).then(
        (far) => splice(stream, join(far)),
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
    const connect = (): number =>
      startConnect(libc, namespaceFd, { to: { address, port } }, { mark: podMarks.proxy });
    carry(stream, connect, inverted);
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

/** The same stream with every byte inverted in both directions. */
function inverted(stream: ByteStream): ByteStream {
  return {
    write: (bytes) => stream.write(invert(bytes)),
    end: () => stream.end(),
    reset: () => stream.reset(),
    pause: () => stream.pause(),
    resume: () => stream.resume(),
    handle: (handler) =>
      stream.handle({
        onData: (bytes) => handler.onData(invert(bytes)),
        onDrain: () => handler.onDrain(),
        onEnd: () => handler.onEnd(),
        onClose: (error) => handler.onClose(error),
      }),
  };
}

function invert(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte) => byte ^ 0xff);
}
