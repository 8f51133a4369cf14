/** Who answers at an address's tunnel port: the name in the certificate of its TLS handshake, without a certificate of our own. */
import type { IpAddress } from "#core/address/ip.ts";
import type { Libc } from "#host/linux/libc.ts";
import { openNetworkNamespace } from "#host/linux/namespaces.ts";
import { startConnect } from "#host/linux/sockets.ts";

/** The subject's alternative names, as `URI:spiffe://…`; `closed` when there was no handshake. */
export async function readPeerSvid(libc: Libc, namespacePath: string, address: string): Promise<string> {
  using node = openNetworkNamespace(namespacePath);
  const fd = startConnect(libc, node.fd, { to: { address: address as IpAddress, port: 15_008 } });
  const { promise, resolve } = Promise.withResolvers<string>();
  const options = {
    fd,
    tls: { rejectUnauthorized: false, ALPNProtocols: Buffer.from("\x02h2"), minVersion: 0x0304 },
    socket: {
      handshake(socket: Bun.Socket) {
        resolve(String(socket.getPeerCertificate().subjectaltname));
        socket.end();
      },
      data: () => undefined,
      close: () => resolve("closed"),
      error: () => undefined,
    },
  };
  // Sound: Bun takes `fd` here though its types do not say so.
  await Bun.connect(options as unknown as Bun.UnixSocketOptions);
  return await promise;
}
