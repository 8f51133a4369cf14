/** Remembers what was found of revisions' signatures: a revision never changes, so each is verified once. Verifies nothing itself. */
import { canonicalJson } from "#core/release/canonical-json.ts";
import type { Result } from "#core/result.ts";
import type { Verify } from "../../reconcile/reconcile-revisions.ts";

const verdictsMaxDefault = 1000;

/** Wraps a check; beyond `verdictsMax` verdicts all are forgotten and found anew. */
export function rememberVerdicts(verify: Verify, verdictsMax: number = verdictsMaxDefault): Verify {
  const verdicts = new Map<string, Result<true>>();
  return (revision) => {
    const key = canonicalJson(revision);
    const known = verdicts.get(key);
    if (known !== undefined) return known;
    const verdict = verify(revision);
    if (verdicts.size >= verdictsMax) verdicts.clear();
    verdicts.set(key, verdict);
    return verdict;
  };
}
