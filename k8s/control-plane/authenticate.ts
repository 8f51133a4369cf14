/** Who a bearer token speaks for, verified against the supervisor's public key; what a program may do is decided elsewhere. */
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { jwtVerify } from "jose";
import type { User } from "../api/api.ts";

/** Programs that have a token. */
export type Program = "control-plane" | "ztunnel" | "node-runtime" | "node" | "waypoint" | "edge" | "admin";

/** Tells who asks. */
export interface Authenticator {
  /** The program an `Authorization` header speaks for; undefined when there is none or it is not valid. */
  programOf(authorization: string | undefined): Promise<Program | undefined>;
}

const programs: ReadonlySet<string> = new Set<Program>([
  "control-plane",
  "ztunnel",
  "node-runtime",
  "node",
  "waypoint",
  "edge",
  "admin",
]);
const subjectPrefix = "system:lambient:";
/** A mesh has six tokens; a supervisor that starts again makes six others. */
const defaultVerifiedMax = 64;

/**
 * Verifies against `<run-dir>/token-key.pem`. A verified token is remembered, with its expiry, as a signature costs
 * 0.1 ms and every request carries one; the key is read again for each token not seen before. When more than
 * `verifiedMax` are remembered all are forgotten, and verified again as they come.
 */
export function openAuthenticator(
  keyFile: string,
  nowMs: () => number,
  verifiedMax: number = defaultVerifiedMax,
): Authenticator {
  const verified = new Map<string, { readonly program: Program; readonly expiresAtMs: number }>();
  return {
    async programOf(authorization) {
      const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/.exec(authorization ?? "")?.[1];
      if (token === undefined) return undefined;
      const known = verified.get(token);
      if (known !== undefined && nowMs() < known.expiresAtMs) return known.program;
      const found = await verify(token, keyFile);
      if (found === undefined) return undefined;
      if (verified.size >= verifiedMax) verified.clear();
      verified.set(token, found);
      return found.program;
    },
  };
}

async function verify(
  token: string,
  keyFile: string,
): Promise<{ program: Program; expiresAtMs: number } | undefined> {
  try {
    const key = createPublicKey(readFileSync(keyFile));
    const { payload } = await jwtVerify(token, key, { audience: "lambient", algorithms: ["ES256", "EdDSA"] });
    const name =
      payload.sub?.startsWith(subjectPrefix) === true ? payload.sub.slice(subjectPrefix.length) : "";
    if (!programs.has(name)) return undefined;
    const expiresAtMs = payload.exp === undefined ? Number.POSITIVE_INFINITY : payload.exp * 1000;
    // Sound: membership was just checked.
    return { program: name as Program, expiresAtMs };
  } catch {
    // Whatever is wrong with a token, its bearer learns only that it is not valid.
    return undefined;
  }
}

const ownGroups: Readonly<Partial<Record<Program, readonly string[]>>> = {
  admin: ["system:masters"],
  node: ["system:nodes"],
};

/** A program as a user of the API. */
export function userOfProgram(program: Program): User {
  const own = ownGroups[program] ?? [];
  return { name: `${subjectPrefix}${program}`, groups: [...own, "system:authenticated"] };
}

/** The user that a program's token speaks for. */
export async function userOfToken(authenticator: Authenticator, token: string): Promise<User | undefined> {
  const program = await authenticator.programOf(`Bearer ${token}`);
  return program === undefined ? undefined : userOfProgram(program);
}
