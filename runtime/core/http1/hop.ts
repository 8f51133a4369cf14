/** What belongs to one connection only (RFC 9110 §7.6.1): taken off before a message goes on, and whether the connection stays. */
import type { HeaderField } from "#core/h2/header-field.ts";
import { listMembers } from "./fields.ts";
import type { Framing, RequestHead, ResponseHead } from "./head.ts";

const hopFields: ReadonlySet<string> = new Set(
  (
    "connection keep-alive proxy-connection transfer-encoding upgrade te proxy-authenticate proxy-authorization " +
    "content-length trailer"
  ).split(" "),
);

/**
 * The fields that go on to the next hop, without those of this one and those that Connection names.
 * Content-Length and Transfer-Encoding go too: {@link framingFields} writes them anew.
 */
export function endToEndFields(fields: readonly HeaderField[]): HeaderField[] {
  const named = fields.some(([name]) => name === "connection") ? listMembers(fields, "connection") : [];
  const kept: HeaderField[] = [];
  for (const field of fields) {
    if (hopFields.has(field[0])) {
      if (field[0] === "te" && listMembers([field], "te").includes("trailers")) kept.push(["te", "trailers"]);
    } else if (!named.includes(field[0])) kept.push(field);
  }
  return kept;
}

/** The fields that declare a body's framing. */
export function framingFields(framing: Framing): readonly HeaderField[] {
  if (framing.kind === "length") return [["content-length", String(framing.bytes)]];
  return framing.kind === "chunked" ? chunkedFields : [];
}

const chunkedFields: readonly HeaderField[] = [["transfer-encoding", "chunked"]];

/** Whether the connection a message came on may carry another one (RFC 9112 §9.3). */
export function keepsAlive(head: RequestHead | ResponseHead): boolean {
  const { headers, version } = head;
  if (version === "1.1" && !headers.some(([name]) => name === "connection")) return true;
  const options = listMembers(headers, "connection");
  return !options.includes("close") && (version === "1.1" || options.includes("keep-alive"));
}

/**
 * The protocol a request asks to switch to, in the form it was sent; undefined when it does not ask.
 * `h2c` counts as not asking: it would carry requests past the decisions made on this one.
 */
export function upgradeAsked(head: RequestHead): string | undefined {
  if (head.version !== "1.1" || !listMembers(head.headers, "connection").includes("upgrade"))
    return undefined;
  const members = listMembers(head.headers, "upgrade");
  const [only] = members;
  return members.length === 1 && only !== undefined && !only.startsWith("h2c") ? only : undefined;
}
