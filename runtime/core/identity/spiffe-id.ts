/** SPIFFE identities in Istio's form, `spiffe://<trust domain>/ns/<namespace>/sa/<service account>` (SPIFFE-ID §2). */
import { err, ok, type Result } from "#core/result.ts";

/** A SPIFFE id that was parsed or built here, so its form is known to be right. */
export type SpiffeId = string & { readonly __brand: "SpiffeId" };

/** The parts of a workload's identity. */
export interface Identity {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

const trustDomainPattern = /^[a-z0-9._-]{1,255}$/;
const namePattern = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/;

/** Parses a SPIFFE id; anything but exactly Istio's five segments is refused. */
export function parseSpiffeId(text: string): Result<SpiffeId> {
  const parts = text.length <= 1024 ? text.split("/") : [];
  const [scheme, empty, trustDomain, ns, namespace, sa, serviceAccount] = parts;
  const shaped = parts.length === 7 && scheme === "spiffe:" && empty === "" && ns === "ns" && sa === "sa";
  if (
    !shaped ||
    !trustDomainPattern.test(trustDomain ?? "") ||
    !isName(namespace) ||
    !isName(serviceAccount)
  ) {
    return err(
      `Cannot read a SPIFFE id as spiffe://<trust domain>/ns/<namespace>/sa/<service account>: "${text.slice(0, 200)}"`,
    );
  }
  // Sound: the text was just shown to have the brand's form.
  return ok(text as SpiffeId);
}

/** Builds the SPIFFE id of an identity whose parts are names already checked. */
export function formatSpiffeId(identity: Identity): SpiffeId {
  // Sound: this is the one place that composes the brand's form.
  return `spiffe://${identity.trustDomain}/ns/${identity.namespace}/sa/${identity.serviceAccount}` as SpiffeId;
}

/** Takes a SPIFFE id apart. */
export function identityOf(id: SpiffeId): Identity {
  const parts = id.split("/");
  return { trustDomain: parts[2] ?? "", namespace: parts[4] ?? "", serviceAccount: parts[6] ?? "" };
}

function isName(text: string | undefined): boolean {
  return text !== undefined && namePattern.test(text);
}
