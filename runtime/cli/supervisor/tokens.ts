/** The bearer tokens of one run: a fresh key, a JWT a program, each in a 0600 file. The private key is never written. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { exportSPKI, generateKeyPair, SignJWT } from "jose";
import { writeWhole } from "#host/private-file.ts";
import { type MeshPaths, tokenNames } from "../mesh-paths.ts";

/**
 * Writes a token for each program, the waypoints and the command line.
 * They have no expiry: the key dies with the run, so they end with it.
 */
export async function writeTokens(paths: MeshPaths, nowMs: number): Promise<void> {
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
  mkdirSync(paths.tokensDir, { recursive: true, mode: 0o700 });
  for (const name of tokenNames) {
    const token = await new SignJWT({})
      .setProtectedHeader({ alg: "ES256" })
      .setSubject(`system:lambient:${name}`)
      .setAudience("lambient")
      .setIssuedAt(Math.floor(nowMs / 1000))
      .sign(privateKey);
    writeWhole(join(paths.tokensDir, name), token);
  }
  writeWhole(paths.tokenKeyFile, await exportSPKI(publicKey));
}
