/** Descriptors of pipes and terminals as Web streams: nothing is read before it is wanted, nothing is taken before there is room. Not for files, which cannot be waited for. */
import { closeFd, type Libc } from "#host/linux/libc.ts";
import { LinuxError } from "#host/linux/errno.ts";
import type { Poller, Readiness } from "#host/linux/poller.ts";

/** What reading and waiting needs. */
export interface StreamHost {
  readonly libc: Libc;
  readonly poller: Poller;
}

const pieceBytes = 64 << 10;
const interrupted = 4;
const tryAgain = 11;

/**
 * Reads a non-blocking descriptor to its end; a terminal that was hung up is at its end.
 * The stream owns the descriptor; the signal closes it at once.
 */
export function readDescriptor(
  host: StreamHost,
  fd: number,
  signal: AbortSignal,
): ReadableStream<Uint8Array> {
  const waiting = makeWaiting(host, fd, "readable", signal);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const buffer = Buffer.allocUnsafeSlow(pieceBytes);
        for (;;) {
          if (!waiting.isOpen) return controller.close();
          const taken = host.libc.attempt("read", fd, buffer, buffer.length);
          // A small copy of a small piece: a queue of few bytes must not hold large buffers.
          if (taken > 0) return controller.enqueue(fitted(buffer, taken));
          if (taken !== -tryAgain && taken !== -interrupted) break;
          if (taken === -tryAgain) await waiting.ready();
        }
        waiting.close();
        controller.close();
      },
      cancel: () => waiting.close(),
    },
    { highWaterMark: 0 },
  );
}

/** Writes to a non-blocking descriptor; a write resolves once all of it is taken. The stream owns the descriptor; the signal closes it at once. */
export function writeDescriptor(
  host: StreamHost,
  fd: number,
  signal: AbortSignal,
): WritableStream<Uint8Array> {
  const waiting = makeWaiting(host, fd, "writable", signal);
  return new WritableStream<Uint8Array>({
    async write(bytes) {
      let at = 0;
      while (at < bytes.length) {
        const rest = bytes.subarray(at);
        const taken = waiting.isOpen ? host.libc.attempt("write", fd, rest, rest.length) : -badDescriptor;
        if (taken >= 0) at += taken;
        else if (taken === -tryAgain) await waiting.ready();
        else if (taken !== -interrupted) {
          waiting.close();
          throw new LinuxError("Cannot write to the process", -taken);
        }
      }
    },
    close: () => waiting.close(),
    abort: () => waiting.close(),
  });
}

const badDescriptor = 9;

function fitted(buffer: Buffer, length: number): Uint8Array {
  return length > buffer.length / 2 ? buffer.subarray(0, length) : new Uint8Array(buffer.subarray(0, length));
}

interface Waiting {
  readonly isOpen: boolean;
  /** Resolves at the next readiness, or when it is closed. */
  ready(): Promise<void>;
  close(): void;
}

function makeWaiting(
  { libc, poller }: StreamHost,
  fd: number,
  readiness: Readiness,
  signal: AbortSignal,
): Waiting {
  let isOpen = true;
  let isReady = false;
  let wake: (() => void) | undefined;
  const watch = poller.watch(fd, readiness, () => {
    isReady = true;
    wake?.();
  });
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    watch.close();
    closeFd(libc, fd);
    wake?.();
  };
  signal.addEventListener("abort", close);
  return {
    get isOpen() {
      return isOpen;
    },
    async ready() {
      // A readiness that was told before may be of bytes that are read by now; then one more attempt finds nothing.
      if (!isReady && isOpen) await new Promise<void>((resolve) => (wake = resolve));
      wake = undefined;
      isReady = false;
      if (isOpen) watch.rearm();
    },
    close,
  };
}
