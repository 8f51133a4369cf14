/** A connection that was given away: its end is told to its server too, and a client that leaves unread is not kept. */
import type { ByteStream } from "#host/byte-stream.ts";
import type { SocketStream } from "#host/tunnel/tcp-stream.ts";

/** Calls back once the other end of a socket sends nothing more, whatever is still to be read. */
export type WatchLeft = (fd: number, onLeft: () => void) => Disposable;

/** What a client sent last is read within this time; one that was to be written to may not be told of otherwise. */
const tellingMs = 1000;

/**
 * The same stream for its new owner. One that is paused would not hear that its client is gone: then it is reset, as nobody is left to
 * be read.
 */
export function giveAway(
  stream: SocketStream,
  watchLeft: WatchLeft | undefined,
  onClose: () => void,
): ByteStream {
  let isPaused = true;
  let hasLeft = false;
  let late: ReturnType<typeof setTimeout> | undefined;
  let ended: { readonly error: Error | undefined } | undefined;
  const watch = watchLeft?.(stream.fd, () => {
    hasLeft = true;
    if (isPaused) stream.reset();
    else late = setTimeout(() => stream.reset(), tellingMs);
  });
  const finish = (error: Error | undefined): void => {
    ended = { error };
    watch?.[Symbol.dispose]();
    clearTimeout(late);
    onClose();
  };
  // Until the new owner listens nothing comes, as it is paused; but it may end.
  stream.handle({ onData() {}, onDrain() {}, onEnd() {}, onClose: finish });
  return {
    write: (bytes) => stream.write(bytes),
    end: () => stream.end(),
    reset: () => stream.reset(),
    pause() {
      isPaused = true;
      stream.pause();
      // Not within the call in which its owner reads.
      if (hasLeft) queueMicrotask(() => stream.reset());
    },
    resume() {
      isPaused = false;
      stream.resume();
    },
    handle(handler) {
      if (ended !== undefined) return handler.onClose(ended.error);
      stream.handle({
        onData: (bytes) => handler.onData(bytes),
        onDrain: () => handler.onDrain(),
        onEnd: () => handler.onEnd(),
        onClose(error) {
          finish(error);
          handler.onClose(error);
        },
      });
    },
  };
}
