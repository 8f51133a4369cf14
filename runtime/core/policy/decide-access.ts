/** Whether a connection is let in by the policies that apply to its destination; nothing is enforced here. */
import { ipBytes } from "#core/address/ip.ts";
import { identityOf } from "#core/identity/spiffe-id.ts";
import type { ConnectionFacts, Policy, PreparedFacts } from "./policy.ts";
import type { ApplicablePolicies } from "./policy-set.ts";

/** The outcome, with what decided it. */
export type Verdict =
  | {
      readonly kind: "allowed";
      /** The ALLOW policy that matched; undefined where no ALLOW policy applies. */
      readonly policy: string | undefined;
      /** The first dry-run policy that would have denied it. */
      readonly dryRunDenial: string | undefined;
    }
  | {
      readonly kind: "denied";
      readonly reason:
        /** A DENY policy matches. */
        | "explicit"
        /** ALLOW policies apply and none matches. */
        | "none-allows"
        /** A policy applies that is not held: what it says is not known. */
        | "unknown-policy";
      /** Those that decided, at most {@link policiesNamedMax}. */
      readonly policies: readonly string[];
    };

/** How many policies a denial names. */
export const policiesNamedMax = 8;

/** Decides in Istio's order: unknown keys deny, then DENY, then ALLOW; without ALLOW policies everything else is allowed. */
export function decideAccess(policies: ApplicablePolicies, facts: ConnectionFacts): Verdict {
  if (policies.missing.length > 0) return denied("unknown-policy", policies.missing);
  const prepared = prepareFacts(facts);
  const denying = policies.deny.find((policy) => policy.matches(prepared));
  if (denying !== undefined) return denied("explicit", [denying.key]);
  const allowing = policies.allow.find((policy) => policy.matches(prepared));
  if (allowing === undefined && policies.allow.length > 0) {
    return denied(
      "none-allows",
      policies.allow.map((policy) => policy.key),
    );
  }
  return { kind: "allowed", policy: allowing?.key, dryRunDenial: dryRunDenial(policies.dryRun, prepared) };
}

/** The denial in the words that Istio's logs have, with the policies named. */
export function denialText(verdict: Extract<Verdict, { kind: "denied" }>): string {
  return `${denialWords[verdict.reason]}: ${verdict.policies.join(", ")}`;
}

const denialWords = {
  explicit: "explicitly denied by",
  "none-allows": "allow policies exist, but none allowed",
  "unknown-policy": "policies not known yet",
} as const;

function denied(
  reason: Extract<Verdict, { kind: "denied" }>["reason"],
  policies: readonly string[],
): Extract<Verdict, { kind: "denied" }> {
  return { kind: "denied", reason, policies: policies.slice(0, policiesNamedMax) };
}

function dryRunDenial(policies: readonly Policy[], facts: PreparedFacts): string | undefined {
  if (policies.length === 0) return undefined;
  const denying = policies.find((policy) => policy.action === "deny" && policy.matches(facts));
  if (denying !== undefined) return denying.key;
  const allowing = policies.filter((policy) => policy.action === "allow");
  return allowing.some((policy) => policy.matches(facts)) ? undefined : allowing[0]?.key;
}

function prepareFacts(facts: ConnectionFacts): PreparedFacts {
  const identity = facts.source === undefined ? undefined : identityOf(facts.source);
  return {
    principal: facts.source?.slice("spiffe://".length),
    namespace: identity?.namespace ?? "",
    serviceAccount: identity?.serviceAccount ?? "",
    sourceBytes: ipBytes(facts.sourceAddress),
    destinationBytes: ipBytes(facts.destinationAddress),
    destinationPort: facts.destinationPort,
  };
}
