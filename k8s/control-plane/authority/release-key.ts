/** The Ed25519 key that signs revisions: made once below the data folder; its public half is published to the nodes. */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ed25519 } from "@noble/curves/ed25519.js";
import { releaseBytes, releaseKeyDer, type SignedRevision } from "#core/release/release-signature.ts";
import { formatPem } from "#core/x509/pem.ts";
import { MeshError } from "#host/mesh-error.ts";
import { writeWhole } from "#host/private-file.ts";

/** Signs revisions. */
export interface ReleaseKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly publicPem: string;
  /** @returns base64 of the signature over what the revision says. */
  sign(revision: SignedRevision): string;
}

/** Opens the key, or makes it where there is none. @throws MeshError `bad-input` when the file is not one */
export function openReleaseKey(dataDir: string): ReleaseKey {
  const file = join(dataDir, "authority", "release-key");
  if (!existsSync(file)) writeWhole(file, `${randomBytes(32).toString("base64")}\n`);
  const secret = Buffer.from(readFileSync(file, "utf8").trim(), "base64");
  if (secret.length !== 32)
    throw new MeshError(
      "bad-input",
      `Cannot read "${file}" as 32 bytes of base64: ${secret.length}; restore it from a backup`,
    );
  const publicKey = ed25519.getPublicKey(secret);
  return {
    publicKey,
    publicPem: formatPem("PUBLIC KEY", releaseKeyDer(publicKey)),
    sign: (revision) => Buffer.from(ed25519.sign(releaseBytes(revision), secret)).toString("base64"),
  };
}
