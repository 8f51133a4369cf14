/** A byte stream whose other end is the test: what was written, how much room there is, what the peer does. */
import type { ByteStream, ByteStreamHandler } from "#host/byte-stream.ts";

/** See {@link ByteStream}. */
export class FakeStream implements ByteStream {
  /** Everything written so far, as latin-1. */
  written = "";
  /** Writes that were offered, whether taken or not. */
  writes = 0;
  /** Bytes that can still be taken. */
  room: number = Number.POSITIVE_INFINITY;
  isPaused = false;
  isEnded = false;
  isReset = false;
  #handler: ByteStreamHandler | undefined;

  write(bytes: Uint8Array): number {
    this.writes++;
    if (this.isEnded || this.isReset) return 0;
    const taken = Math.min(bytes.length, this.room);
    this.room -= taken;
    this.written += Buffer.from(bytes.subarray(0, taken)).toString("latin1");
    return taken;
  }

  end(): void {
    this.isEnded = true;
  }

  reset(): void {
    if (this.isReset) return;
    this.isReset = true;
    this.#handler?.onClose(new Error("reset here"));
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  handle(handler: ByteStreamHandler): void {
    this.#handler = handler;
  }

  /** The peer sends; its view is overwritten afterwards, as a real one's is. */
  receive(text: string): void {
    const bytes = Buffer.from(text, "latin1");
    this.#handler?.onData(bytes);
    bytes.fill(0x21);
  }

  /** The peer takes: there is so much room again. */
  drain(room: number = Number.POSITIVE_INFINITY): void {
    this.room = room;
    this.#handler?.onDrain();
  }

  /** The peer finishes its direction. */
  peerEnd(): void {
    this.#handler?.onEnd();
  }

  /** Both directions are over. */
  close(error?: Error): void {
    this.#handler?.onClose(error);
  }

  /** Gives what was written and forgets it. */
  take(): string {
    const text = this.written;
    this.written = "";
    return text;
  }
}

/** Lets everything that is resolved already run. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
