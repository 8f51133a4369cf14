/** One command's, or container's, streams as frames on a connection, with back-pressure both ways. */
import type { ByteStream, ByteStreamHandler } from "#host/byte-stream.ts";
import type { ExitStatus } from "#host/linux/spawn.ts";
import { StreamWriter } from "#host/stream-writer.ts";
import type { ContainerStreams } from "../kubelet/container-access.ts";
import {
  channel,
  encodeCredit,
  encodeMessage,
  encodeStreamHead,
  inputWindowBytes,
  type StreamFrame,
  StreamFrameReader,
} from "./stream-frames.ts";

/** How long output is still waited for once the command has ended: something it left behind may hold it open for ever. */
const lateOutputMs = 1000;

/**
 * Serves until the command has ended and all was said, or the connection is gone; then lets go of the streams.
 * @param rest what came behind the request already
 */
export async function serveCommand(
  stream: ByteStream,
  streams: ContainerStreams,
  rest: Uint8Array,
): Promise<void> {
  const writer = new StreamWriter(stream);
  const input = makeInput(streams, writer);
  const gone = Promise.withResolvers<void>();
  const reader = new StreamFrameReader();
  const handler: ByteStreamHandler = {
    onData(bytes) {
      reader.push(bytes);
      for (let frame = reader.read(); frame !== undefined; frame = reader.read()) {
        if (act(frame, input, streams)) continue;
        stream.reset();
        break;
      }
      reader.retain();
    },
    onDrain: () => writer.onDrain(),
    // The API ends its direction only when its client is gone.
    onEnd: () => stream.reset(),
    onClose() {
      writer.onClose();
      gone.resolve();
    },
  };
  stream.handle(handler);
  handler.onData(rest);
  stream.resume();
  sendOutput(streams, writer).then(
    (status) => sayEnd(writer, status),
    () => stream.reset(), // Its streams were let go in the meantime.
  );
  await gone.promise;
  input.stop();
  streams.close();
}

/** @returns false for what the other side may not say. */
function act(frame: StreamFrame, input: Input, streams: ContainerStreams): boolean {
  switch (frame.kind) {
    case "input":
      return input.take(frame.bytes);
    case "input-end":
      input.end();
      return true;
    case "size":
      streams.resize(frame.size);
      return true;
    case "output":
    case "errors":
    case "exit":
    case "credit":
    case "problem":
      return false;
  }
}

interface Input {
  /** False when more came than was granted. */
  take(bytes: Uint8Array): boolean;
  end(): void;
  stop(): void;
}

/** Input waits here, within its window, until the command takes it. */
function makeInput(streams: ContainerStreams, writer: StreamWriter): Input {
  const target = streams.stdin?.getWriter();
  let waiting = 0;
  let isEnded = false;
  let queue: Promise<unknown> = Promise.resolve();
  const write = async (bytes: Uint8Array): Promise<void> => {
    // A command that reads no more lets its input go to nowhere: its client learns by its end.
    await target?.write(bytes).catch(() => undefined);
    waiting -= bytes.length;
    writer.write(encodeCredit(bytes.length));
  };
  return {
    take(bytes) {
      waiting += bytes.length;
      if (waiting > inputWindowBytes || isEnded) return false;
      if (bytes.length === 0) return true;
      const copy = new Uint8Array(bytes);
      queue = queue.then(() => write(copy));
      return true;
    },
    end() {
      if (isEnded) return;
      isEnded = true;
      queue = queue.then(() => target?.close().catch(() => undefined));
    },
    stop() {
      isEnded = true;
      target?.abort().catch(() => undefined);
    },
  };
}

async function sendOutput(streams: ContainerStreams, writer: StreamWriter): Promise<ExitStatus> {
  const sending = Promise.all([
    sendAll(streams.stdout, channel.output, writer),
    streams.stderr === undefined ? undefined : sendAll(streams.stderr, channel.errors, writer),
  ]);
  const status = await streams.exited;
  let lastBytes = -1;
  // Output that still flows is waited for; silence is not.
  while (writer.bytesWritten !== lastBytes || writer.isFull) {
    lastBytes = writer.bytesWritten;
    const late = Promise.withResolvers<"late">();
    const timer = setTimeout(() => late.resolve("late"), lateOutputMs);
    const first = await Promise.race([sending, late.promise]);
    clearTimeout(timer);
    if (first !== "late") break;
  }
  return status;
}

async function sendAll(from: ReadableStream<Uint8Array>, code: number, writer: StreamWriter): Promise<void> {
  const reader = from.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    writer.write(encodeStreamHead(code, value.length));
    writer.write(value);
    await writer.whenRoom();
  }
}

function sayEnd(writer: StreamWriter, status: ExitStatus): void {
  writer.write(encodeMessage(channel.exit, status));
  writer.end();
}
