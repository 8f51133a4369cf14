/** Which identities a program may have certificates for; a pure decision. */
import { identityOf, type SpiffeId } from "#core/identity/spiffe-id.ts";
import { err, ok, type Result } from "#core/result.ts";

/** What of the mesh the decision rests on. */
export interface IdentityFacts {
  readonly trustDomain: string;
  /** Namespace of the mesh's own parts. */
  readonly rootNamespace: string;
  /** `<namespace>/<service account>` of every Function and of every Revision that is still there. */
  readonly functionAccounts: ReadonlySet<string>;
  /** `<namespace>/<service account>` of every Pod that is bound to the node and has not ended. */
  readonly podAccounts: ReadonlySet<string>;
  /** `<namespace>/<Gateway>` of every waypoint. */
  readonly waypointAccounts: ReadonlySet<string>;
}

/** Decides. @returns the reason of a refusal. */
export function decideIdentity(program: string, identity: SpiffeId, facts: IdentityFacts): Result<true> {
  const { trustDomain, namespace, serviceAccount } = identityOf(identity);
  const account = `${namespace}/${serviceAccount}`;
  if (trustDomain !== facts.trustDomain) {
    return refuse(program, identity, `the mesh's trust domain is ${facts.trustDomain}`);
  }
  switch (program) {
    case "ztunnel":
      if (account === `${facts.rootNamespace}/node`) return ok(true);
      if (facts.functionAccounts.has(account) || facts.podAccounts.has(account)) return ok(true);
      return refuse(
        program,
        identity,
        `no Function and no Pod of the node in ${namespace} has service account ${serviceAccount}`,
      );
    case "waypoint":
      if (facts.waypointAccounts.has(account)) return ok(true);
      return refuse(program, identity, `no waypoint in ${namespace} is named ${serviceAccount}`);
    case "edge":
      if (account === `${facts.rootNamespace}/edge`) return ok(true);
      return refuse(program, identity, "the edge has only its own");
    default:
      return refuse(program, identity, "it has none");
  }
}

function refuse(program: string, identity: SpiffeId, why: string): Result<true> {
  return err(`Cannot give ${program} a certificate of ${identity}: ${why}`);
}
