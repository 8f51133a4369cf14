/** Uploads a bundle under its digest; one that is there already is left as it is. */
import type { MeshApi } from "../api/mesh-api.ts";

/** Uploads. @throws KubeError when the API refuses it */
export async function putBundle(api: MeshApi, digest: string, code: Uint8Array): Promise<void> {
  await api.json({
    method: "PUT",
    path: `/bundles/${digest}`,
    body: code,
    contentType: "application/octet-stream",
  });
}
