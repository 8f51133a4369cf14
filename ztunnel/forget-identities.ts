/** Which certificates are held for nobody any more, and their dropping; revisions of one function share an identity. */
import type { SpiffeId } from "#core/identity/spiffe-id.ts";
import type { CertificateSource } from "#host/certificates/certificate-source.ts";
import type { MeshState } from "./mesh-state.ts";

/** Drops what neither a template nor a workload of this node needs. */
export function forgetIdentities(
  certificates: CertificateSource,
  mesh: MeshState,
  served: Iterable<SpiffeId>,
): void {
  const wanted = new Set<SpiffeId>(served);
  for (const { identity } of mesh.snapshot.templates.values()) wanted.add(identity);
  for (const identity of certificates.states().keys())
    if (!wanted.has(identity)) certificates.forget(identity);
}
