/** `kubectl port-forward` over SPDY: for each connection a pair of streams, one for bytes and one for what went wrong, joined with a port of the Pod. */
import type { ByteStream, ByteStreamHandler } from "#host/byte-stream.ts";
import { errorText } from "#host/mesh-error.ts";
import { splice } from "#host/tunnel/splice.ts";
import type { NodeStream } from "./ask-node.ts";
import { SpdySession } from "./spdy-session.ts";

/** What a client forwards to. */
export interface ForwardTarget {
  /** How the Pod is called in errors. */
  readonly pod: string;
  /** Connects to a port in the Pod. */
  readonly connect: (port: number) => Promise<NodeStream>;
}

interface Pair {
  readonly port: number;
  readonly error: ByteStream;
}

/** Error streams whose data stream has not come. */
const waitingMax = 1000;

/** Serves a client that has switched protocols; resolves when it is gone. */
export function forwardPorts(
  connection: { readonly stream: ByteStream; readonly rest: Uint8Array },
  target: ForwardTarget,
): Promise<void> {
  const over = Promise.withResolvers<void>();
  const waiting = new Map<string, Pair>();
  const session = new SpdySession(connection.stream, {
    onStream: (stream, headers) => takeStream(target, waiting, { stream, headers }),
    onClose: () => over.resolve(),
  });
  session.start(connection.rest);
  return over.promise;
}

interface Opened {
  readonly stream: ByteStream;
  readonly headers: ReadonlyMap<string, string>;
}

/** The error stream comes first, then the one for bytes, with the same number. @returns false for a stream that fits nothing */
function takeStream(target: ForwardTarget, waiting: Map<string, Pair>, { stream, headers }: Opened): boolean {
  const id = headers.get("requestid") ?? "";
  const port = readPort(headers.get("port"));
  if (id === "" || port === undefined) return false;
  const pair = waiting.get(id);
  if (headers.get("streamtype") === "error") {
    if (pair !== undefined || waiting.size >= waitingMax) return false;
    stream.handle(silent);
    waiting.set(id, { port, error: stream });
    return true;
  }
  if (headers.get("streamtype") !== "data" || pair?.port !== port) return false;
  waiting.delete(id);
  stream.pause();
  void forward(target, pair, stream);
  return true;
}

function readPort(text: string | undefined): number | undefined {
  const port = /^\d{1,5}$/.test(text ?? "") ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
}

async function forward(target: ForwardTarget, { port, error }: Pair, data: ByteStream): Promise<void> {
  try {
    const { stream, rest } = await target.connect(port);
    if (rest.length > 0) data.write(rest);
    splice(data, stream, () => error.end());
  } catch (cause) {
    const text = `error forwarding port ${port} to pod ${target.pod}: ${errorText(cause)}`;
    error.write(Buffer.from(text));
    error.end();
    data.handle(silent);
    data.reset();
  }
}

/** An error stream is for us to write on; the client has closed its side. */
const silent: ByteStreamHandler = {
  onData() {},
  onDrain() {},
  onEnd() {},
  onClose() {},
};
