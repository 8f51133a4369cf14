/** One HTTP request on a connection of its own, timed from before the connection to the whole response. */

/** What came. */
export interface TimedResponse {
  readonly ms: number;
  readonly status: number;
  readonly text: string;
}

/** Asks once; the response must say `Connection: close` or carry a length. @throws Error when the connection fails */
export async function timeRequest(port: number, host: string): Promise<TimedResponse> {
  const done = Promise.withResolvers<string>();
  let text = "";
  const startedMs = performance.now();
  await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      open: (socket) => void socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`),
      data(socket, bytes) {
        text += bytes.toString("latin1");
        if (!isWhole(text)) return;
        done.resolve(text);
        socket.end();
      },
      close: () => done.resolve(text),
      error: (_, error) => done.reject(error),
    },
  });
  await done.promise;
  const ms = performance.now() - startedMs;
  return { ms, text, status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0) };
}

function isWhole(text: string): boolean {
  const head = text.indexOf("\r\n\r\n");
  if (head < 0) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, head + 2))?.[1];
  return length === undefined ? text.endsWith("0\r\n\r\n") : text.length >= head + 4 + Number(length);
}
