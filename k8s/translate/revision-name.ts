/** How a Function's revision is named and what it says: the content of its spec decides. */
import { createHash } from "node:crypto";
import { canonicalJson } from "#core/release/canonical-json.ts";
import type { RevisionSpec } from "#core/release/function-spec.ts";
import type { FunctionObject, RevisionObject } from "#host/kube/known-resources.ts";

/** A revision's spec before it is signed. */
export type RevisionContent = Omit<RevisionSpec, "signature">;

const nameDigits = 10;

/** What the revision of a Function's spec says. */
export function revisionContent({ metadata, spec }: FunctionObject): RevisionContent {
  return {
    ...spec.template,
    function: metadata.name,
    serviceAccountName: spec.serviceAccountName ?? metadata.name,
    group: spec.group,
  };
}

/** The name of that revision without the function's prefix: as the spec says, else of its content's digest. */
export function currentRevision(object: FunctionObject): string {
  const digest = createHash("sha256")
    .update(canonicalJson(revisionContent(object)))
    .digest("hex");
  return object.spec.revision ?? digest.slice(0, nameDigits);
}

/** Whether an existing revision says the same. */
export function isSameContent(revision: RevisionObject, content: RevisionContent): boolean {
  const { signature: _, ...existing } = revision.spec;
  return canonicalJson(existing) === canonicalJson(content);
}
