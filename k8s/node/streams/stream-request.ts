/** What the API asks on `kubelet.sock`: one line of JSON, one line back, then bytes. Both sides meet here; neither acts. */
import { err, ok, type Result } from "#core/result.ts";
import { MeshError, type MeshErrorCode } from "#host/mesh-error.ts";
import type { TerminalSize } from "../kubelet/container-access.ts";

/** Which container. */
interface InContainer {
  readonly podUid: string;
  readonly container: string;
}

/** Answered by text to its end. */
export interface LogsRequest extends InContainer {
  readonly kind: "logs";
  readonly previous: boolean;
  readonly follow: boolean;
  /** Each line begins with its time. */
  readonly timestamps: boolean;
  readonly tailLines?: number;
  readonly sinceTimeMs?: number;
  /** Bytes of the whole answer, times included. */
  readonly limitBytes?: number;
}

/** Answered by frames both ways, see stream-frames.ts. */
export interface ExecRequest extends InContainer {
  readonly kind: "exec";
  readonly command: readonly string[];
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly size?: TerminalSize;
}

/** Answered by frames both ways. */
export interface AttachRequest extends InContainer {
  readonly kind: "attach";
  readonly stdin: boolean;
}

/** Answered by the port's bytes both ways. */
export interface PortForwardRequest {
  readonly kind: "port-forward";
  readonly podUid: string;
  readonly port: number;
}

/** Any of them. */
export type StreamRequest = LogsRequest | ExecRequest | AttachRequest | PortForwardRequest;

/** Longest request: a command may be long. */
export const requestBytesMax: number = 1 << 20;

/** A request with the API's token, as a line. */
export function formatRequest(token: string, request: StreamRequest): string {
  return `${JSON.stringify({ token, ...request })}\n`;
}

/** Reads the line. */
export function parseRequest(
  line: string,
): Result<{ readonly token: string; readonly request: StreamRequest }> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return err("Cannot read the request as a line of JSON");
  }
  if (typeof value !== "object" || value === null) return err("Cannot read the request as an object");
  // Sound: any object can be read by key, and each value read is checked.
  const fields = value as Record<string, unknown>;
  const token = text(fields["token"]);
  const request = readKind(fields);
  if (token === undefined || request === undefined)
    return err(`Cannot read the request as one of logs, exec, attach, port-forward: "${line.slice(0, 100)}"`);
  return ok({ token, request });
}

function readKind(fields: Readonly<Record<string, unknown>>): StreamRequest | undefined {
  const podUid = text(fields["podUid"]);
  if (podUid === undefined) return undefined;
  if (fields["kind"] === "port-forward") {
    const port = whole(fields["port"]);
    return port === undefined || port < 1 || port > 65_535
      ? undefined
      : { kind: "port-forward", podUid, port };
  }
  const container = text(fields["container"]);
  if (container === undefined) return undefined;
  const place = { podUid, container };
  switch (fields["kind"]) {
    case "logs":
      return readLogs(place, fields);
    case "exec":
      return readExec(place, fields);
    case "attach":
      return { kind: "attach", ...place, stdin: fields["stdin"] === true };
  }
  return undefined;
}

function readLogs(place: InContainer, fields: Readonly<Record<string, unknown>>): LogsRequest {
  return {
    kind: "logs",
    ...place,
    previous: fields["previous"] === true,
    follow: fields["follow"] === true,
    timestamps: fields["timestamps"] === true,
    ...given("tailLines", whole(fields["tailLines"])),
    ...given("sinceTimeMs", whole(fields["sinceTimeMs"])),
    ...given("limitBytes", whole(fields["limitBytes"])),
  };
}

function readExec(place: InContainer, fields: Readonly<Record<string, unknown>>): ExecRequest | undefined {
  const { command } = fields;
  const isList = Array.isArray(command) && command.length > 0;
  if (!isList || !command.every((part) => typeof part === "string")) return undefined;
  const size = parseSize(fields["size"]);
  return {
    kind: "exec",
    ...place,
    command,
    tty: fields["tty"] === true,
    stdin: fields["stdin"] === true,
    ...(size === undefined ? {} : { size }),
  };
}

/** A terminal's size out of JSON, which clients write with capitals (`{"Width":80,"Height":24}`). */
export function parseSize(value: unknown): TerminalSize | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  // Sound: as above.
  const fields = value as Record<string, unknown>;
  const columns = whole(fields["columns"] ?? fields["Width"]);
  const rows = whole(fields["rows"] ?? fields["Height"]);
  if (columns === undefined || rows === undefined || columns > 0xffff || rows > 0xffff) return undefined;
  return { columns, rows };
}

/** The answering line: nothing, or why not. */
export function formatAnswer(error: MeshError | undefined): string {
  const answer = error === undefined ? {} : { error: { code: error.code, message: error.message } };
  return `${JSON.stringify(answer)}\n`;
}

/** Reads the answering line. @throws MeshError with what the node says, or `protocol-violation` */
export function checkAnswer(line: string): void {
  let answer: { error?: { code?: unknown; message?: unknown } } | null;
  try {
    answer = JSON.parse(line) as typeof answer;
  } catch (error) {
    throw new MeshError("protocol-violation", "Cannot read the node's answer as JSON", error);
  }
  if (answer?.error === undefined) return;
  const { code, message } = answer.error;
  const known = answerCodes.find((each) => each === code) ?? "unavailable";
  throw new MeshError(known, typeof message === "string" ? message : "Cannot have it from the node");
}

const answerCodes: readonly MeshErrorCode[] = [
  "bad-input",
  "limit-reached",
  "not-found",
  "not-permitted",
  "unavailable",
];

function given<Name extends string>(
  name: Name,
  value: number | undefined,
): { readonly [Key in Name]?: number } {
  // Sound: an object of that one key.
  return (value === undefined ? {} : { [name]: value }) as { readonly [Key in Name]?: number };
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function whole(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
