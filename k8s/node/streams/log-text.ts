/** A container's log as the text that `kubectl logs` shows: times where they are asked for, cut at a number of bytes. Pure. */
import type { ContainerLogLine } from "../kubelet/container-access.ts";
import type { LogsRequest } from "./stream-request.ts";

/** What of a request shapes the text. */
export type LogShape = Pick<LogsRequest, "timestamps" | "limitBytes">;

/** Makes text of lines. */
export class LogText {
  readonly #shape: LogShape;
  readonly #encoder = new TextEncoder();
  #left: number;
  #isLineStart = true;

  constructor(shape: LogShape) {
    this.#shape = shape;
    this.#left = shape.limitBytes ?? Number.POSITIVE_INFINITY;
  }

  /** Whether no more bytes are wanted. */
  get isFull(): boolean {
    return this.#left <= 0;
  }

  /** A line's bytes. A line that came in pieces has its time once. */
  format({ time, text, isWhole }: ContainerLogLine): Uint8Array {
    const head = this.#shape.timestamps && this.#isLineStart ? `${time} ` : "";
    this.#isLineStart = isWhole;
    const bytes = this.#encoder.encode(`${head}${text}${isWhole ? "\n" : ""}`);
    const taken = bytes.length > this.#left ? bytes.subarray(0, this.#left) : bytes;
    this.#left -= taken.length;
    return taken;
  }
}
