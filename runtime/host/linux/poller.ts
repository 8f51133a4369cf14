/**
 * Readiness of any descriptor (listeners without accepting, packet sockets, pipes, pidfds): one native thread waits in epoll and writes
 * what is ready into a socket that Bun reads. Not for the sockets that Bun serves itself.
 */
import { checked, type Libc } from "./libc.ts";

/** A watched descriptor. */
export interface Watch extends Disposable {
  /** Asks for the next readiness; each call gives at most one `onReady`. */
  rearm(): void;
  /** Ends it; the descriptor stays open and is the caller's. */
  close(): void;
}

/**
 * What to wait for. `closed`: a socket's other end is gone both ways, `left`: at least it sends nothing more; in either case whatever is
 * still to be read.
 */
export type Readiness = "readable" | "writable" | "closed" | "left";

/** Watches descriptors. */
export interface Poller extends Disposable {
  /**
   * Waits for a descriptor, armed at once. `onReady` is called once per arming: after the end or an error of the descriptor too.
   * @throws LinuxError for a descriptor that cannot be waited for, such as a file
   */
  watch(fd: number, readiness: Readiness, onReady: () => void): Watch;
  /** Ends the thread and every watch. */
  close(): void;
}

const control = { add: 1, remove: 2, modify: 3 } as const;
const events = { readable: 0x2001, writable: 0x4, closed: 0, left: 0x2000 } as const; // with RDHUP; a hang-up is told unasked
const oneShot = 1 << 30;
/** The mark that ends the thread. */
const endMark = 0;

interface Watched {
  readonly fd: number;
  readonly onReady: () => void;
}

/** Starts the thread. The poller does not keep the process alive. */
export async function openPoller(libc: Libc): Promise<Poller> {
  const epoll = libc.call("Cannot make an epoll", "epoll_create1", 0o2000000);
  const pair = new Int32Array(2);
  libc.call("Cannot make a socket pair", "socketpair", 1, 1 | 0o2000000, 0, pair);
  const [ours = -1, theirs = -1] = pair;
  const watched = new Map<number, Watched>();
  const marks = new MarkReader((mark) => callReady(watched.get(mark)));
  const end = libc.call("Cannot make an event descriptor", "eventfd2", 0, 0o2000000);
  libc.call(
    "Cannot watch an event",
    "epoll_ctl",
    epoll,
    control.add,
    end,
    epollEvent(events.readable, endMark),
  );
  libc.call("Cannot unblock a socket", "fcntl", ours, 4, 0o4000);
  checked("Cannot start the poller's thread", libc.native.start_waiting(epoll, theirs, end));

  const options = {
    fd: ours,
    socket: { data: (_: unknown, bytes: Buffer) => marks.push(bytes), error: () => undefined },
  };
  // Sound: Bun takes `fd` here though its types do not say so.
  const socket = await Bun.connect(options as unknown as Bun.UnixSocketOptions);
  socket.unref();
  return pollerOf({ libc, epoll, end, watched }, () => socket.terminate());
}

interface State {
  readonly libc: Libc;
  readonly epoll: number;
  readonly end: number;
  readonly watched: Map<number, Watched>;
}

function pollerOf(state: State, stopReading: () => void): Poller {
  const { libc, epoll, end, watched } = state;
  /** The latest mark of a descriptor: its number may be another's by the time that a watch is closed. */
  const latest = new Map<number, number>();
  let nextMark = endMark + 1;
  let open = true;
  const close = (): void => {
    if (!open) return;
    open = false;
    watched.clear();
    libc.attempt("write", end, Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]), 8);
    stopReading();
  };
  return {
    watch(fd, readiness, onReady) {
      const mark = nextMark++;
      const event = epollEvent(events[readiness] | oneShot, mark);
      libc.call(`Cannot watch descriptor ${fd}`, "epoll_ctl", epoll, control.add, fd, event);
      watched.set(mark, { fd, onReady });
      latest.set(fd, mark);
      const closeWatch = (): void => {
        if (!watched.delete(mark) || latest.get(fd) !== mark) return;
        latest.delete(fd);
        if (open) libc.attempt("epoll_ctl", epoll, control.remove, fd, event);
      };
      return {
        rearm() {
          if (!watched.has(mark) || !open) return;
          libc.call(`Cannot watch descriptor ${fd} again`, "epoll_ctl", epoll, control.modify, fd, event);
        },
        close: closeWatch,
        [Symbol.dispose]: closeWatch,
      };
    },
    close,
    [Symbol.dispose]: close,
  };
}

/** One handler that throws must not cost the others, whose marks came in the same bytes, their only call. */
function callReady(ready: Watched | undefined): void {
  try {
    ready?.onReady();
  } catch (error) {
    console.error(`Cannot handle the readiness of descriptor ${ready?.fd}:`, error);
  }
}

/** Puts together 8-byte marks from a stream. */
class MarkReader {
  readonly #onMark: (mark: number) => void;
  #rest: Buffer = Buffer.alloc(0);

  constructor(onMark: (mark: number) => void) {
    this.#onMark = onMark;
  }

  push(bytes: Buffer): void {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const whole = all.length & ~7;
    this.#rest = Buffer.from(all.subarray(whole));
    for (let at = 0; at < whole; at += 8) this.#onMark(Number(all.readBigUInt64LE(at)));
  }
}

/** `struct epoll_event`, which is packed on x86-64. */
function epollEvent(mask: number, mark: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32LE(mask >>> 0, 0);
  bytes.writeBigUInt64LE(BigInt(mark), 4);
  return bytes;
}
