/** How far the open discovery streams have taken what was sent to them: what lets a status speak of the proxies. Sends nothing itself. */
import type { Clock } from "#host/clock.ts";

/** One stream's progress, read when it is asked for. */
export interface StreamProgress {
  /** Responses sent so far. */
  readonly sent: number;
  /** The last one that was answered, counted the same way. */
  readonly taken: number;
  /** Whether something changed that was not looked at yet. */
  readonly isBehind: boolean;
}

/** See the file's head. */
export class Deliveries {
  readonly #clock: Clock;
  readonly #streams = new Set<StreamProgress>();
  readonly #waiters = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A stream is open. @returns how to say that it is over. */
  join(stream: StreamProgress): () => void {
    this.#streams.add(stream);
    return () => {
      this.#streams.delete(stream);
      this.advanced();
    };
  }

  /** A stream took something, or needs nothing more. */
  advanced(): void {
    for (const look of this.#waiters) look();
  }

  /**
   * Waits until every stream that is open now has taken what there is now. A proxy that does not answer is not waited
   * for beyond the time.
   * @returns whether all took it.
   */
  whenTaken(withinMs: number): Promise<boolean> {
    const left = [...this.#streams].map((stream) => ({
      stream,
      wanted: stream.sent + (stream.isBehind ? 1 : 0),
    }));
    const isTaken = (): boolean =>
      left.every(
        ({ stream, wanted }) => stream.taken >= wanted || isUpToDate(stream) || !this.#streams.has(stream),
      );
    if (isTaken()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const end = (value: boolean): void => {
        timer.cancel();
        this.#waiters.delete(look);
        resolve(value);
      };
      const look = (): void => {
        if (isTaken()) end(true);
      };
      const timer = this.#clock.after(withinMs, () => end(false));
      this.#waiters.add(look);
    });
  }
}

/** What changed and changed back is never sent. */
function isUpToDate({ sent, taken, isBehind }: StreamProgress): boolean {
  return !isBehind && taken >= sent;
}
