/** Trace and span ids from the system's random source, taken in blocks so that one costs no system call. */
import { randomFillSync } from "node:crypto";
import type { TraceContext } from "#core/telemetry/trace-context.ts";

/** Gives ids. */
export interface SpanIds {
  /** 32 lowercase hex digits, never all zero. */
  traceId(): string;
  /** 16 lowercase hex digits, never all zero. */
  spanId(): string;
  /** The context of a new span in `parent`'s trace, or of the first span of a new, sampled trace. */
  childOf(parent: TraceContext | undefined): TraceContext;
}

const blockBytes = 4096;

/** Makes a source of ids. */
export function makeSpanIds(): SpanIds {
  const block = Buffer.alloc(blockBytes);
  let at = blockBytes;
  const take = (bytes: number): string => {
    if (at + bytes > blockBytes) {
      randomFillSync(block);
      at = 0;
    }
    const text = block.toString("hex", at, at + bytes);
    at += bytes;
    return /^0+$/.test(text) ? take(bytes) : text;
  };
  const spanId = (): string => take(8);
  const traceId = (): string => take(16);
  return {
    traceId,
    spanId,
    childOf: (parent) => ({
      traceId: parent?.traceId ?? traceId(),
      spanId: spanId(),
      sampled: parent?.sampled ?? true,
    }),
  };
}
