/** Writes text to standard output without holding up the thread that carries requests; Bun's own writer loses it on plain files. */
import { write } from "node:fs";

/** Between two attempts at a pipe whose reader is behind. */
const retryMs = 5;

/** Resolves when all of it is written. @throws the system's error (rejects) when nobody reads any more */
export function writeOut(text: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const bytes = Buffer.from(text);
  const next = (at: number): void => {
    write(1, bytes, at, bytes.length - at, null, (error, taken) => {
      if (error?.code === "EAGAIN") setTimeout(() => next(at), retryMs);
      else if (error !== null) reject(error);
      else if (at + taken < bytes.length) next(at + taken);
      else resolve();
    });
  };
  next(0);
  return promise;
}
