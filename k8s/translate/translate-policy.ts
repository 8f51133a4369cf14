/** AuthorizationPolicy → `istio.security.Authorization`, as Istio does it for ambient; not its evaluation. */
import { create } from "@bufbuild/protobuf";
import {
  Action,
  type Authorization,
  AuthorizationSchema,
  GroupSchema,
  Scope,
} from "#core/proto/istio/authorization_pb.js";
import type { AuthorizationPolicyObject, PolicyTargetRef } from "../model/authorization-policy.ts";
import type { MeshSettings } from "./mesh-objects.ts";
import { translateRule } from "./translate-rule.ts";

/** A policy as proxies evaluate it, with what of it they cannot. */
export interface TranslatedPolicy {
  /** `<namespace>/<name>`, as proxies know it. */
  readonly key: string;
  /** Undefined when no proxy evaluates it. */
  readonly message: Authorization | undefined;
  /** What was dropped or is not supported, for the policy's status. */
  readonly problems: readonly string[];
}

/** Translates one policy. */
export function translatePolicy(policy: AuthorizationPolicyObject, settings: MeshSettings): TranslatedPolicy {
  const { name, namespace, annotations } = policy.metadata;
  const key = `${namespace}/${name}`;
  const spec = policy.spec ?? {};
  const action = actionOf(spec.action);
  if (action === undefined) {
    const problem = `action ${spec.action} is not supported: it is not enforced`;
    return { key, message: undefined, problems: [problem] };
  }
  const problems: string[] = [];
  const groups = (spec.rules ?? []).flatMap((rule, index) => {
    const translated = translateRule(rule, {
      isDeny: action === Action.DENY,
      namespace,
      trustDomain: settings.trustDomain,
      onProblem: (text) => problems.push(`rule ${index}: ${text}`),
    });
    return translated === undefined ? [] : [create(GroupSchema, { rules: [...translated] })];
  });
  const message = create(AuthorizationSchema, {
    name,
    namespace,
    action,
    groups,
    scope: scopeOf(policy, settings.rootNamespace),
    dryRun: annotations?.["istio.io/dry-run"] === "true",
  });
  return { key, message, problems };
}

/** What a policy is attached to, in either of its two forms. */
export function targetRefsOf(policy: AuthorizationPolicyObject): readonly PolicyTargetRef[] {
  const { targetRef, targetRefs = [] } = policy.spec ?? {};
  return targetRef === undefined ? targetRefs : [targetRef, ...targetRefs];
}

function scopeOf(policy: AuthorizationPolicyObject, rootNamespace: string): Scope {
  // One with targetRefs must reach only those whose configuration names it, as one with a selector does.
  if (targetRefsOf(policy).length > 0 || hasSelector(policy)) return Scope.WORKLOAD_SELECTOR;
  return policy.metadata.namespace === rootNamespace ? Scope.GLOBAL : Scope.NAMESPACE;
}

/** Whether a policy selects by labels; a selector without labels selects everything, as if it were absent. */
export function hasSelector(policy: AuthorizationPolicyObject): boolean {
  return Object.keys(policy.spec?.selector?.matchLabels ?? {}).length > 0;
}

function actionOf(action: string | undefined): Action | undefined {
  if (action === undefined || action === "ALLOW") return Action.ALLOW;
  return action === "DENY" ? Action.DENY : undefined;
}
