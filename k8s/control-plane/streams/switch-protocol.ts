/** Answers to requests that want to become a conversation: the 101 in the client's protocol, or why not. */
import { badRequest } from "../../api/refusal.ts";
import type { ByteStream } from "#host/byte-stream.ts";
import { UpgradeResponse } from "../http/upgrade-response.ts";
import { acceptKey, type Asked, chooseVersion } from "./negotiate.ts";

/** A connection that has switched. */
export interface Connection {
  readonly stream: ByteStream;
  readonly rest: Uint8Array;
}

/** What is spoken over either protocol, by the names of its versions. */
export interface Spoken<Spdy extends string, Socket extends string> {
  readonly spdy: readonly Spdy[];
  readonly websocket: readonly Socket[];
}

/** The version that was chosen. */
export type Chosen<Spdy extends string, Socket extends string> =
  | { readonly kind: "spdy"; readonly version: Spdy }
  | { readonly kind: "websocket"; readonly version: Socket };

/**
 * Switches to what the client asks for, if that is spoken.
 * @param take serves the connection once the 101 is sent
 * @throws KubeError 400 for a request that asks for nothing, or not well
 */
export function switchProtocol<Spdy extends string, Socket extends string>(
  asked: Asked,
  spoken: Spoken<Spdy, Socket>,
  take: (connection: Connection, chosen: Chosen<Spdy, Socket>) => void,
): Response {
  switch (asked.kind) {
    case "none":
      throw badRequest("Upgrade request required");
    case "malformed":
      throw badRequest(asked.reason);
    case "spdy": {
      const version = chooseVersion(asked.versions, spoken.spdy);
      if (version === undefined) return noCommonVersion(asked.versions, spoken.spdy);
      const headers = version === "" ? {} : { [versionHeader]: version };
      return new UpgradeResponse({
        protocol: "SPDY/3.1",
        headers,
        take: (stream, rest) => take({ stream, rest }, { kind: "spdy", version }),
      });
    }
    case "websocket": {
      const version = chooseVersion(asked.subprotocols, spoken.websocket);
      if (version === undefined)
        throw badRequest(
          `unable to negotiate protocol: client supports ${JSON.stringify(asked.subprotocols)}, server accepts ${JSON.stringify(spoken.websocket)}`,
        );
      return new UpgradeResponse({
        protocol: "websocket",
        headers: {
          "sec-websocket-accept": acceptKey(asked.key),
          ...(version === "" ? {} : { "sec-websocket-protocol": version }),
        },
        take: (stream, rest) => take({ stream, rest }, { kind: "websocket", version }),
      });
    }
  }
}

const versionHeader = "x-stream-protocol-version";

function noCommonVersion(wanted: readonly string[], spoken: readonly string[]): Response {
  const accepted = spoken.filter((version) => version !== "");
  const headers = new Headers();
  for (const version of accepted) headers.append("x-accepted-stream-protocol-versions", version);
  const text = `unable to upgrade: unable to negotiate protocol: client supports [${wanted.join(" ")}], server accepts [${accepted.join(" ")}]`;
  return new Response(text, { status: 403, headers });
}
