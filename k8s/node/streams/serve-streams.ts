/** `kubelet.sock`: logs, commands, attachments and ports of the node's Pods, for the API. What a client may have is the API's to decide. */
import { splice } from "#host/tunnel/splice.ts";
import type { ByteStream } from "#host/byte-stream.ts";
import { LineReader } from "#host/line-reader.ts";
import type { Libc } from "#host/linux/libc.ts";
import type { Poller } from "#host/linux/poller.ts";
import type { Log } from "#host/log.ts";
import { errorText, MeshError } from "#host/mesh-error.ts";
import { StreamWriter } from "#host/stream-writer.ts";
import { listenUnixStreams, type UnixStream } from "#host/tunnel/unix-stream.ts";
import type { ContainerAccess } from "../kubelet/container-access.ts";
import { connectInPod } from "./connect-in-pod.ts";
import { LogText } from "./log-text.ts";
import { serveCommand } from "./serve-command.ts";
import {
  formatAnswer,
  type LogsRequest,
  parseRequest,
  requestBytesMax,
  type StreamRequest,
} from "./stream-request.ts";

/** What the server needs. */
export interface ServeStreamsOptions {
  /** `<run-dir>/kubelet.sock`. */
  readonly socketPath: string;
  readonly access: ContainerAccess;
  /** Whether a token is the API's. */
  readonly isApi: (token: string) => Promise<boolean>;
  readonly libc: Libc;
  readonly poller: Poller;
  readonly log: Log;
}

/** The server, running. */
export interface StreamServer {
  /** Connections that are open. */
  readonly open: number;
  /** Stops listening and ends every connection, and with it what was started for it. */
  close(): void;
}

/** Connections at once; further ones are told to come later. */
const connectionsMax = 1024;
/** How long a refusal of a log may take. */
const refusalMs = 250;
/** How long a request may take to arrive whole. */
const requestMs = 10_000;

/** Opens it. @throws the system's error when the path cannot be served */
export function serveStreams(options: ServeStreamsOptions): StreamServer {
  const connections = new Set<ByteStream>();
  const listener = listenUnixStreams(options.socketPath, (stream) => {
    connections.add(stream);
    const isOverfull = connections.size > connectionsMax;
    serveConnection(options, stream, isOverfull)
      .catch((error: unknown) => {
        options.log.warn("stream failed", { reason: errorText(error) });
        stream.reset();
      })
      .finally(() => connections.delete(stream));
  });
  return {
    get open() {
      return connections.size;
    },
    close() {
      listener.close();
      for (const stream of connections) stream.reset();
    },
  };
}

async function serveConnection(
  options: ServeStreamsOptions,
  stream: UnixStream,
  isOverfull: boolean,
): Promise<void> {
  const asked = await readRequestLine(stream);
  if (asked === undefined) return;
  try {
    if (isOverfull) throw new MeshError("limit-reached", `Cannot serve more than ${connectionsMax} streams`);
    const parsed = parseRequest(asked.line);
    if (!parsed.ok) throw new MeshError("bad-input", parsed.error);
    const { token, request } = parsed.value;
    if (!(await options.isApi(token)))
      throw new MeshError("not-permitted", "Cannot serve streams to anyone but the API");
    await serveRequest(options, { stream, request, rest: asked.rest });
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    await refuse(stream, error);
  }
}

interface Asked {
  readonly stream: UnixStream;
  readonly request: StreamRequest;
  readonly rest: Uint8Array;
}

/** @throws MeshError before anything was answered */
async function serveRequest(options: ServeStreamsOptions, asked: Asked): Promise<void> {
  const { access, libc } = options;
  const { request, stream, rest } = asked;
  const accept = (): unknown => stream.write(Buffer.from(formatAnswer(undefined)));
  switch (request.kind) {
    case "logs":
      return serveLogs(access, request, stream);
    case "exec": {
      const streams = await access.startIn(request);
      accept();
      return serveCommand(stream, streams, rest);
    }
    case "attach": {
      const streams = await access.attachTo(request);
      accept();
      return serveCommand(stream, streams, rest);
    }
    case "port-forward": {
      const connection = await connectInPod(libc, access.networkOf(request.podUid), request.port);
      accept();
      if (rest.length > 0) connection.write(rest);
      return joinPort(options.poller, stream, connection);
    }
  }
}

/** One who is not read from because the port takes nothing is seen to leave all the same. */
async function joinPort(poller: Poller, stream: UnixStream, connection: ByteStream): Promise<void> {
  const over = Promise.withResolvers<void>();
  const joined = splice(stream, connection, () => over.resolve());
  using _left = poller.watch(stream.fd, "closed", () =>
    joined.cut(new Error("the API closed the connection")),
  );
  await over.promise;
}

async function serveLogs(access: ContainerAccess, request: LogsRequest, stream: ByteStream): Promise<void> {
  const { writer, closed } = takeOver(stream);
  const ended = new AbortController();
  void closed.then(() => ended.abort());
  const lines = access.openLog({ ...request, signal: ended.signal })[Symbol.asyncIterator]();
  const first = lines.next();
  // What the kubelet refuses it refuses before the first line; one that is long in coming is waited for after the answer.
  await Promise.race([first, Bun.sleep(refusalMs)]);
  writer.write(Buffer.from(formatAnswer(undefined)));
  try {
    const text = new LogText(request);
    for (let line = await first; line.done !== true; line = await lines.next()) {
      writer.write(text.format(line.value));
      await writer.whenRoom();
      if (ended.signal.aborted || text.isFull) break;
    }
    ended.abort();
    await lines.return?.();
    writer.end();
  } catch {
    // In the midst of the text only a cut tells that it is not whole.
    stream.reset();
  }
  await closed;
}

async function refuse(stream: ByteStream, error: MeshError): Promise<void> {
  const { writer, closed } = takeOver(stream);
  writer.write(Buffer.from(formatAnswer(error)));
  writer.end();
  await closed;
}

/** Writes to a connection whose other side has said everything; one that ends is closed. */
function takeOver(stream: ByteStream): { readonly writer: StreamWriter; readonly closed: Promise<void> } {
  const writer = new StreamWriter(stream);
  const closed = Promise.withResolvers<void>();
  stream.handle({
    onData() {},
    onDrain: () => writer.onDrain(),
    // The API ends its direction only when its client is gone.
    onEnd: () => stream.reset(),
    onClose() {
      writer.onClose();
      closed.resolve();
    },
  });
  stream.resume();
  return { writer, closed: closed.promise };
}

/** The request's line and what came behind it; undefined when the connection went before it was whole. The stream is paused then. */
function readRequestLine(stream: ByteStream): Promise<{ line: string; rest: Uint8Array } | undefined> {
  const { promise, resolve } = Promise.withResolvers<{ line: string; rest: Uint8Array } | undefined>();
  const lines = new LineReader(requestBytesMax);
  const timer = setTimeout(() => stream.reset(), requestMs);
  stream.handle({
    onData(bytes) {
      const end = bytes.indexOf(10);
      const taken = lines.push(end < 0 ? bytes : bytes.subarray(0, end + 1));
      if (taken === undefined) return stream.reset();
      const [line] = taken;
      if (line === undefined) return;
      clearTimeout(timer);
      stream.pause();
      resolve({ line, rest: new Uint8Array(bytes.subarray(end + 1)) });
    },
    onDrain() {},
    onEnd: () => stream.reset(),
    onClose() {
      clearTimeout(timer);
      resolve(undefined);
    },
  });
  stream.resume();
  return promise;
}
