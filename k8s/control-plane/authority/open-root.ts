/** The mesh's root: made once and kept below the data folder, its key readable by root alone. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createRoot, type Issuer, openIssuer } from "#host/certificates/issuer.ts";
import { errorText, MeshError } from "#host/mesh-error.ts";
import { writeWhole } from "#host/private-file.ts";

const tenYearsMs = 10 * 365 * 86_400_000;
/** Clocks of two machines differ: what is issued now must be good for one that is a little behind. */
const backdateMs = 60_000;

/**
 * Opens the root, or makes it where there is none.
 * @throws MeshError when one of its two files is missing or does not fit the other: a new root would cut off every
 * workload, so that is the operator's to decide.
 */
export function openRoot(dataDir: string, trustDomain: string, nowMs: number): Issuer {
  const keyFile = join(dataDir, "authority", "root-key.pem");
  const certificateFile = join(dataDir, "authority", "root.pem");
  if (!existsSync(keyFile) && !existsSync(certificateFile)) {
    const made = createRoot(trustDomain, nowMs - backdateMs, nowMs + tenYearsMs);
    // The key goes first: a certificate that is missing can be told from one that was never trusted by anybody.
    writeWhole(keyFile, made.keyPem);
    writeWhole(certificateFile, made.certificatePem);
  }
  try {
    return openIssuer({
      keyPem: readFileSync(keyFile, "utf8"),
      certificatePem: readFileSync(certificateFile, "utf8"),
    });
  } catch (error) {
    const text = `Cannot open the mesh's root as "${keyFile}" and "${certificateFile}": ${errorText(error)}; restore them from a backup, or remove both for a new root`;
    throw new MeshError("bad-input", text, error);
  }
}
