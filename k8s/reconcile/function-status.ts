/** A Function's status: whether its current revision serves, what has traffic, and why not all is as wished. */
import { type FunctionObject, functionResource, type RevisionObject } from "#host/kube/known-resources.ts";
import { canonicalJson } from "#core/release/canonical-json.ts";
import { isReady } from "../translate/function-traffic.ts";
import type { MeshIndex } from "../translate/mesh-index.ts";
import { functionLabel } from "../translate/mesh-objects.ts";
import { currentRevision, isSameContent, revisionContent } from "../translate/revision-name.ts";
import type { Action } from "./action.ts";
import { type ConditionDraft, mergeConditions } from "./conditions.ts";

type Verdict = Pick<ConditionDraft, "status" | "reason" | "message">;

/** Decides. @returns an action when the status differs. @param now RFC 3339 */
export function decideFunctionStatus(index: MeshIndex, key: string, now: string): readonly Action[] {
  const object = index.functions.get(key);
  const traffic = index.traffic.get(key);
  if (object === undefined || traffic === undefined) return [];
  const { namespace, name, generation } = object.metadata;
  const observed = generation === undefined ? {} : { observedGeneration: generation };
  const current = currentRevision(object);
  const ready = { type: "Ready", ...judge(index, object, current), ...observed };
  const status = {
    ...observed,
    conditions: mergeConditions(object.status?.conditions, [ready], now),
    latestRevision: current,
    ...(traffic.latestReady === undefined ? {} : { latestReadyRevision: traffic.latestReady }),
    url: `http://${name}.${namespace}/`,
    traffic: traffic.shares,
  };
  if (object.status !== undefined && canonicalJson(object.status) === canonicalJson(status)) return [];
  return [{ kind: "status", type: functionResource, key: { namespace, name }, status }];
}

function judge(index: MeshIndex, object: FunctionObject, current: string): Verdict {
  const { namespace, name } = object.metadata;
  const revision = index.revisions.get(`${namespace}/${name}-${current}`);
  if (revision !== undefined && !isSameContent(revision, revisionContent(object)))
    return no(
      "RevisionExists",
      `Cannot make revision ${current} of what the function says now: it exists with other content and never changes; choose another spec.revision`,
    );
  const service = index.services.get(`${namespace}/${name}`);
  if (service !== undefined && service.metadata.labels?.[functionLabel] !== name)
    return no(
      "ServiceExists",
      `Cannot serve the function as Service ${name}: one that is not its own exists; delete it or rename the function`,
    );
  if (revision === undefined) return pending(`revision ${current} is being made`);
  if (!isReady(revision)) return judgeUnready(revision, current);
  const problem = index.traffic.get(`${namespace}/${name}`)?.problem;
  if (problem !== undefined) return no("TrafficNotApplied", `Cannot apply spec.traffic: ${problem}`);
  return { status: "True", reason: "RevisionReady", message: `revision ${current} serves` };
}

function judgeUnready(revision: RevisionObject, current: string): Verdict {
  const found = revision.status?.conditions?.find(({ type }) => type === "Ready");
  if (found?.status === "False") return no("RevisionFailed", `revision ${current}: ${found.message}`);
  return pending(`revision ${current} is being checked${found === undefined ? "" : `: ${found.message}`}`);
}

function no(reason: string, message: string): Verdict {
  return { status: "False", reason, message };
}

function pending(message: string): Verdict {
  return { status: "Unknown", reason: "RevisionPending", message };
}
