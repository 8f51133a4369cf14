/** How both ends of a tunnel speak TLS: 1.3 only, ALPN h2, certificates both ways, no resumption; the identity is checked after. */
import type { TLSOptions } from "bun";
import type { TunnelCertificate } from "./tunnel.ts";

/** TLS 1.3 as a number: the strings that node takes are refused here, and without it TLS 1.2 is spoken. */
const tls13 = 0x0304;

/** SSL_OP_NO_TICKET: a resumed session would be accepted without a client certificate, with the old identity. */
const noTickets = 0x4000;

/** The ALPN list in wire form; as a plain string it makes a server refuse every client. */
const alpnH2 = Uint8Array.of(2, 0x68, 0x32);

/** What an accepting end uses: a client without a certificate of the mesh's roots does not get past the handshake. */
export function serverTlsOptions(certificate: TunnelCertificate): TLSOptions {
  return { ...bothEnds(certificate), requestCert: true, rejectUnauthorized: true };
}

/**
 * What a dialling end uses. The engine's own check is for host names, which SVIDs do not have, so it is off
 * and `checkServer()` decides instead, before anything of ours is sent.
 */
export function clientTlsOptions(certificate: TunnelCertificate): TLSOptions {
  return { ...bothEnds(certificate), rejectUnauthorized: false };
}

function bothEnds(certificate: TunnelCertificate): TLSOptions {
  const options = {
    key: certificate.keyPem,
    cert: certificate.chainPem,
    ca: certificate.rootsPem,
    minVersion: tls13,
    secureOptions: noTickets,
    ALPNProtocols: alpnH2,
  };
  return options;
}
