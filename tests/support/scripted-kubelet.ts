/** A node that only says what its Pods do: it makes no processes, but writes the statuses that a test scripts, and ends Pods that are deleted. */
import { MeshError } from "#host/mesh-error.ts";
import type { KubeClient } from "#host/kube/kube-client.ts";
import { isAlreadyExists, isNotFound, isConflict } from "#host/kube/kube-error.ts";
import { nodeResource } from "../../k8s/model/node.ts";
import { instanceAnnotation, type PodObject, podResource } from "../../k8s/model/pod.ts";

const sayAgainMs = 50;

/** What becomes of a Pod on it. */
export type PodFate = "ready" | "unready" | "succeeded" | "failed" | "pending";

/** A node that plays. */
export interface ScriptedKubelet extends Disposable {
  /** What becomes of each Pod; asked at each of its changes, and of all at `replay`. Default: ready. */
  fate: (pod: PodObject) => PodFate;
  /** Whether Pods that are deleted end at once. */
  endsDeleted: boolean;
  /** Decides for every Pod anew. */
  replay(): void;
}

const addressPrefix = "10.244.0.";

/** Registers a node and plays it. */
export async function scriptKubelet(kube: KubeClient, node = "node-0"): Promise<ScriptedKubelet> {
  const stop = new AbortController();
  const pods = new Map<string, PodObject>();
  const addresses = new Map<string, string>();
  const kubelet: ScriptedKubelet = {
    fate: () => "ready",
    endsDeleted: true,
    replay() {
      for (const pod of pods.values()) void play(pod);
    },
    [Symbol.dispose]: () => stop.abort(),
  };
  const addressOf = ({ metadata: { uid } }: PodObject): string => {
    const address = addresses.get(uid) ?? `${addressPrefix}${128 + (addresses.size % 120)}`;
    addresses.set(uid, address);
    return address;
  };
  const play = async (pod: PodObject): Promise<void> => {
    const { namespace, name, uid } = pod.metadata;
    const key = { namespace, name };
    try {
      if (pod.metadata.deletionTimestamp !== undefined) {
        if (!kubelet.endsDeleted) return;
        if (pod.status?.phase !== "Succeeded" && pod.status?.phase !== "Failed") {
          const value = { metadata: { uid }, status: statusOf(pod, "failed", addressOf(pod)) };
          await kube.patchStatus(podResource, key, { kind: "merge", value });
        }
        await kube.delete(podResource, key, { uid, gracePeriodSeconds: 0 });
        return;
      }
      const status = statusOf(pod, kubelet.fate(pod), addressOf(pod));
      if (isSaid(pod, status)) return;
      await kube.patchStatus(podResource, key, { kind: "merge", value: { metadata: { uid }, status } });
    } catch (error) {
      // It changed meanwhile, and comes again if it still is.
      if (isNotFound(error) || isConflict(error) || stop.signal.aborted) return;
      if (!(error instanceof MeshError) || error.code !== "unavailable") throw error;
      // The API was killed: what it did not take is said again.
      await Bun.sleep(sayAgainMs);
      const now = pods.get(uid);
      if (now !== undefined) await play(now);
    }
  };
  await makeNode(kube, node);
  kube.watch(podResource, {
    fieldSelector: `spec.nodeName=${node}`,
    signal: stop.signal,
    onEvent({ type, object }) {
      if (object.metadata.annotations?.[instanceAnnotation] !== undefined) return;
      if (type === "DELETED") pods.delete(object.metadata.uid);
      else {
        pods.set(object.metadata.uid, object);
        void play(object);
      }
    },
  });
  return kubelet;
}

async function makeNode(kube: KubeClient, name: string): Promise<void> {
  const ready = { type: "Ready", status: "True", reason: "KubeletReady" } as const;
  try {
    await kube.create(nodeResource, {
      metadata: { name, labels: { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux" } },
    });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
  const value = { status: { conditions: [ready] } };
  await kube.patchStatus(nodeResource, { name }, { kind: "merge", value });
}

const phases = {
  ready: "Running",
  unready: "Running",
  pending: "Pending",
  succeeded: "Succeeded",
  failed: "Failed",
} as const;

function statusOf(pod: PodObject, fate: PodFate, podIP: string): NonNullable<PodObject["status"]> {
  const phase = phases[fate];
  const now = `${new Date().toISOString().slice(0, 19)}Z`;
  const ready = {
    type: "Ready",
    status: fate === "ready" ? "True" : "False",
    lastTransitionTime: now,
  } as const;
  const before = pod.status?.conditions ?? [];
  const known = before.find(({ type }) => type === "Ready");
  const since = known?.status === ready.status ? (known.lastTransitionTime ?? now) : now;
  const ended = {
    exitCode: fate === "failed" ? 1 : 0,
    reason: fate === "failed" ? "Error" : "Completed",
    finishedAt: now,
  };
  const isOver = fate === "failed" || fate === "succeeded";
  return {
    phase,
    conditions: [...before.filter(({ type }) => type !== "Ready"), { ...ready, lastTransitionTime: since }],
    ...(fate === "pending" ? {} : { podIP, podIPs: [{ ip: podIP }] }),
    containerStatuses: pod.spec.containers.map(({ name, image = "" }) => ({
      name,
      image,
      imageID: image,
      restartCount: 0,
      ready: fate === "ready",
      lastState: {},
      state: isOver ? { terminated: ended } : { running: { startedAt: pod.metadata.creationTimestamp } },
    })),
  };
}

function isSaid({ status }: PodObject, wanted: NonNullable<PodObject["status"]>): boolean {
  return status?.phase === wanted.phase && readyOf(status) === readyOf(wanted);
}

function readyOf(status: PodObject["status"]): string | undefined {
  return status?.conditions?.find(({ type }) => type === "Ready")?.status;
}
