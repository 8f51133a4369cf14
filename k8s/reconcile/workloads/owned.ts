/** Whose an object is: its controller, and how a controller takes in what it selects and lets go of what it does not. */
import { apiVersionOf, type KubeObject, type OwnerReference, type ResourceType } from "#host/kube/object.ts";
import { type LabelSelector, matchesLabels, type Requirement } from "../../api/label-selector.ts";
import type { LabelSelectorSpec } from "../../model/selector.ts";
import { keyOf, type WorkloadAction } from "./workload-action.ts";

/** The owner that acts on it, if it has one. */
export function controllerOf({ metadata }: KubeObject): OwnerReference | undefined {
  return metadata.ownerReferences?.find(({ controller }) => controller === true);
}

/** The reference by which an object is its controller's. */
export function controllerReference(type: ResourceType, { metadata }: KubeObject): OwnerReference {
  return {
    apiVersion: apiVersionOf(type),
    kind: type.kind,
    name: metadata.name,
    uid: metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** A selector of a spec as the API matches it. One that cannot be read selects nothing, and the API refuses it anyway. */
export function requirementsOf({ matchLabels, matchExpressions }: LabelSelectorSpec): LabelSelector {
  const equal = Object.entries(matchLabels ?? {}).map(([label, value]): Requirement => ({
    kind: "in",
    label,
    values: [value],
  }));
  const others = (matchExpressions ?? []).map(({ key: label, operator, values = [] }): Requirement => {
    switch (operator) {
      case "In":
        return { kind: "in", label, values };
      case "NotIn":
        return { kind: "notin", label, values };
      case "Exists":
        return { kind: "exists", label };
      case "DoesNotExist":
        return { kind: "absent", label };
    }
  });
  return [...equal, ...others];
}

/** Whether a spec's selector is about an object; an empty one is about none. */
export function isSelected(selector: LabelSelectorSpec, { metadata }: KubeObject): boolean {
  const requirements = requirementsOf(selector);
  return requirements.length > 0 && matchesLabels(requirements, metadata.labels);
}

/** What is an owner's, and what must be written so that it is. */
export interface Claim<Kind> {
  readonly owned: readonly Kind[];
  readonly actions: readonly WorkloadAction[];
}

/** Who claims. */
export interface Claimer {
  readonly owner: KubeObject;
  readonly ownerType: ResourceType;
  readonly selector: LabelSelectorSpec;
  readonly type: ResourceType;
}

/** Sorts a namespace's objects into those that are the owner's; orphans it selects become its own, strangers are let go. */
export function claim<Kind extends KubeObject>(
  { owner, ownerType, selector, type }: Claimer,
  candidates: readonly Kind[],
): Claim<Kind> {
  const owned: Kind[] = [];
  const actions: WorkloadAction[] = [];
  const mayTake = owner.metadata.deletionTimestamp === undefined;
  for (const object of candidates) {
    const controller = controllerOf(object);
    const fits = isSelected(selector, object);
    if (controller?.uid === owner.metadata.uid) {
      if (fits) owned.push(object);
      else if (mayTake) actions.push(withOwners(type, object, without(object, owner.metadata.uid)));
    } else if (controller === undefined && fits && mayTake && isFree(object)) {
      owned.push(object);
      const reference = controllerReference(ownerType, owner);
      actions.push(withOwners(type, object, [...(object.metadata.ownerReferences ?? []), reference]));
    }
  }
  return { owned, actions };
}

/** What is on its way out is nobody's to take. */
function isFree({ metadata }: KubeObject): boolean {
  return metadata.deletionTimestamp === undefined;
}

function without({ metadata }: KubeObject, uid: string): readonly OwnerReference[] {
  return (metadata.ownerReferences ?? []).filter((reference) => reference.uid !== uid);
}

/** Refused when the object changed since: another may have taken it. */
function withOwners(
  type: ResourceType,
  object: KubeObject,
  ownerReferences: readonly OwnerReference[],
): WorkloadAction {
  const { resourceVersion } = object.metadata;
  return {
    kind: "patch",
    type,
    key: keyOf(object),
    value: {
      metadata: { resourceVersion, ownerReferences: ownerReferences.length === 0 ? null : ownerReferences },
    },
  };
}
