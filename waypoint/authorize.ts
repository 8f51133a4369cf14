/** The stage that lets a caller in or not, by the layer-4 policies of the service it asks for. */
import { decideAccess, denialText, type Verdict } from "#core/policy/decide-access.ts";
import type { ApplicablePolicies } from "#core/policy/policy-set.ts";
import type { ServiceEntry } from "#core/routing/service-table.ts";
import { type Caller, type Exchange, refuse } from "./exchange.ts";

/** Decides on the caller's own identity and address; the service's address stands for its workloads'. */
export function decideCaller(caller: Caller, service: ServiceEntry, policies: ApplicablePolicies): Verdict {
  if (isEmpty(policies)) return everybody;
  return decideAccess(policies, {
    source: caller.identity,
    sourceAddress: caller.address,
    destinationAddress: service.address,
    destinationPort: service.targetPort,
  });
}

const everybody: Verdict = { kind: "allowed", policy: undefined, dryRunDenial: undefined };

/** Most services have no policy: their requests need no facts prepared. */
function isEmpty({ deny, allow, dryRun, missing }: ApplicablePolicies): boolean {
  return deny.length + allow.length + dryRun.length + missing.length === 0;
}

/** A 403 when the caller is not allowed; the policy is named in the log, not to the caller. */
export function authorize(exchange: Exchange, policies: ApplicablePolicies): Response | undefined {
  const verdict = decideCaller(exchange.caller, exchange.service, policies);
  if (verdict.kind === "allowed") return undefined;
  exchange.policy = verdict.policies.join(",");
  return refuse(exchange, {
    status: 403,
    flag: "RBAC",
    detail: denialText(verdict),
    text: "access denied",
  });
}
