/** Whether a revision was released by this mesh: its signature against `<run-dir>/release-key.pem`. */
import { readFileSync } from "node:fs";
import { parseReleaseKey, verifyRelease } from "#core/release/release-signature.ts";
import { errorText } from "#host/mesh-error.ts";
import type { Revision } from "./revision.ts";

/** Makes the check; the key is read each time, since a revision is verified once and the control plane may come later than we do. */
export function releaseCheck(runDir: string): (revision: Omit<Revision, "refusal">) => string | undefined {
  const path = `${runDir}/release-key.pem`;
  return (revision) => {
    let pem: string;
    try {
      pem = readFileSync(path, "utf8");
    } catch (error) {
      return `Cannot verify revision ${revision.uid} without the mesh's release key: ${errorText(error)}`;
    }
    const key = parseReleaseKey(pem);
    if (!key.ok) return key.error;
    const verified = verifyRelease(revision, key.value);
    return verified.ok ? undefined : verified.error;
  };
}
