/** A command's client over SPDY: a stream for each of error, stdin, stdout, stderr and resize, by their header (remotecommand v1 to v5). */
import { LineReader } from "#host/line-reader.ts";
import type { ByteStream, ByteStreamHandler } from "#host/byte-stream.ts";
import type { ClientHandler, CommandClient, CommandStreams } from "./command-client.ts";
import { type CommandStatus, type EndForm, endText } from "./command-status.ts";
import { parseSizeText } from "./size-text.ts";
import { SpdySession } from "./spdy-session.ts";

type StreamName = "error" | "stdin" | "stdout" | "stderr" | "resize";

/** How long a client may take to open its streams, as in kubelet. */
const readyMs = 30_000;
/** Of a line of the resize stream. */
const lineBytesMax = 1024;

/** Takes over a connection. */
export function openSpdyClient(
  connection: { readonly stream: ByteStream; readonly rest: Uint8Array },
  wanted: CommandStreams,
  endForm: EndForm,
): CommandClient {
  const client = new SpdyClient(connection.stream, expectedStreams(wanted), endForm);
  client.open(connection.rest);
  return client;
}

/** A terminal has no stderr of its own. */
function expectedStreams({ stdin, stdout, stderr, tty }: CommandStreams): ReadonlySet<StreamName> {
  const names: StreamName[] = ["error"];
  if (stdin) names.push("stdin");
  if (stdout) names.push("stdout");
  if (stderr && !tty) names.push("stderr");
  if (tty) names.push("resize");
  return new Set(names);
}

class SpdyClient implements CommandClient {
  readonly #session: SpdySession;
  readonly #expected: ReadonlySet<StreamName>;
  readonly #endForm: EndForm;
  readonly #streams = new Map<StreamName, ByteStream>();
  readonly #ready = Promise.withResolvers<void>();
  #handler: ClientHandler | undefined;
  #isClosed = false;
  readonly #isTerminal: boolean;
  readonly #timer: ReturnType<typeof setTimeout>;

  constructor(stream: ByteStream, expected: ReadonlySet<StreamName>, endForm: EndForm) {
    this.#expected = expected;
    this.#endForm = endForm;
    this.#session = new SpdySession(stream, {
      onStream: (opened, headers) => this.#onStream(opened, headers.get("streamtype") ?? ""),
      onClose: () => this.#onClose(),
    });
    this.#isTerminal = expected.has("resize");
    this.#timer = setTimeout(() => this.#session.reset(), readyMs);
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  open(rest: Uint8Array): void {
    this.#session.start(rest);
  }

  start(handler: ClientHandler): void {
    this.#handler = handler;
    if (this.#isClosed) return handler.onClose();
    this.#streams.get("stdin")?.handle({
      ...quiet,
      onData: (bytes) => handler.onInput(bytes),
      onEnd: () => handler.onInputEnd(),
    });
    this.#streams.get("resize")?.handle(sizesTo(handler));
    for (const name of ["stdout", "stderr"] as const)
      this.#streams.get(name)?.handle({ ...quiet, onDrain: () => handler.onRoom() });
    this.#streams.get("error")?.handle(quiet);
  }

  show(name: "stdout" | "stderr", bytes: Uint8Array): boolean {
    // On a terminal everything is one stream; and what a client did not ask for goes to nowhere.
    const stream = this.#streams.get(this.#isTerminal ? "stdout" : name);
    return stream === undefined || bytes.length === 0 || stream.write(bytes) > 0;
  }

  pause(): void {
    this.#streams.get("stdin")?.pause();
  }

  resume(): void {
    this.#streams.get("stdin")?.resume();
  }

  finish(status: CommandStatus): void {
    void this.#session.writer.whenRoom().then(() => this.#sayEnd(status));
  }

  #sayEnd(status: CommandStatus): void {
    this.#streams.get("stdout")?.end();
    this.#streams.get("stderr")?.end();
    const error = this.#streams.get("error");
    const text = endText(status, this.#endForm);
    if (text !== "") error?.write(Buffer.from(text));
    error?.end();
    this.#session.close();
  }

  #onStream(stream: ByteStream, type: string): boolean {
    const name = [...this.#expected].find((each) => each === type);
    if (name === undefined || this.#streams.has(name)) return false;
    this.#streams.set(name, stream);
    if (this.#streams.size < this.#expected.size) return true;
    clearTimeout(this.#timer);
    this.#ready.resolve();
    return true;
  }

  #onClose(): void {
    clearTimeout(this.#timer);
    this.#isClosed = true;
    this.#ready.reject(new Error("the client went before it had opened its streams"));
    this.#handler?.onClose();
  }
}

/** For streams, or what of them, nothing is done with. */
const quiet: ByteStreamHandler = {
  onData() {},
  onDrain() {},
  onEnd() {},
  onClose() {},
};

/** Sizes come as JSON, one after the other, each on a line. */
function sizesTo(handler: ClientHandler): ByteStreamHandler {
  const lines = new LineReader(lineBytesMax);
  return {
    ...quiet,
    onData(bytes) {
      for (const line of lines.push(bytes) ?? []) {
        const size = parseSizeText(line);
        if (size !== undefined) handler.onSize(size);
      }
    },
  };
}
