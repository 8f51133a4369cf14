/** The client's side of one plain connection in a test: says, hears, and knows when it is over. */
import type { IpAddress } from "#core/address/ip.ts";
import type { ByteStream } from "#host/byte-stream.ts";
import type { Libc } from "#host/linux/libc.ts";
import { startConnect } from "#host/linux/sockets.ts";
import { connectStream } from "#host/tunnel/socket-stream.ts";
import { waitUntil } from "./wait-until.ts";

/** A connection with what was heard on it. */
export class Conversation {
  readonly stream: ByteStream;
  received = "";
  isEnded = false;
  closed: { readonly error: Error | undefined } | undefined;

  constructor(stream: ByteStream) {
    this.stream = stream;
    stream.handle({
      onData: (bytes) => void (this.received += Buffer.from(bytes).toString()),
      onDrain() {},
      onEnd: () => void (this.isEnded = true),
      onClose: (error) => void (this.closed = { error }),
    });
  }

  /** Says something to an echo. @returns what came back, shorter when the connection ended. */
  async say(text: string): Promise<string> {
    const before = this.received.length;
    this.stream.write(Buffer.from(text));
    await waitUntil(
      "the echo is whole",
      () => this.closed !== undefined || this.received.length >= before + text.length,
    );
    return this.received.slice(before);
  }

  async over(): Promise<void> {
    await waitUntil("the connection is over", () => this.closed !== undefined || this.isEnded);
  }
}

/** Connects from a namespace. @throws TunnelError when it is refused or reset at once. */
export async function converseFrom(
  libc: Libc,
  namespaceFd: number,
  address: string,
  port: number,
): Promise<Conversation> {
  // Sound: tests write canonical addresses.
  const fd = startConnect(libc, namespaceFd, { to: { address: address as IpAddress, port } });
  return new Conversation(await connectStream({ kind: "fd", fd }));
}

/** Connects and waits until that is over without a byte: so soon at times that it never looks connected. */
export async function untilRefused(
  libc: Libc,
  namespaceFd: number,
  address: string,
  port: number,
): Promise<void> {
  const talk = await converseFrom(libc, namespaceFd, address, port).catch(() => undefined);
  if (talk === undefined) return;
  await talk.over();
  if (talk.received !== "")
    throw new Error(`Cannot see ${address}:${port} refuse: it said "${talk.received}"`);
}
