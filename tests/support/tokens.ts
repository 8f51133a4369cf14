/** Tokens as the supervisor writes them below a run directory, for programs that a test starts without it. */
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SignJWT } from "jose";

/** What a test may have different from the supervisor. */
export interface TokenOptions {
  readonly programs?: readonly string[];
  readonly audience?: string;
  /** Seconds since the epoch; by default they last. */
  readonly expiresAt?: number;
}

const programs = ["control-plane", "ztunnel", "node-runtime", "waypoint", "edge", "admin"];

/** Writes `tokens/<program>` and `token-key.pem` with a fresh key. @returns the tokens by program. */
export async function writeTestTokens(
  runDir: string,
  options: TokenOptions = {},
): Promise<Readonly<Record<string, string>>> {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  mkdirSync(join(runDir, "tokens"), { recursive: true, mode: 0o700 });
  const tokens: Record<string, string> = {};
  for (const program of options.programs ?? programs) {
    const token = new SignJWT({})
      .setProtectedHeader({ alg: "ES256" })
      .setSubject(`system:lambient:${program}`)
      .setAudience(options.audience ?? "lambient")
      .setIssuedAt();
    if (options.expiresAt !== undefined) token.setExpirationTime(options.expiresAt);
    tokens[program] = await token.sign(privateKey);
    writeFileSync(join(runDir, "tokens", program), tokens[program], { mode: 0o600 });
  }
  writeFileSync(join(runDir, "token-key.pem"), publicKey.export({ type: "spki", format: "pem" }), {
    mode: 0o600,
  });
  return tokens;
}
