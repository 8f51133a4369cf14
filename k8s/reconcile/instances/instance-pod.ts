/** The Pod that shows a function's instance: what it says of one that runs, and of one that has ended. It has no processes of its own. */
import { instancePort } from "#core/release/function-spec.ts";
import { type RevisionObject, revisionResource } from "#host/kube/known-resources.ts";
import type { Draft } from "#host/kube/object.ts";
import { timestamp } from "../../api/write-context.ts";
import { instanceAnnotation, type PodCondition, type PodObject, type PodStatus } from "../../model/pod.ts";
import { functionLabel, revisionLabel } from "../../translate/mesh-objects.ts";
import { controllerReference } from "../workloads/owned.ts";

/** An instance that runs. */
export interface RunningInstance {
  readonly instance: string;
  readonly namespace: string;
  /** Name of the Revision object. */
  readonly revision: string;
  readonly function: string;
  readonly address: string;
  /** `running`, or `stopping` when no request goes there any more. */
  readonly state: string;
  readonly startedAtMs: number;
}

/** An instance that has ended. */
export interface EndedInstance {
  readonly instance: string;
  readonly namespace: string;
  /** `crash`, `oom`, `idle`, `stopped` or `load-failed`. */
  readonly reason: string;
  readonly endedAtMs: number;
}

/** The one container's name. */
const containerName = "function";

/** The Pod of an instance. */
export function instancePod(
  instance: RunningInstance,
  revision: RevisionObject,
  node: string,
): Draft<PodObject> {
  const { namespace, function: name } = instance;
  const { spec } = revision;
  return {
    metadata: {
      namespace,
      name: instance.instance,
      labels: { app: name, [functionLabel]: name, [revisionLabel]: instance.revision },
      annotations: { [instanceAnnotation]: instance.instance },
      ownerReferences: [controllerReference(revisionResource, revision)],
    },
    spec: {
      nodeName: node,
      restartPolicy: "Never",
      enableServiceLinks: false,
      automountServiceAccountToken: false,
      serviceAccountName: spec.serviceAccountName,
      containers: [
        {
          name: containerName,
          image: spec.bundle,
          imagePullPolicy: "IfNotPresent",
          ports: [{ name: "http", containerPort: instancePort, protocol: "TCP" }],
          resources: { limits: { memory: `${spec.limits.memoryMb}Mi` } },
        },
      ],
    },
  };
}

/** The status of one that runs. */
export function runningStatus(
  instance: RunningInstance,
  revision: RevisionObject,
  hostAddress: string,
): PodStatus {
  const startedAt = timestamp(instance.startedAtMs);
  const isServing = instance.state !== "stopping";
  const stopping = isServing ? {} : { reason: "Stopping", message: "the instance takes no more requests" };
  return {
    phase: "Running",
    conditions: [
      ...["PodReadyToStartContainers", "Initialized"].map((type) => condition(type, true, startedAt)),
      { ...condition("Ready", isServing, startedAt), ...stopping },
      { ...condition("ContainersReady", isServing, startedAt), ...stopping },
      condition("PodScheduled", true, startedAt),
    ],
    hostIP: hostAddress,
    hostIPs: [{ ip: hostAddress }],
    podIP: instance.address,
    podIPs: [{ ip: instance.address }],
    startTime: startedAt,
    qosClass: "Burstable",
    containerStatuses: [
      {
        ...containerOf(revision, instance.instance),
        ready: isServing,
        started: true,
        state: { running: { startedAt } },
      },
    ],
  };
}

/** The status of one that has ended, made of what was last said of it. */
export function endedStatus({ status = {} }: PodObject, ended: EndedInstance): PodStatus {
  const isFault = faults.has(ended.reason);
  const finishedAt = timestamp(ended.endedAtMs);
  const { podIP: _address, podIPs: _addresses, ...rest } = status;
  const over = { status: "False", reason: isFault ? "PodFailed" : "PodCompleted" } as const;
  return {
    ...rest,
    phase: isFault ? "Failed" : "Succeeded",
    conditions: (status.conditions ?? []).map((each) =>
      /^(Containers)?Ready$/.test(each.type)
        ? { type: each.type, ...over, lastProbeTime: null, lastTransitionTime: finishedAt }
        : each,
    ),
    containerStatuses: (status.containerStatuses ?? []).map((each) => ({
      ...each,
      ready: false,
      started: false,
      state: {
        terminated: { ...terminationOf(ended), startedAt: status.startTime ?? finishedAt, finishedAt },
      },
    })),
  };
}

function terminationOf({ reason }: EndedInstance): {
  readonly exitCode: number;
  readonly reason: string;
  readonly message: string;
} {
  const message = words[reason] ?? "the instance ended";
  if (!faults.has(reason)) return { exitCode: 0, reason: "Completed", message };
  return { exitCode: 1, reason: reason === "oom" ? "OOMKilled" : "Error", message };
}

const faults: ReadonlySet<string> = new Set(["crash", "oom", "load-failed"]);
const words: Readonly<Record<string, string>> = {
  crash: "the function's process ended by itself",
  oom: "the function used more memory than its limit",
  idle: "no request came within spec.template.scale.idleMs",
  stopped: "it was stopped with its revision or its node",
  "load-failed": "the function could not be loaded",
};

function containerOf(
  { spec }: RevisionObject,
  instance: string,
): Omit<NonNullable<PodStatus["containerStatuses"]>[number], "ready" | "state"> {
  return {
    name: containerName,
    image: spec.bundle,
    imageID: spec.bundle,
    containerID: `lambient://${instance}`,
    restartCount: 0,
    lastState: {},
  };
}

function condition(type: string, isTrue: boolean, since: string): PodCondition {
  return { type, status: isTrue ? "True" : "False", lastProbeTime: null, lastTransitionTime: since };
}
