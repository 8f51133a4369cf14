/** A request's body as a Web stream, fed by its connection, which is told to pause while nobody reads. */

/** The feeding side of one body. */
export class RequestBody {
  /** What the handler reads. */
  readonly stream: ReadableStream<Uint8Array>;
  readonly #onWanted: () => void;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #isOver = false;

  /** @param onWanted called when a body that was full has room again, or nobody wants the rest */
  constructor(onWanted: () => void) {
    this.#onWanted = onWanted;
    this.stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#onWanted(),
      cancel: () => {
        this.#isOver = true;
        this.#onWanted();
      },
    });
  }

  /** Whether bytes wait to be read. */
  get isFull(): boolean {
    return !this.#isOver && (this.#controller?.desiredSize ?? 0) <= 0;
  }

  /** Adds bytes: a copy is made. */
  push(bytes: Uint8Array): void {
    if (!this.#isOver) this.#controller?.enqueue(new Uint8Array(bytes));
  }

  /** It came whole. */
  end(): void {
    if (!this.#isOver) this.#controller?.close();
    this.#isOver = true;
  }

  /** It was cut short. */
  fail(reason: string): void {
    if (!this.#isOver) this.#controller?.error(new Error(reason));
    this.#isOver = true;
  }
}
