/** Which protocol a client asks to switch to, and which version of it both speak: SPDY by headers of Kubernetes' own, WebSocket by its subprotocols. */
import { createHash } from "node:crypto";

/** What a client asks for. */
export type Asked =
  | { readonly kind: "none" }
  | { readonly kind: "spdy"; readonly versions: readonly string[] }
  | { readonly kind: "websocket"; readonly key: string; readonly subprotocols: readonly string[] }
  /** It asks in a way that cannot be granted. */
  | { readonly kind: "malformed"; readonly reason: string };

/** Reads a request's headers. */
export function readAsked(headers: Headers): Asked {
  const isUpgrade = membersOf(headers, "connection").some((member) => member.toLowerCase() === "upgrade");
  const protocol = (headers.get("upgrade") ?? "").toLowerCase();
  if (!isUpgrade) return { kind: "none" };
  if (protocol === "spdy/3.1")
    return { kind: "spdy", versions: membersOf(headers, "x-stream-protocol-version") };
  if (protocol !== "websocket") return { kind: "none" };
  const key = headers.get("sec-websocket-key") ?? "";
  if (headers.get("sec-websocket-version") !== "13")
    return { kind: "malformed", reason: "only version 13 of WebSocket is spoken" };
  if (Buffer.from(key, "base64").length !== 16)
    return { kind: "malformed", reason: "the Sec-WebSocket-Key is not 16 bytes" };
  return { kind: "websocket", key, subprotocols: membersOf(headers, "sec-websocket-protocol") };
}

/** The first of the client's that we speak. A client that names none speaks the one that has no name. */
export function chooseVersion<Version extends string>(
  wanted: readonly string[],
  spoken: readonly Version[],
): Version | undefined {
  const names = wanted.length === 0 ? [""] : wanted;
  for (const name of names) {
    const found = spoken.find((each) => each === name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What proves that we understood a WebSocket's request (RFC 6455 §4.2.2). */
export function acceptKey(key: string): string {
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

function membersOf(headers: Headers, name: string): string[] {
  return (headers.get(name) ?? "")
    .split(",")
    .map((member) => member.trim())
    .filter((member) => member !== "");
}
