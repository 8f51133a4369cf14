/** What a connection of an undeclared protocol begins with: HTTP/1, or something else that is not read here. */
import type { ByteStream, ByteStreamHandler } from "#host/byte-stream.ts";
import type { Clock } from "#host/clock.ts";

/** A stream whose first bytes were looked at; whoever takes it gets them as if they had just come. */
export interface LookedAt {
  readonly isHttp: boolean;
  readonly stream: ByteStream;
}

/** Long enough for a method's name. */
const wordBytesMax = 24;
const wordForm = /^[A-Z][A-Z-]*( |$)/;
/** How HTTP/2 begins. */
const preface = "PRI * HTTP/2";

/** Waits for the first bytes, for so long at most: where the server speaks first, nothing comes. Never rejects. */
export function lookAtFirstBytes(stream: ByteStream, clock: Clock, withinMs: number): Promise<LookedAt> {
  return new Promise((resolve) => {
    const held = new HeldStream(stream);
    let word = "";
    const decide = (isHttp: boolean): void => {
      timer.cancel();
      stream.pause();
      resolve({ isHttp, stream: held });
    };
    const timer = clock.after(withinMs, () => decide(false));
    held.onBytes = (bytes) => {
      word += Buffer.from(bytes.subarray(0, wordBytesMax)).toString("latin1");
      const isWhole = word.includes(" ") || word.length >= wordBytesMax || !wordForm.test(word);
      if (isWhole)
        decide(
          wordForm.test(word) && word.includes(" ") && !preface.startsWith(word.slice(0, preface.length)),
        );
    };
    held.onOver = () => decide(false);
    stream.handle(held);
    stream.resume();
  });
}

/** Keeps what has come until somebody else takes the stream. */
class HeldStream implements ByteStream, ByteStreamHandler {
  readonly #stream: ByteStream;
  readonly #pieces: Uint8Array[] = [];
  #isEnded = false;
  #closed: { readonly error: Error | undefined } | undefined;
  onBytes: (bytes: Uint8Array) => void = ignore;
  onOver: () => void = ignore;

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  onData(bytes: Uint8Array): void {
    this.#pieces.push(Uint8Array.from(bytes));
    this.onBytes(bytes);
  }

  onDrain(): void {}

  onEnd(): void {
    this.#isEnded = true;
    this.onOver();
  }

  onClose(error?: Error): void {
    this.#closed = { error };
    this.onOver();
  }

  write(bytes: Uint8Array): number {
    return this.#stream.write(bytes);
  }

  end(): void {
    this.#stream.end();
  }

  reset(): void {
    this.#stream.reset();
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** The new owner gets what is held first, whether it has paused or not: it is no more than one piece or two. */
  handle(handler: ByteStreamHandler): void {
    this.#stream.handle(handler);
    for (const piece of this.#pieces.splice(0)) handler.onData(piece);
    if (this.#isEnded) handler.onEnd();
    if (this.#closed !== undefined) handler.onClose(this.#closed.error);
  }
}

function ignore(): void {}
