/** The key that signs tokens of service accounts: made once below the data folder, so that tokens outlive a restart. */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { errorText, MeshError } from "#host/mesh-error.ts";
import { writeWhole } from "#host/private-file.ts";

/** Opens the key, or makes it where there is none. @throws MeshError `bad-input` when the file is not one */
export function openAccountKey(dataDir: string): KeyObject {
  const file = join(dataDir, "authority", "account-key.pem");
  if (!existsSync(file)) {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    writeWhole(file, privateKey.export({ type: "pkcs8", format: "pem" }));
  }
  try {
    return createPrivateKey(readFileSync(file, "utf8"));
  } catch (error) {
    const text = `Cannot read "${file}" as a private key in PEM: ${errorText(error)}; restore it from a backup, or remove it for a new one, by which all tokens of service accounts end`;
    throw new MeshError("bad-input", text, error);
  }
}
