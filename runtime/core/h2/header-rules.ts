/** Which header lists are well-formed HTTP/2 messages (RFC 9113 §8.2, §8.3, §8.5); a malformed one is a stream error. */
import type { HeaderField } from "./header-field.ts";

/** Lower-case tokens (RFC 9110 §5.6.2). */
const namePattern = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;

/** Tokens of either case. */
const methodPattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** No NUL, CR or LF anywhere, no blank at either end. */
// oxlint-disable-next-line no-control-regex -- the control characters are what is looked for
const badValuePattern = /[\0\r\n]|^[ \t]|[ \t]$/;

/** Fields that speak of a connection, which HTTP/2 has no place for (§8.2.2). */
const connectionFields: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

const requestPseudoFields: ReadonlySet<string> = new Set([":method", ":scheme", ":authority", ":path"]);
const responsePseudoFields: ReadonlySet<string> = new Set([":status"]);
const noPseudoFields: ReadonlySet<string> = new Set();

/** Finds what makes a request malformed; undefined when nothing does. */
export function findRequestFault(fields: readonly HeaderField[]): string | undefined {
  const pseudo = new Map<string, string>();
  const fault = findFieldFault(fields, requestPseudoFields, pseudo);
  if (fault !== undefined) return fault;
  const method = pseudo.get(":method");
  const authority = pseudo.get(":authority");
  if (method === undefined || !methodPattern.test(method)) return "its :method is missing or bad";
  if (method === "CONNECT") return findConnectFault(pseudo);
  return findTargetFault(pseudo) ?? findHostFault(fields, authority);
}

function findConnectFault(pseudo: ReadonlyMap<string, string>): string | undefined {
  if ((pseudo.get(":authority") ?? "") === "") return "CONNECT has no :authority";
  return pseudo.has(":scheme") || pseudo.has(":path") ? "CONNECT has :scheme or :path" : undefined;
}

function findTargetFault(pseudo: ReadonlyMap<string, string>): string | undefined {
  const path = pseudo.get(":path") ?? "";
  if (!pseudo.has(":scheme")) return "it has no :scheme";
  if (path === "") return "it has no :path";
  return path.startsWith("/") || path === "*" ? undefined : "its :path is not absolute";
}

/** Finds what makes a response malformed. */
export function findResponseFault(fields: readonly HeaderField[]): string | undefined {
  const pseudo = new Map<string, string>();
  const fault = findFieldFault(fields, responsePseudoFields, pseudo);
  if (fault !== undefined) return fault;
  const status = pseudo.get(":status") ?? "";
  if (!/^[1-5]\d\d$/.test(status)) return "its :status is missing or bad";
  // Switching protocols is not a thing of HTTP/2 (§8.6).
  return status === "101" ? "its :status is 101" : undefined;
}

/** Finds what makes trailers malformed. */
export function findTrailersFault(fields: readonly HeaderField[]): string | undefined {
  return findFieldFault(fields, noPseudoFields, new Map());
}

/** The declared length of a message's content: -1 when none, undefined when it is malformed or contradictory. */
export function parseContentLength(fields: readonly HeaderField[]): number | undefined {
  let length = -1;
  for (const [name, value] of fields) {
    if (name !== "content-length") continue;
    if (!/^\d{1,15}$/.test(value) || (length >= 0 && length !== Number(value))) return undefined;
    length = Number(value);
  }
  return length;
}

function findFieldFault(
  fields: readonly HeaderField[],
  allowedPseudo: ReadonlySet<string>,
  pseudo: Map<string, string>,
): string | undefined {
  let seenRegular = false;
  for (const [name, value] of fields) {
    if (badValuePattern.test(value)) return `the value of ${quoted(name)} has a forbidden character`;
    if (name.startsWith(":")) {
      if (!allowedPseudo.has(name)) return `${quoted(name)} has no place in it`;
      if (seenRegular) return `${quoted(name)} comes after a regular field`;
      if (pseudo.has(name)) return `${quoted(name)} comes twice`;
      pseudo.set(name, value);
      continue;
    }
    seenRegular = true;
    const fault = findRegularFault(name, value);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function findRegularFault(name: string, value: string): string | undefined {
  if (!namePattern.test(name)) return `the name ${quoted(name)} has a forbidden character`;
  if (connectionFields.has(name)) return `${quoted(name)} speaks of the connection`;
  if (name === "te" && value !== "trailers") return `"te" is not "trailers"`;
  return undefined;
}

/** A request whose two ways of naming the host disagree would be read in two ways (§8.3.1). */
function findHostFault(fields: readonly HeaderField[], authority: string | undefined): string | undefined {
  let host: string | undefined;
  for (const [name, value] of fields) {
    if (name !== "host") continue;
    if (host !== undefined) return `"host" comes twice`;
    host = value;
  }
  const differs = authority !== undefined && host !== undefined && authority !== host;
  return differs ? `"host" and ":authority" differ` : undefined;
}

function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 64));
}
