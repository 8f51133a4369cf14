/** Who a bearer token speaks for: verified against the supervisor's public key, or nobody. What a subject may do is decided by its caller. */
import { readFile } from "node:fs/promises";
import { importSPKI, jwtVerify } from "jose";
import { errorText, MeshError } from "#host/mesh-error.ts";

/** Programs that have a token. */
export type ProgramSubject = "control-plane" | "ztunnel" | "node-runtime" | "waypoint" | "edge" | "admin";

const subjects: ReadonlySet<string> = new Set<ProgramSubject>([
  "control-plane",
  "ztunnel",
  "node-runtime",
  "waypoint",
  "edge",
  "admin",
]);
const prefix = "system:lambient:";
const algorithms = ["ES256", "EdDSA"];

/** Verifies tokens. */
export interface TokenVerifier {
  /** @throws MeshError `not-permitted` for anything but a token of a known program, signed by the key */
  verify(token: string): Promise<ProgramSubject>;
}

/** Verifies against `<run-dir>/token-key.pem`, read at each verification: they are rare, and a new run has a new key. */
export function openTokenVerifier(keyFile: string): TokenVerifier {
  return {
    async verify(token) {
      try {
        const key = await importSPKI(await readFile(keyFile, "utf8"), "ES256");
        const { payload } = await jwtVerify(token, key, { audience: "lambient", algorithms });
        return readSubject(payload.sub ?? "");
      } catch (error) {
        throw new MeshError("not-permitted", `Cannot accept a token: ${errorText(error)}`, error);
      }
    },
  };
}

function readSubject(sub: string): ProgramSubject {
  const name = sub.startsWith(prefix) ? sub.slice(prefix.length) : "";
  if (!subjects.has(name)) throw new Error(`"${sub.slice(0, 100)}" is no program's subject`);
  // Sound: membership was just checked.
  return name as ProgramSubject;
}
