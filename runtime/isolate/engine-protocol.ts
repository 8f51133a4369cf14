/**
 * What a function's process and its owner say to each other on descriptor 3, with the check of every line that comes from the process:
 * user code shares it and can write to that descriptor.
 */
import type { ChannelLimits } from "#host/channel.ts";

/** Bounds of that channel, on both sides. */
export const engineChannelLimits: ChannelLimits = {
  lineBytesMax: 1 << 20,
  pendingMax: 64,
  queuedBytesMax: 4 << 20,
};

/** A binding: another function under a name in `env`. */
export interface EngineBinding {
  readonly name: string;
  readonly function: string;
  readonly namespace: string;
}

/** Request `specialise`: become this function. */
export interface Specialise {
  /** Name of the bundle's file in the bundle folder. */
  readonly file: string;
  readonly port: number;
  /** Variables and secrets. */
  readonly env: Readonly<Record<string, string>>;
  readonly bindings: readonly EngineBinding[];
  readonly function: string;
  readonly namespace: string;
  readonly revision: string;
}

/** How far a process came before it failed. */
export type FailureStage = "parse" | "import" | "handlers" | "listen";

/** A handler that a function can export. */
export type HandlerName = "fetch" | "scheduled" | "queue";

/** Answer to `specialise`. */
export type Specialised =
  | { readonly kind: "ready"; readonly exports: readonly HandlerName[] }
  | { readonly kind: "failed"; readonly stage: FailureStage; readonly message: string };

/** Request `scheduled`: run the handler of that name. */
export interface Scheduled {
  readonly cron: string;
  /** Milliseconds since the epoch. */
  readonly scheduledTime: number;
  /** The context that what the handler does belongs to. */
  readonly traceparent?: string;
}

/** Answer to `scheduled`. */
export type ScheduledResult =
  | { readonly kind: "done" }
  | { readonly kind: "failed"; readonly message: string };

/** Notification `span`: one served request. */
export interface EngineSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  /** Milliseconds since the epoch, with fractions. */
  readonly startMs: number;
  readonly endMs: number;
  /** The response's status. */
  readonly status: number;
  /** Spans dropped before this one because there were too many. */
  readonly droppedBefore: number;
}

const stages: ReadonlySet<string> = new Set<FailureStage>(["parse", "import", "handlers", "listen"]);
const handlers: ReadonlySet<string> = new Set<HandlerName>(["fetch", "scheduled", "queue"]);
const messageCharsMax = 4096;
const nameCharsMax = 256;

/** Reads an answer to `specialise`; undefined when it is not one. */
export function parseSpecialised(value: unknown): Specialised | undefined {
  const fields = fieldsOf(value);
  if (fields?.["kind"] === "ready") {
    const list: unknown = fields["exports"];
    if (!Array.isArray(list) || list.length > handlers.size || !list.every(isHandler)) return undefined;
    return { kind: "ready", exports: list };
  }
  if (fields?.["kind"] !== "failed") return undefined;
  const { stage, message } = fields;
  if (!isStage(stage) || typeof message !== "string") return undefined;
  return { kind: "failed", stage, message: message.slice(0, messageCharsMax) };
}

/** Reads an answer to `scheduled`; undefined when it is not one. */
export function parseScheduledResult(value: unknown): ScheduledResult | undefined {
  const fields = fieldsOf(value);
  if (fields?.["kind"] === "done") return { kind: "done" };
  const message = fields?.["message"];
  if (fields?.["kind"] !== "failed" || typeof message !== "string") return undefined;
  return { kind: "failed", message: message.slice(0, messageCharsMax) };
}

/** Reads a span; undefined when it is not one. */
export function parseSpan(value: unknown): EngineSpan | undefined {
  const fields = fieldsOf(value);
  if (fields === undefined) return undefined;
  const { traceId, spanId, parentSpanId, name, startMs, endMs, status, droppedBefore } = fields;
  if (!isHex(traceId, 32) || !isHex(spanId, 16) || !isHex(parentSpanId, 16)) return undefined;
  if (typeof name !== "string" || !isTime(startMs) || !isTime(endMs)) return undefined;
  if (!isCount(status) || status > 599 || !isCount(droppedBefore)) return undefined;
  return {
    traceId,
    spanId,
    parentSpanId,
    name: name.slice(0, nameCharsMax),
    startMs,
    endMs,
    status,
    droppedBefore,
  };
}

function fieldsOf(value: unknown): Record<string, unknown> | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return value as Record<string, unknown>; // Sound: every object can be read by name.
}

function isHandler(value: unknown): value is HandlerName {
  return typeof value === "string" && handlers.has(value);
}

function isStage(value: unknown): value is FailureStage {
  return typeof value === "string" && stages.has(value);
}

function isHex(value: unknown, digits: number): value is string {
  return typeof value === "string" && value.length === digits && /^[0-9a-f]+$/.test(value);
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
