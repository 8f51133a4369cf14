/** The templates that a StatefulSet or DaemonSet had, as ControllerRevisions: which is the one it has now, and which may go. */
import { canonicalJson } from "#core/release/canonical-json.ts";
import type { KubeObject, ResourceType } from "#host/kube/object.ts";
import {
  type ControllerRevisionObject,
  controllerRevisionResource,
  type PodTemplate,
} from "../../model/workload.ts";
import type { LabelSelectorSpec } from "../../model/selector.ts";
import { claim, controllerReference } from "./owned.ts";
import { templateHash } from "./template-hash.ts";
import { keyOf, type WorkloadAction } from "./workload-action.ts";

/** On Pods and revisions: which template they are of. */
export const revisionHashLabel = "controller-revision-hash";

/** Whose history. */
export interface HistoryOf {
  readonly owner: KubeObject & {
    readonly spec: {
      readonly template: PodTemplate;
      readonly selector: LabelSelectorSpec;
      readonly revisionHistoryLimit?: number;
    };
  };
  readonly ownerType: ResourceType;
  /** Of its namespace. */
  readonly revisions: readonly ControllerRevisionObject[];
  /** Names of revisions that Pods are of, or that the owner still names. */
  readonly inUse: ReadonlySet<string>;
}

/** The history as it is, and what must be done to it. */
export interface History {
  /** Name of the revision of the template as it is now. */
  readonly update: string;
  /** The templates by revision. */
  readonly templates: ReadonlyMap<string, PodTemplate>;
  readonly actions: readonly WorkloadAction[];
}

/** Decides. */
export function decideHistory({ owner, ownerType, revisions, inUse }: HistoryOf): History {
  const { selector, template, revisionHistoryLimit = 10 } = owner.spec;
  const claimed = claim({ owner, ownerType, selector, type: controllerRevisionResource }, revisions);
  const owned = [...claimed.owned].sort((a, b) => a.revision - b.revision);
  const text = canonicalJson(template);
  const same = owned.filter((each) => canonicalJson(templateOf(each)) === text).at(-1);
  const newest = owned.at(-1)?.revision ?? 0;
  const current =
    same === undefined ? makeRevision({ owner, ownerType, revisions }, newest + 1) : renumber(same, newest);
  const templates = new Map(owned.map((each) => [each.metadata.name, templateOf(each)]));
  templates.set(current.name, template);
  const idle = owned.filter(({ metadata: { name } }) => name !== current.name && !inUse.has(name));
  const dropped = idle.slice(0, Math.max(0, idle.length - revisionHistoryLimit));
  return {
    update: current.name,
    templates,
    actions: [
      ...claimed.actions,
      ...current.actions,
      ...dropped.map((each): WorkloadAction => {
        const { uid } = each.metadata;
        return { kind: "delete", type: controllerRevisionResource, key: keyOf(each), uid };
      }),
    ],
  };
}

interface Current {
  readonly name: string;
  readonly actions: readonly WorkloadAction[];
}

/** A template that came back is the newest again. */
function renumber({ metadata, revision }: ControllerRevisionObject, newest: number): Current {
  const { name, namespace } = metadata;
  if (revision === newest) return { name, actions: [] };
  const value = { revision: newest + 1 };
  return {
    name,
    actions: [{ kind: "patch", type: controllerRevisionResource, key: { namespace, name }, value }],
  };
}

function makeRevision({ owner, ownerType, revisions }: Omit<HistoryOf, "inUse">, revision: number): Current {
  const { template } = owner.spec;
  const taken = new Set(revisions.map(({ metadata }) => metadata.name));
  let collisions = 0;
  const nameNow = (): string => `${owner.metadata.name}-${templateHash(template, collisions)}`;
  // Another template of the same hash: it ends, as there are finitely many revisions.
  while (taken.has(nameNow())) collisions++;
  const name = nameNow();
  const { namespace } = owner.metadata;
  const draft = {
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      labels: { ...template.metadata?.labels, [hashLabelOf(ownerType)]: hashOf(owner, name) },
      ownerReferences: [controllerReference(ownerType, owner)],
    },
    data: { spec: { template: { ...template, $patch: "replace" } } },
    revision,
  };
  return { name, actions: [{ kind: "create", type: controllerRevisionResource, draft }] };
}

/** Kubernetes' two controllers never agreed on one. */
function hashLabelOf({ kind }: ResourceType): string {
  return kind === "DaemonSet" ? revisionHashLabel : "controller.kubernetes.io/hash";
}

/** The part of a revision's name that tells templates apart. */
export function hashOf({ metadata }: KubeObject, revisionName: string): string {
  return revisionName.slice(metadata.name.length + 1);
}

/** Without the word that tells a patch to replace the whole. */
function templateOf({ data }: ControllerRevisionObject): PodTemplate {
  const { $patch: _patch, ...template } = data.spec.template as Record<string, unknown>;
  // Sound: it was written here, of a template.
  return template as unknown as PodTemplate;
}
