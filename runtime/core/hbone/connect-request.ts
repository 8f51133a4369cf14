/** An HBONE CONNECT: what is asked for and on whose behalf, to and from an HTTP/2 header list (RFC 9113 §8.5). */
import { fieldValues, findField, type HeaderField } from "#core/h2/header-field.ts";
import { err, ok, type Result } from "#core/result.ts";
import { formatTraceparent, parseTraceparent, type TraceContext } from "#core/telemetry/trace-context.ts";
import { type Authority, formatAuthority, parseAuthority } from "./authority.ts";
import { type Baggage, formatBaggage, readBaggage } from "./baggage.ts";
import { type Forwarded, formatForwarded, readForwarded } from "./forwarded.ts";
import {
  formatOriginalCaller,
  type OriginalCaller,
  originalCallerField,
  parseOriginalCaller,
} from "./original-caller.ts";

/** What a client asks of a tunnel. */
export interface ConnectRequest {
  readonly authority: Authority;
  /** The source workload. */
  readonly baggage: Baggage;
  readonly forwarded?: Forwarded;
  /** The connection's span. */
  readonly trace?: TraceContext;
  /** Whom a waypoint speaks for. */
  readonly originalCaller?: OriginalCaller;
}

/** What a server read of one. */
export interface ReceivedConnect {
  readonly authority: Authority;
  readonly baggage: Baggage;
  readonly forwarded: Forwarded | undefined;
  readonly trace: TraceContext | undefined;
  /** An error when the field is there twice or malformed: the reader refuses or drops it, as its peer deserves. */
  readonly originalCaller: Result<OriginalCaller | undefined>;
}

/** Makes the header list of a CONNECT. */
export function formatConnect(request: ConnectRequest): HeaderField[] {
  const fields: HeaderField[] = [
    [":method", "CONNECT"],
    [":authority", formatAuthority(request.authority)],
    ["baggage", formatBaggage(request.baggage)],
  ];
  if (request.forwarded !== undefined) fields.push(["forwarded", formatForwarded(request.forwarded)]);
  if (request.trace !== undefined) fields.push(["traceparent", formatTraceparent(request.trace)]);
  if (request.originalCaller !== undefined) {
    fields.push([originalCallerField, formatOriginalCaller(request.originalCaller)]);
  }
  return fields;
}

/** Reads the header list of a CONNECT; an error only for what makes it unanswerable: its authority. */
export function parseConnect(fields: readonly HeaderField[]): Result<ReceivedConnect> {
  if (findField(fields, ":method") !== "CONNECT") {
    return err(`Cannot serve the request as CONNECT: ${JSON.stringify(findField(fields, ":method"))}`);
  }
  const authority = parseAuthority(findField(fields, ":authority") ?? "");
  if (!authority.ok) return authority;
  return ok({
    authority: authority.value,
    baggage: readBaggage(fieldValues(fields, "baggage")),
    forwarded: readForwarded(findField(fields, "forwarded")),
    trace: parseTraceparent(findField(fields, "traceparent")),
    originalCaller: parseOriginalCaller(fieldValues(fields, originalCallerField)),
  });
}
