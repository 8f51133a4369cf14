/** The controllers of the kinds that make Pods, wired to the informers. */
import type { KubeObject } from "#host/kube/object.ts";
import { reconcileDaemonSet } from "../../reconcile/daemon-sets/reconcile-daemon-set.ts";
import { reconcileDeployment } from "../../reconcile/deployments/reconcile-deployment.ts";
import { reconcileJob, releaseOrphan } from "../../reconcile/jobs/reconcile-job.ts";
import { reconcileStatefulSet } from "../../reconcile/stateful-sets/reconcile-stateful-set.ts";
import { controllerOf } from "../../reconcile/workloads/owned.ts";
import { reconcileReplicaSet } from "../../reconcile/workloads/reconcile-replica-set.ts";
import { nothing } from "../../reconcile/workloads/workload-action.ts";
import type { ActionFailure } from "../act.ts";
import { type ControllerTools, followOwned, openKeyed } from "../keyed-controller.ts";
import type { WorkQueue } from "../work-queue.ts";

/** Opens them. @returns their queues, to be closed */
export function openWorkloads(tools: ControllerTools): readonly WorkQueue[] {
  return [
    openReplicaSets(tools),
    openDeployments(tools),
    openStatefulSets(tools),
    openDaemonSets(tools),
    openJobs(tools),
    openOrphanedJobPods(tools),
  ];
}

function openReplicaSets(tools: ControllerTools): WorkQueue {
  const { informers, clock } = tools;
  const queue = openKeyed(
    {
      component: "replicaset-controller",
      informer: informers.replicaSets,
      decide: (set, failure) =>
        reconcileReplicaSet({
          set,
          pods: informers.pods.of(set.metadata.namespace),
          nowMs: clock.nowMs(),
          ...failureOf(failure),
        }),
    },
    tools,
  );
  followOwned(queue, informers.replicaSets, informers.pods);
  return queue;
}

/** What was refused is shown; a race is not. */
function failureOf(
  failure: ActionFailure | undefined,
): Pick<Parameters<typeof reconcileReplicaSet>[0], "failure"> {
  if (failure === undefined || failure.reason === "FailedWrite") return {};
  return { failure: { reason: failure.reason, message: failure.message } };
}

function openDeployments(tools: ControllerTools): WorkQueue {
  const { informers, clock } = tools;
  const queue = openKeyed(
    {
      component: "deployment-controller",
      informer: informers.deployments,
      decide: (deployment) =>
        reconcileDeployment({
          deployment,
          sets: informers.replicaSets.of(deployment.metadata.namespace),
          pods: informers.pods.of(deployment.metadata.namespace),
          nowMs: clock.nowMs(),
        }),
    },
    tools,
  );
  followOwned(queue, informers.deployments, informers.replicaSets);
  // One that replaces its Pods all at once waits for the last of them to be gone.
  informers.pods.onChange(({ before, after }) => {
    if (before === undefined || after !== undefined) return;
    const owner = controllerOf(before);
    const { namespace } = before.metadata;
    if (owner?.kind !== "ReplicaSet") return;
    const set = informers.replicaSets.find({ namespace, name: owner.name });
    const deployment = set === undefined ? undefined : controllerOf(set);
    if (deployment?.kind === "Deployment") queue.add(`${namespace}/${deployment.name}`);
  });
  return queue;
}

function openStatefulSets(tools: ControllerTools): WorkQueue {
  const { informers, clock } = tools;
  const queue = openKeyed(
    {
      component: "statefulset-controller",
      informer: informers.statefulSets,
      decide: (set) =>
        reconcileStatefulSet({
          set,
          pods: informers.pods.of(set.metadata.namespace),
          revisions: informers.controllerRevisions.of(set.metadata.namespace),
          nowMs: clock.nowMs(),
        }),
    },
    tools,
  );
  followOwned(queue, informers.statefulSets, informers.pods);
  followOwned(queue, informers.statefulSets, informers.controllerRevisions);
  return queue;
}

function openDaemonSets(tools: ControllerTools): WorkQueue {
  const { informers, clock } = tools;
  const queue = openKeyed(
    {
      component: "daemonset-controller",
      informer: informers.daemonSets,
      decide: (set) =>
        reconcileDaemonSet({
          set,
          nodes: informers.nodes.all(),
          pods: informers.pods.of(set.metadata.namespace),
          revisions: informers.controllerRevisions.of(set.metadata.namespace),
          nowMs: clock.nowMs(),
        }),
    },
    tools,
  );
  followOwned(queue, informers.daemonSets, informers.pods);
  followOwned(queue, informers.daemonSets, informers.controllerRevisions);
  informers.nodes.onChange(({ before, after }) => {
    // A heartbeat changes nothing of where Pods may be.
    if (isSamePlace(before, after)) return;
    for (const { metadata } of informers.daemonSets.all())
      queue.add(`${metadata.namespace}/${metadata.name}`);
  });
  return queue;
}

type PlaceFacts = KubeObject & { readonly spec?: unknown };

function isSamePlace(before: PlaceFacts | undefined, after: PlaceFacts | undefined): boolean {
  return placeText(before) === placeText(after);
}

function placeText(node: PlaceFacts | undefined): string {
  return node === undefined ? "" : JSON.stringify([node.metadata.labels, node.spec]);
}

function openJobs(tools: ControllerTools): WorkQueue {
  const { informers, clock } = tools;
  const queue = openKeyed(
    {
      component: "job-controller",
      informer: informers.jobs,
      decide: (job) =>
        reconcileJob({ job, pods: informers.pods.of(job.metadata.namespace), nowMs: clock.nowMs() }),
    },
    tools,
  );
  followOwned(queue, informers.jobs, informers.pods);
  return queue;
}

/** Pods that are held for a Job that is gone are let go. */
function openOrphanedJobPods(tools: ControllerTools): WorkQueue {
  const { informers } = tools;
  const queue = openKeyed(
    {
      component: "job-controller",
      informer: informers.pods,
      decide(pod) {
        if (pod.metadata.finalizers === undefined) return nothing;
        const jobs = informers.jobs.of(pod.metadata.namespace).map(({ metadata }) => metadata.uid);
        return { actions: releaseOrphan(pod, new Set(jobs)) };
      },
    },
    tools,
  );
  informers.jobs.onChange(({ before, after }) => {
    if (before === undefined || after !== undefined) return;
    for (const pod of informers.pods.of(before.metadata.namespace)) {
      if (controllerOf(pod)?.uid === before.metadata.uid)
        queue.add(`${pod.metadata.namespace}/${pod.metadata.name}`);
    }
  });
  return queue;
}
