/** The one line that a request leaves in the access log, with Envoy's words for its fields; where lines go is decided elsewhere. */
import { formatSocketAddress } from "#core/address/socket-address.ts";
import { findField } from "#core/h2/header-field.ts";
import type { HttpProblem } from "#core/http1/head.ts";
import type { Exchange } from "./exchange.ts";

/** A line's fields in order; undefined ones are left out. */
export type AccessFields = Readonly<Record<string, string | number | undefined>>;

/** The fields of an exchange that is over. */
export function accessFields(exchange: Exchange, durationMs: number): AccessFields {
  const { received, caller, service, lease, route } = exchange;
  return {
    method: received.method,
    path: received.target,
    protocol: `HTTP/${received.version}`,
    response_code: exchange.status,
    response_flags: exchange.flag,
    response_code_details: exchange.detail || undefined,
    bytes_received: exchange.bytesReceived,
    bytes_sent: exchange.bytesSent,
    duration: Math.round(durationMs * 1000) / 1000,
    authority: findField(received.headers, "host") ?? "",
    "src.identity": caller.identity,
    "src.addr": caller.address,
    "dst.service": service.hostname || undefined,
    "dst.identity": exchange.upstreamIdentity,
    upstream_host: exchange.upstream === undefined ? undefined : formatSocketAddress(exchange.upstream),
    instance: lease?.instance,
    rung: lease?.rung,
    route_name: route !== undefined && "route" in route ? route.route : undefined,
    attempts: exchange.attempts > 1 ? exchange.attempts : undefined,
    policy: exchange.policy || undefined,
    trace_id: exchange.trace.context.traceId,
  };
}

/** The fields of a request that could not be read. */
export function problemFields(problem: HttpProblem, callerText: string): AccessFields {
  return {
    response_code: problem.status,
    response_flags: "DPE",
    response_code_details: problem.reason,
    "src.identity": callerText,
  };
}

/** Formats a line with its newline. */
export function formatAccess(fields: AccessFields, atMs: number, format: "text" | "json"): string {
  const time = new Date(atMs).toISOString();
  if (format === "json")
    return `${JSON.stringify({ time, level: "info", scope: "access", message: "request complete", ...fields })}\n`;
  let line = `${time}\tinfo\taccess\trequest complete\t`;
  let separator = "";
  for (const name in fields) {
    const value = fields[name];
    if (value === undefined) continue;
    line += `${separator}${name}=${typeof value === "number" ? value : quoted(value)}`;
    separator = " ";
  }
  return `${line}\n`;
}

const plain = /^[ !#-[\]-~]*$/;

/** Nearly every value is plain, and then quotes alone are much cheaper than JSON. */
function quoted(text: string): string {
  return plain.test(text) ? `"${text}"` : JSON.stringify(text);
}
