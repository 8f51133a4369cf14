/** One Pod of a DaemonSet: the node that it is for, and what it is made of. */
import type { Draft } from "#host/kube/object.ts";
import type { NodeObject } from "../../model/node.ts";
import type { PodObject, PodSpec, Toleration } from "../../model/pod.ts";
import { type DaemonSetObject, daemonSetResource } from "../../model/workload.ts";
import { findMisfit, isWished, untolerated } from "../scheduling/node-fit.ts";
import { revisionHashLabel } from "../workloads/history.ts";
import { podFromTemplate } from "../workloads/pod-from-template.ts";

/** A DaemonSet with its Pods by node. */
export interface Daemons {
  readonly set: DaemonSetObject;
  readonly nodes: readonly NodeObject[];
  /** By the name of the node that they are on, or are for. */
  readonly byNode: ReadonlyMap<string, readonly PodObject[]>;
  /** Of the template as it is now. */
  readonly hash: string;
  readonly nowMs: number;
}

/** What every daemon bears: it is there to mend what is wrong with a node. */
const borne: readonly Toleration[] = [
  { key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoExecute" },
  { key: "node.kubernetes.io/unreachable", operator: "Exists", effect: "NoExecute" },
  ...["disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"].map((name): Toleration => ({
    key: `node.kubernetes.io/${name}`,
    operator: "Exists",
    effect: "NoSchedule",
  })),
];

function daemonSpec({ spec }: DaemonSetObject): PodSpec {
  const { tolerations = [], ...rest } = spec.template.spec;
  return { ...rest, tolerations: [...tolerations, ...borne] };
}

/** Whether a Pod is to be on the node. */
export function isFor(set: DaemonSetObject, node: NodeObject): boolean {
  return findMisfit(daemonSpec(set), node) === undefined;
}

/** Whether a Pod that is on the node may stay: taints that only keep new ones away do not end it. */
export function staysOn(set: DaemonSetObject, node: NodeObject): boolean {
  const spec = daemonSpec(set);
  return isWished(spec, node) && untolerated(node, spec.tolerations ?? [], ["NoExecute"]) === undefined;
}

/** The node that a Pod is on, or is for. */
export function nodeOf({ spec }: PodObject): string {
  if ((spec.nodeName ?? "") !== "") return spec.nodeName ?? "";
  const terms =
    spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const field = terms
    .flatMap(({ matchFields = [] }) => matchFields)
    .find(({ key }) => key === "metadata.name");
  return field?.values?.[0] ?? "";
}

/** The Pod for a node: the scheduler takes it there and nowhere else. */
export function daemonDraft({ set, hash }: Daemons, node: string): Draft<PodObject> {
  const spec = daemonSpec(set);
  const { affinity } = spec;
  const toNode = { matchFields: [{ key: "metadata.name", operator: "In" as const, values: [node] }] };
  const { requiredDuringSchedulingIgnoredDuringExecution: required, ...preferred } =
    affinity?.nodeAffinity ?? {};
  const terms = (required?.nodeSelectorTerms ?? [{}]).map((term) => ({ ...term, ...toNode }));
  return podFromTemplate(
    set.spec.template,
    { type: daemonSetResource, object: set },
    {
      labels: {
        [revisionHashLabel]: hash,
        "pod-template-generation":
          set.metadata.annotations?.["deprecated.daemonset.template.generation"] ?? "1",
      },
      spec: {
        ...(spec.tolerations === undefined ? {} : { tolerations: spec.tolerations }),
        affinity: {
          ...affinity,
          nodeAffinity: {
            ...preferred,
            requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms },
          },
        },
      },
    },
  );
}
