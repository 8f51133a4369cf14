/** What reconciliation decides to do: values that the control plane carries out; an action done twice does no harm. */
import type { SignedRevision } from "#core/release/release-signature.ts";
import type { Draft, KubeObject, ObjectKey, ResourceType } from "#host/kube/object.ts";

/** One thing to do. */
export type Action =
  | { readonly kind: "create"; readonly type: ResourceType; readonly draft: Draft<KubeObject> }
  /** Signs the revision, then creates it. */
  | { readonly kind: "release"; readonly revision: SignedRevision; readonly draft: Draft<KubeObject> }
  | { readonly kind: "patch"; readonly type: ResourceType; readonly key: ObjectKey; readonly value: object }
  | { readonly kind: "status"; readonly type: ResourceType; readonly key: ObjectKey; readonly status: object }
  | { readonly kind: "delete"; readonly type: ResourceType; readonly key: ObjectKey; readonly uid: string }
  /** Has a node load the revision; its outcome becomes a status. */
  | { readonly kind: "check"; readonly revision: SignedRevision; readonly generation: number };

/** Names an action among others, so that one that failed waits before it is tried again. */
export function actionName(action: Action): string {
  if (action.kind === "create") return `create ${action.type.kind} ${nameOf(action.draft.metadata)}`;
  if (action.kind === "release" || action.kind === "check")
    return `${action.kind} ${action.revision.namespace}/${action.revision.name}`;
  return `${action.kind} ${action.type.kind} ${nameOf(action.key)}`;
}

function nameOf({ namespace = "", name = "" }: { namespace?: string; name?: string }): string {
  return namespace === "" ? name : `${namespace}/${name}`;
}
