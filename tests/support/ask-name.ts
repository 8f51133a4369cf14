/** A resolver's side in a test: asks a name server in a namespace, by UDP or TCP. */
import type { IpAddress } from "#core/address/ip.ts";
import { parseAnswer } from "#core/dns/message.ts";
import type { Libc } from "#host/linux/libc.ts";
import { type NetworkNamespace, withNamespace } from "#host/linux/namespaces.ts";
import { startConnect } from "#host/linux/sockets.ts";
import { connectStream } from "#host/tunnel/socket-stream.ts";
import { frameMessage, MessageReader } from "#host/dns/dns-frames.ts";

/** Where a name is asked. */
export interface AskOptions {
  readonly libc: Libc;
  readonly namespace: NetworkNamespace;
  readonly nameserver: string;
}

/** Asks for the IPv4 address of a name by UDP. @returns it, or `code <n>`. */
export async function askByUdp({ libc, namespace, nameserver }: AskOptions, name: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = await withNamespace(libc, namespace.fd, () =>
    Bun.udpSocket({ socket: { data: (_socket, bytes) => resolve(readAnswer(bytes)) } }),
  );
  socket.send(queryFor(name), 53, nameserver);
  const answer = await promise;
  socket.close();
  return answer;
}

/** Asks by UDP and is gone before any answer: sending and closing take one turn, so that the name server never runs between them. */
export async function askByUdpAndLeave(
  { libc, namespace, nameserver }: AskOptions,
  name: string,
): Promise<void> {
  const socket = await withNamespace(libc, namespace.fd, () => Bun.udpSocket({}));
  socket.send(queryFor(name), 53, nameserver);
  socket.close();
}

/** Asks for several names on one TCP connection. @returns the answers in order, until the connection ends. */
export async function askByTcp(
  { libc, namespace, nameserver }: AskOptions,
  names: readonly string[],
): Promise<string[]> {
  // Sound: tests write canonical addresses.
  const to = { address: nameserver as IpAddress, port: 53 };
  const stream = await connectStream({ kind: "fd", fd: startConnect(libc, namespace.fd, { to }) });
  const { promise, resolve } = Promise.withResolvers<void>();
  const reader = new MessageReader(65_535);
  const answers: string[] = [];
  stream.handle({
    onData(bytes) {
      answers.push(...(reader.push(bytes) ?? []).map(readAnswer));
      if (answers.length === names.length) resolve();
    },
    onDrain() {},
    onEnd: resolve,
    onClose: () => resolve(),
  });
  stream.write(Buffer.concat(names.map((name) => frameMessage(queryFor(name)))));
  await promise;
  stream.reset();
  return answers;
}

function queryFor(name: string): Uint8Array {
  const labels = name.split(".").flatMap((label) => [label.length, ...Buffer.from(label)]);
  return Uint8Array.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1]);
}

function readAnswer(bytes: Uint8Array): string {
  const answer = parseAnswer(Uint8Array.from(bytes));
  return answer?.addresses[0]?.ip ?? `code ${answer?.code}`;
}
