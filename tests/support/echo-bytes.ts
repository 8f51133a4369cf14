/** Sends many bytes to an echo and counts what comes back, in order and unchanged. */
import type { IpAddress } from "#core/address/ip.ts";
import type { Libc } from "#host/linux/libc.ts";
import { startConnect } from "#host/linux/sockets.ts";
import { connectStream } from "#host/tunnel/socket-stream.ts";

const blockBytes = 1 << 20;

/** @returns how many bytes came back as they went: short when one differed or the connection broke */
export async function echoBytes(
  libc: Libc,
  namespaceFd: number,
  to: { readonly address: IpAddress; readonly port: number },
  mebibytes: number,
): Promise<number> {
  const stream = await connectStream({ kind: "fd", fd: startConnect(libc, namespaceFd, { to }) });
  const { promise, resolve } = Promise.withResolvers<number>();
  const total = mebibytes * blockBytes;
  const block = Buffer.from(Array.from({ length: blockBytes }, (_, at) => (at * 31) & 0xff));
  let sent = 0;
  let received = 0;
  const send = (): void => {
    while (sent < total) {
      const from = sent % blockBytes;
      const taken = stream.write(block.subarray(from));
      sent += taken;
      if (taken < blockBytes - from) return;
    }
    stream.end();
  };
  stream.handle({
    onData(bytes) {
      for (let at = 0; at < bytes.length;) {
        const from = received % blockBytes;
        const length = Math.min(bytes.length - at, blockBytes - from);
        const isSame = block.subarray(from, from + length).equals(bytes.subarray(at, at + length));
        if (!isSame) return stream.reset();
        at += length;
        received += length;
      }
    },
    onDrain: send,
    onEnd: () => resolve(received),
    onClose: () => resolve(received),
  });
  send();
  return await promise;
}
