/** Reads a request's head from its lines (RFC 9112 §3), refusing everything ambiguous; the body is not looked at. */
import { type HeaderField } from "#core/h2/header-field.ts";
import { err, ok, type Result } from "#core/result.ts";
import { isToken } from "./characters.ts";
import { listMembers, parseFields } from "./fields.ts";
import { requestFraming } from "./framing.ts";
import {
  type Framing,
  type Http1Limits,
  type HttpProblem,
  type HttpVersion,
  problem,
  type RequestHead,
} from "./head.ts";
import { parseTarget } from "./target.ts";

/** A request's head with what its framing fields say of the body. */
export interface FramedRequest {
  readonly head: RequestHead;
  readonly framing: Framing;
}

/** Reads the lines of a head. */
export function parseRequestHead(
  lines: readonly string[],
  limits: Http1Limits,
): Result<FramedRequest, HttpProblem> {
  const line = parseRequestLine(lines[0] ?? "", limits);
  if (!line.ok) return line;
  const { method, version } = line.value;
  const target = parseTarget(method, line.value.target);
  if (!target.ok) return target;
  const fields = parseFields(lines, 1, limits.headersMax);
  if (!fields.ok) return fields;
  const refused =
    hostProblem(fields.value, version, target.value.authority) ??
    connectionProblem(
      fields.value,
      method === "GET" || (limits.mayUpgradePosts === true && method === "POST"),
    );
  if (refused !== undefined) return err(refused);
  const framing = requestFraming(version, fields.value);
  if (!framing.ok) return framing;
  const head = { method, target: target.value.target, version, headers: fields.value };
  return ok({ head, framing: framing.value });
}

interface RequestLine {
  readonly method: string;
  readonly target: string;
  readonly version: HttpVersion;
}

function parseRequestLine(line: string, limits: Http1Limits): Result<RequestLine, HttpProblem> {
  const first = line.indexOf(" ");
  const second = line.indexOf(" ", first + 1);
  if (first <= 0 || second < 0)
    return err(problem(400, "a request line that is not method, target and version"));
  const method = line.slice(0, first);
  if (method.length > 32 || !isToken(method)) return err(problem(400, "a bad method"));
  if (second - first - 1 > limits.targetBytesMax)
    return err(problem(414, "a request target that is too long"));
  const target = line.slice(first + 1, second);
  const protocol = line.slice(second + 1);
  if (protocol === "HTTP/1.1") return ok({ method, target, version: "1.1" });
  if (protocol === "HTTP/1.0") return ok({ method, target, version: "1.0" });
  return err(
    /^HTTP\/\d\.\d$/.test(protocol)
      ? problem(505, "an HTTP version other than 1.0 and 1.1")
      : problem(400, "a request line that is not method, target and version"),
  );
}

const hostForm = /^(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?$/;

function hostProblem(
  fields: readonly HeaderField[],
  version: HttpVersion,
  authority: string | undefined,
): HttpProblem | undefined {
  let host: string | undefined;
  for (const [name, value] of fields) {
    if (name !== "host") continue;
    if (host !== undefined) return problem(400, "more than one Host");
    host = value;
  }
  if (host === undefined) return version === "1.1" ? problem(400, "no Host") : undefined;
  if (!hostForm.test(host)) return problem(400, "a bad Host");
  if (authority !== undefined && authority.toLowerCase() !== host.toLowerCase())
    return problem(400, "a target whose authority is not the Host");
  return undefined;
}

/** Fields that no Connection option may name: dropping them would change what the message is or whom it is for. */
const never: ReadonlySet<string> = new Set(["host", "content-length", "transfer-encoding", "authorization"]);

function connectionProblem(fields: readonly HeaderField[], mayUpgrade: boolean): HttpProblem | undefined {
  if (!fields.some(([name]) => name === "connection")) return undefined;
  const options = listMembers(fields, "connection");
  if (options.some((option) => !isToken(option) || never.has(option)))
    return problem(400, "a bad Connection option");
  if (!options.includes("upgrade") || !fields.some(([name]) => name === "upgrade")) return undefined;
  if (mayUpgrade && !fields.some(declaresBody)) return undefined;
  return problem(400, "an upgrade of anything but a GET without a body");
}

function declaresBody([name, value]: HeaderField): boolean {
  return name === "transfer-encoding" || (name === "content-length" && value !== "0");
}
