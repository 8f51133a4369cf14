/** Batches of lines as a response body that is read at its reader's pace: what is not read is not made. */

/**
 * A stream of the batches.
 * @param ended Aborted when the reader goes away.
 */
export function streamLines<Line>(
  batches: AsyncGenerator<readonly Line[], void>,
  format: (lines: readonly Line[]) => string,
  ended: AbortController,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let isBegun = false;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (!isBegun) {
          // Bun.serve sends the head with the first byte, and a quiet watch has none: an empty line, which every reader
          // of JSON lines passes over, tells the client that it watches.
          isBegun = true;
          controller.enqueue(encoder.encode("\n"));
          return;
        }
        const next = await batches.next();
        if (next.done === true) controller.close();
        else controller.enqueue(encoder.encode(format(next.value)));
      },
      cancel() {
        ended.abort();
      },
    },
    { highWaterMark: 0 },
  );
}
