/** Reads a pipe as its bytes come, a bounded piece at a time; what they mean is the owner's business. */
import { closeFd, type Libc } from "./libc.ts";
import type { Poller } from "./poller.ts";

/** A pipe being read; closing it closes the descriptor. */
export interface PipeReader extends Disposable {
  close(): void;
}

const pieceBytes = 16 << 10;

/**
 * Reads until the end. `onData` gets a view that is valid during the call; the writer waits while it is not called.
 * @param fd non-blocking; the reader owns it
 */
export function readPipe(
  libc: Libc,
  poller: Poller,
  fd: number,
  handler: { readonly onData: (bytes: Uint8Array) => void; readonly onEnd: () => void },
): PipeReader {
  const buffer = Buffer.alloc(pieceBytes);
  let open = true;
  const close = (): void => {
    if (!open) return;
    open = false;
    watch.close();
    closeFd(libc, fd);
  };
  const watch = poller.watch(fd, "readable", () => {
    const length = libc.attempt("read", fd, buffer, buffer.length);
    if (length > 0) handler.onData(buffer.subarray(0, length));
    if (!open) return;
    if (length > 0 || length === -tryAgain || length === -interrupted) return watch.rearm();
    close();
    handler.onEnd();
  });
  return { close, [Symbol.dispose]: close };
}

const interrupted = 4;
const tryAgain = 11;
