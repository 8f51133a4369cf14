/** A pair of ztunnels in two network namespaces, from files: what crosses, what is refused, and what is seen of it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { IpAddress } from "#core/address/ip.ts";
import { closeLibc, type Libc, openLibc } from "#host/linux/libc.ts";
import { warmUp, withNamespace } from "#host/linux/namespaces.ts";
import { startConnect } from "#host/linux/sockets.ts";
import { connectStream, type SocketStream } from "#host/tunnel/socket-stream.ts";
import { waitUntil } from "../support/wait-until.ts";
import { echoPort, echoService, startZtunnelPair, type ZtunnelPair } from "../support/ztunnel-pair.ts";

let libc: Libc;
let pair: ZtunnelPair;
/** Peers that the echo server has seen. */
const seen: string[] = [];
let echo: { stop(): void };

beforeAll(async () => {
  libc = openLibc();
  await warmUp();
  pair = await startZtunnelPair(libc);
  echo = withNamespace(libc, pair.nodes.b.slot.fd, () =>
    Bun.listen({
      hostname: "0.0.0.0",
      port: echoPort,
      allowHalfOpen: true,
      socket: {
        open: (socket) => void seen.push(socket.remoteAddress),
        data: (socket, bytes) => void socket.write(bytes),
        end: (socket) => void socket.end(),
      },
    }),
  );
});

afterAll(async () => {
  echo.stop();
  await pair[Symbol.asyncDispose]();
  closeLibc(libc);
});

/** A connection of `web`. */
async function connectFromWeb(address = echoService.address, port = echoService.port): Promise<Conversation> {
  const to = { address: address as IpAddress, port };
  const fd = startConnect(libc, pair.nodes.a.slot.fd, { to });
  return new Conversation(await connectStream({ kind: "fd", fd }));
}

class Conversation {
  readonly stream: SocketStream;
  received = "";
  isEnded = false;
  closed: { readonly error: Error | undefined } | undefined;

  constructor(stream: SocketStream) {
    this.stream = stream;
    stream.handle({
      onData: (bytes) => void (this.received += Buffer.from(bytes).toString()),
      onDrain() {},
      onEnd: () => void (this.isEnded = true),
      onClose: (error) => void (this.closed = { error }),
    });
  }

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

test("bytes cross, and the workload sees who calls", async () => {
  const talk = await connectFromWeb();
  expect(await talk.say("hello")).toBe("hello");
  talk.stream.end();
  await talk.over();
  expect(seen.at(-1)).toBe(pair.nodes.a.address);
});
