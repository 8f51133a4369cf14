/** The end of something, told once to whoever asked; an AbortSignal's job without its cost for each request. */

/** Ends once. */
export class Ending {
  #listeners: Set<() => void> | undefined;
  #isOver = false;

  /** Whether it ended. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Calls back at the end, at once when it is over already. @returns how to call that off. */
  onOver(listener: () => void): () => void {
    if (this.#isOver) {
      listener();
      return nothing;
    }
    this.#listeners ??= new Set();
    this.#listeners.add(listener);
    return () => void this.#listeners?.delete(listener);
  }

  /** Ends it. Idempotent. */
  finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const listeners = this.#listeners;
    this.#listeners = undefined;
    for (const listener of listeners ?? []) listener();
  }
}

function nothing(): void {}
