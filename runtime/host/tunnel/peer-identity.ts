/** Decides after a handshake whether the peer may be spoken to: chain, ALPN and SPIFFE identity; called before any byte flows. */
import type { Socket } from "bun";
import { identityOf, type SpiffeId } from "#core/identity/spiffe-id.ts";
import { err, ok, type Result } from "#core/result.ts";
import { parseSpiffeSan } from "#core/x509/parse-spiffe-sans.ts";
import { TunnelError } from "./tunnel-error.ts";

/** What the engine said of the handshake. */
export interface Handshake {
  readonly isVerified: boolean;
  readonly error: Error | null;
}

/** The engine's word for a certificate without our host's name. Every SVID is one: the chain was good, or the code would be another. */
const noHostName = "ERR_TLS_CERT_ALTNAME_INVALID";

/** Checks a caller: its chain must be verified, and its trust domain ours. */
export function checkClient(
  socket: Socket<unknown>,
  handshake: Handshake,
  own: SpiffeId,
): Result<SpiffeId, TunnelError> {
  if (!handshake.isVerified || handshake.error !== null) return err(tlsError("caller", handshake.error));
  const peer = readPeer(socket, "caller");
  if (!peer.ok) return peer;
  const { trustDomain } = identityOf(own);
  if (identityOf(peer.value).trustDomain === trustDomain) return peer;
  return err(
    new TunnelError(
      "identity",
      `Cannot accept the caller as of trust domain "${trustDomain}": "${peer.value}"`,
    ),
  );
}

/** Checks a server: its chain must be verified, and its identity one of those expected. */
export function checkServer(
  socket: Socket<unknown>,
  handshake: Handshake,
  expected: ReadonlySet<SpiffeId>,
): Result<SpiffeId, TunnelError> {
  if (!handshake.isVerified && codeOf(handshake.error) !== noHostName) {
    return err(tlsError("server", handshake.error));
  }
  const peer = readPeer(socket, "server");
  if (!peer.ok || expected.has(peer.value)) return peer;
  const wanted = expected.size === 0 ? "anybody: no identity is expected" : [...expected].join(", ");
  return err(new TunnelError("identity", `Cannot accept the server as ${wanted}: "${peer.value}"`));
}

function readPeer(socket: Socket<unknown>, who: string): Result<SpiffeId, TunnelError> {
  if (socket.alpnProtocol !== "h2") {
    const message = `Cannot speak to the ${who} as by ALPN "h2": it chose ${JSON.stringify(socket.alpnProtocol)}`;
    return err(new TunnelError("tls", message));
  }
  const { raw } = socket.getPeerCertificate() as { readonly raw?: Uint8Array };
  if (raw === undefined)
    return err(new TunnelError("tls", `Cannot know the ${who} as anybody: it has no certificate`));
  const peer = parseSpiffeSan(raw);
  return peer.ok ? ok(peer.value) : err(new TunnelError("identity", peer.error));
}

function tlsError(who: string, cause: Error | null): TunnelError {
  const reason = cause === null ? "the handshake failed" : `${codeOf(cause) ?? "error"}, ${cause.message}`;
  const message = `Cannot verify the ${who} by TLS 1.3 as one of the mesh: ${reason}`;
  return new TunnelError("tls", message, cause === null ? undefined : { cause });
}

function codeOf(error: Error | null): string | undefined {
  // Sound: errors of the engine carry a code, and anything else reads as undefined.
  return (error as { readonly code?: string } | null)?.code;
}
