/** Asks the node for a stream on `kubelet.sock`: a connection a stream, which is the asker's once the node has agreed. */
import { readFileSync } from "node:fs";
import type { ByteStream } from "#host/byte-stream.ts";
import { LineReader } from "#host/line-reader.ts";
import { MeshError } from "#host/mesh-error.ts";
import { connectUnixStream } from "#host/tunnel/unix-stream.ts";
import { checkAnswer, formatRequest, type StreamRequest } from "../../node/streams/stream-request.ts";

/** Where the node is asked. */
export interface NodePlace {
  readonly socketPath: string;
  /** File of the control plane's token. */
  readonly tokenPath: string;
}

/** What the node gave. */
export interface NodeStream {
  /** Paused; its handler is to be set. */
  readonly stream: ByteStream;
  /** What came behind the answer already. */
  readonly rest: Uint8Array;
}

const answerBytesMax = 64 << 10;
const answerMs = 30_000;

/** Asks. @throws MeshError (rejects): what the node refuses, `unavailable` when it is not there, `timeout` */
export async function askNode(place: NodePlace, request: StreamRequest): Promise<NodeStream> {
  const stream = await connectUnixStream(place.socketPath);
  const token = readFileSync(place.tokenPath, "utf8").trim();
  const answer = readAnswer(stream);
  send(stream, Buffer.from(formatRequest(token, request)));
  const { line, rest } = await answer;
  try {
    checkAnswer(line);
  } catch (error) {
    stream.reset();
    throw error;
  }
  return { stream, rest };
}

/** A request is far smaller than what a socket takes at once; what it does not take goes at the next drain. */
function send(stream: ByteStream, bytes: Uint8Array): void {
  const taken = stream.write(bytes);
  if (taken < bytes.length) setTimeout(() => send(stream, bytes.subarray(taken)), 1);
}

function readAnswer(stream: ByteStream): Promise<{ readonly line: string; readonly rest: Uint8Array }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ line: string; rest: Uint8Array }>();
  const lines = new LineReader(answerBytesMax);
  const fail = (code: "timeout" | "unavailable", reason: string): void => {
    reject(new MeshError(code, `Cannot have a stream from the node: ${reason}`));
    stream.reset();
  };
  const timer = setTimeout(() => fail("timeout", `no answer within ${answerMs} ms`), answerMs);
  stream.handle({
    onData(bytes) {
      const end = bytes.indexOf(10);
      const taken = lines.push(end < 0 ? bytes : bytes.subarray(0, end + 1));
      if (taken === undefined) return fail("unavailable", "its answer is too long");
      const [line] = taken;
      if (line === undefined) return;
      clearTimeout(timer);
      stream.pause();
      resolve({ line, rest: new Uint8Array(bytes.subarray(end + 1)) });
    },
    onDrain() {},
    onEnd: () => fail("unavailable", "it closed the connection"),
    onClose() {
      clearTimeout(timer);
      fail("unavailable", "the connection broke");
    },
  });
  stream.resume();
  return promise;
}
