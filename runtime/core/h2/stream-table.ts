/** The streams of one connection by id, and what is known of ids that have no stream any more (RFC 9113 §5.1.1). */
import type { H2Stream } from "./h2-stream.ts";

/** Resets of ours that the peer may not have seen yet: frames for them are dropped in silence. */
const recentResetsMax = 256;

/** Open streams, and the ids used up. */
export class StreamTable {
  readonly #streams = new Map<number, H2Stream>();
  readonly #recentResets = new Set<number>();
  readonly #peerParity: number;
  #lastPeerId = 0;
  #nextLocalId: number;

  constructor(role: "client" | "server") {
    this.#peerParity = role === "server" ? 1 : 0;
    this.#nextLocalId = role === "server" ? 2 : 1;
  }

  get size(): number {
    return this.#streams.size;
  }

  /** The highest id that the peer opened. */
  get lastPeerId(): number {
    return this.#lastPeerId;
  }

  find(id: number): H2Stream | undefined {
    return this.#streams.get(id);
  }

  /** A snapshot, so that streams can close while it is walked. */
  all(): H2Stream[] {
    return [...this.#streams.values()];
  }

  /** Whether the peer may open this id next. */
  isNextPeerId(id: number): boolean {
    return (id & 1) === this.#peerParity && id > this.#lastPeerId;
  }

  /** Whether nobody has opened this id yet. */
  isIdle(id: number): boolean {
    return (id & 1) === this.#peerParity ? id > this.#lastPeerId : id >= this.#nextLocalId;
  }

  /** Uses up an id of the peer's, also when the stream is then refused. */
  usePeerId(id: number): void {
    this.#lastPeerId = id;
  }

  /** The next id of ours; beyond 2^31-1 there is none. */
  peekLocalId(): number {
    return this.#nextLocalId;
  }

  useLocalId(): number {
    const id = this.#nextLocalId;
    this.#nextLocalId += 2;
    return id;
  }

  add(stream: H2Stream): void {
    this.#streams.set(stream.id, stream);
  }

  remove(id: number): void {
    this.#streams.delete(id);
  }

  /** Remembers that we reset a stream. */
  noteReset(id: number): void {
    this.#recentResets.add(id);
    if (this.#recentResets.size <= recentResetsMax) return;
    for (const oldest of this.#recentResets) {
      this.#recentResets.delete(oldest);
      return;
    }
  }

  wasReset(id: number): boolean {
    return this.#recentResets.has(id);
  }
}
