/** The one line that a connection leaves in the access log, in Istio's words and order; where lines go is decided elsewhere. */
import { formatSocketAddress, type SocketAddress } from "#core/address/socket-address.ts";
import type { Party, ServiceNames } from "./party.ts";

/** What a line tells. */
export interface AccessRecord {
  readonly direction: "inbound" | "outbound";
  readonly source: Party;
  readonly sourceAddress: SocketAddress;
  readonly destination: Party;
  /** Where the connection went: the tunnel's end, or the workload itself. */
  readonly destinationAddress: SocketAddress;
  /** What the CONNECT asked for; undefined without a tunnel. */
  readonly tunnelTarget: string | undefined;
  readonly service: ServiceNames;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly durationMs: number;
  /** Undefined when all went well. */
  readonly error: string | undefined;
  /** Refused before it began: a warning, not an error. */
  readonly isDenial: boolean;
}

/** Formats a line of text with its newline. */
export function formatAccessText(record: AccessRecord, atMs: number): string {
  const { source, destination, service } = record;
  const [level, message] = levelOf(record);
  let line = `${formatTime(atMs)}\t${level}\taccess\t${message}\tsrc.addr=${formatSocketAddress(record.sourceAddress)}`;
  line += partyText("src", source, source.cluster);
  line += ` dst.addr=${formatSocketAddress(record.destinationAddress)}`;
  if (record.tunnelTarget !== undefined) line += ` dst.hbone_addr=${record.tunnelTarget}`;
  if (service.hostname !== "") line += ` dst.service=${JSON.stringify(service.hostname)}`;
  line += partyText("dst", destination, destination.cluster);
  line += ` direction="${record.direction}" bytes_sent=${record.bytesSent} bytes_recv=${record.bytesReceived}`;
  line += ` duration="${Math.round(record.durationMs)}ms"`;
  if (record.error !== undefined) line += ` error=${JSON.stringify(record.error)}`;
  return `${line}\n`;
}

/** Formats a line of JSON with its newline. */
export function formatAccessJson(record: AccessRecord, atMs: number): string {
  const { source, destination, service } = record;
  const [level, message] = levelOf(record);
  return `${JSON.stringify({
    level,
    time: formatTime(atMs),
    scope: "access",
    message,
    "src.addr": formatSocketAddress(record.sourceAddress),
    ...partyFields("src", source),
    "dst.addr": formatSocketAddress(record.destinationAddress),
    "dst.hbone_addr": record.tunnelTarget,
    "dst.service": service.hostname || undefined,
    ...partyFields("dst", destination),
    direction: record.direction,
    bytes_sent: record.bytesSent,
    bytes_recv: record.bytesReceived,
    duration: `${Math.round(record.durationMs)}ms`,
    error: record.error,
  })}\n`;
}

function levelOf(record: AccessRecord): readonly [level: string, message: string] {
  if (record.isDenial) return ["warn", "connection failed"];
  return [record.error === undefined ? "info" : "error", "connection complete"];
}

function partyText(side: "src" | "dst", party: Party, cluster: string): string {
  let text = "";
  if (party.workload !== "") text += ` ${side}.workload="${party.workload}"`;
  if (party.namespace !== "") text += ` ${side}.namespace="${party.namespace}"`;
  if (party.identity !== "") text += ` ${side}.identity="${party.identity}"`;
  if (cluster !== "" && cluster !== "Kubernetes") text += ` ${side}.cluster="${cluster}"`;
  return text;
}

function partyFields(side: "src" | "dst", party: Party): Record<string, string | undefined> {
  return {
    [`${side}.workload`]: party.workload || undefined,
    [`${side}.namespace`]: party.namespace || undefined,
    [`${side}.identity`]: party.identity || undefined,
    [`${side}.cluster`]: party.cluster === "Kubernetes" ? undefined : party.cluster || undefined,
  };
}

/** RFC 3339 with microseconds. */
function formatTime(atMs: number): string {
  const micros = Math.floor((atMs % 1) * 1000);
  return `${new Date(atMs).toISOString().slice(0, -1)}${String(micros).padStart(3, "0")}Z`;
}
