/** Asks an instance in its slot by HTTP, from a socket made inside, as ztunnel does. */
import type { Libc } from "#host/linux/libc.ts";
import { startConnect } from "#host/linux/sockets.ts";
import type { Slot } from "#isolate/slot.ts";

/** What came back. */
export interface SlotAnswer {
  readonly status: number;
  readonly body: string;
}

/** One request; a connection that ends without an answer rejects. */
export async function askSlot(
  libc: Libc,
  slot: Slot,
  request: { readonly path?: string; readonly headers?: Record<string, string>; readonly body?: string } = {},
): Promise<SlotAnswer> {
  const { address, namespace } = slot.network;
  const fd = startConnect(libc, namespace.fd, { to: { address, port: 8080 } });
  const body = request.body ?? "";
  const headers = {
    host: "function",
    connection: "close",
    "content-length": String(body.length),
    ...request.headers,
  };
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const text = `${body === "" ? "GET" : "POST"} ${request.path ?? "/"} HTTP/1.1\r\n${head.join("")}\r\n${body}`;
  const answered = Promise.withResolvers<string>();
  let got = "";
  let sent = false;
  const options = {
    fd,
    socket: {
      drain(socket: Bun.Socket): void {
        if (!sent) socket.write(text);
        sent = true;
      },
      data: (_: Bun.Socket, bytes: Buffer) => void (got += bytes.toString()),
      close: () => answered.resolve(got),
      error: (_: Bun.Socket, error: Error) => answered.reject(error),
    },
  };
  // Sound: Bun takes `fd` here though its types do not say so.
  await Bun.connect(options as unknown as Bun.TCPSocketConnectOptions);
  return parseAnswer(await answered.promise);
}

function parseAnswer(text: string): SlotAnswer {
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? Number.NaN);
  if (Number.isNaN(status)) throw new Error(`Cannot read an answer as HTTP: "${text.slice(0, 80)}"`);
  return { status, body: text.slice(text.indexOf("\r\n\r\n") + 4) };
}
