/** The control plane's own certificate, for server TLS on its sockets and port: made anew at each start, its key only in memory. */
import { generateKeyPairSync } from "node:crypto";
import type { IpAddress } from "#core/address/ip.ts";
import type { Issuer } from "#host/certificates/issuer.ts";

/** A server's key and certificate as PEM. */
export interface ServerCertificate {
  readonly keyPem: string;
  readonly chainPem: string;
}

/** Names that clients verify: `lambient.local` on unix sockets, `localhost` on the port, the others in Pods. */
const dnsNames = [
  "localhost",
  "lambient.local",
  "kubernetes",
  "kubernetes.default",
  "kubernetes.default.svc",
  "kubernetes.default.svc.cluster.local",
];
// Sound: it is canonical.
const loopback = "127.0.0.1" as IpAddress;
const yearMs = 365 * 86_400_000;
const backdateMs = 60_000;

/**
 * Makes one. It is good for a year: the process is restarted more often.
 * @param apiAddress where Pods reach the API, if they do
 */
export function issueServerCertificate(
  issuer: Issuer,
  nowMs: number,
  apiAddress?: IpAddress,
): ServerCertificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const chainPem = issuer.issue({
    publicKey: publicKey.export({ type: "spki", format: "der" }),
    altNames: { uris: [], dnsNames, ips: apiAddress === undefined ? [loopback] : [loopback, apiAddress] },
    notBeforeMs: nowMs - backdateMs,
    notAfterMs: nowMs + yearMs,
  });
  return { keyPem: privateKey.export({ type: "pkcs8", format: "pem" }), chainPem };
}
