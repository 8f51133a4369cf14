/** Pods and what makes them, as the API stores them, for tests of their controllers: what a test does not care about is filled in. */
import type { OwnerReference } from "#host/kube/object.ts";
import type { PodObject } from "../../k8s/model/pod.ts";
import type { PodTemplate } from "../../k8s/model/workload.ts";
import { madeAt, meta } from "./kube-objects.ts";

/** The time that tests decide at: a minute after all was made. */
export const nowMs: number = Date.parse(madeAt) + 60_000;

/** What is said of a Pod. */
export interface PodTraits {
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly owner?: { readonly kind: string; readonly name: string };
  readonly node?: string;
  readonly address?: string;
  readonly phase?: "Pending" | "Running" | "Succeeded" | "Failed";
  readonly isReady?: boolean;
  readonly isEnding?: boolean;
  readonly finalizers?: readonly string[];
  readonly madeAt?: string;
  readonly restarts?: number;
  /** Since when it is ready, or ended. */
  readonly sinceMs?: number;
  readonly spec?: Partial<PodObject["spec"]>;
}

/** A template of one container with labels. */
export function templateOf(labels: Readonly<Record<string, string>>, image = "x:1"): PodTemplate {
  return { metadata: { labels }, spec: { containers: [{ name: "c", image }] } };
}

/** The reference to a controller. */
export function ownedBy(kind: string, name: string): OwnerReference {
  const apiVersion = kind === "Job" ? "batch/v1" : "apps/v1";
  return { apiVersion, kind, name, uid: `uid-${name}`, controller: true, blockOwnerDeletion: true };
}

/** A Pod of `shop`. */
export function podObject(name: string, traits: PodTraits = {}): PodObject {
  const { labels = { app: "web" }, owner, node = "node-0", phase = "Running", isReady = true } = traits;
  const since = new Date(traits.sinceMs ?? nowMs - 30_000).toISOString();
  const isOver = phase === "Succeeded" || phase === "Failed";
  const terminated = { exitCode: phase === "Failed" ? 1 : 0, finishedAt: since };
  const state = isOver ? { terminated } : { running: { startedAt: since } };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: meta("shop", name, {
      labels,
      creationTimestamp: traits.madeAt ?? madeAt,
      ...(traits.annotations === undefined ? {} : { annotations: traits.annotations }),
      ...(owner === undefined ? {} : { ownerReferences: [ownedBy(owner.kind, owner.name)] }),
      ...(traits.finalizers === undefined ? {} : { finalizers: traits.finalizers }),
      ...(traits.isEnding === true ? { deletionTimestamp: since } : {}),
    }),
    spec: {
      containers: [{ name: "c", image: "x:1" }],
      ...(node === "" ? {} : { nodeName: node }),
      ...traits.spec,
    },
    status: {
      phase,
      conditions: [
        {
          type: "Ready",
          status: isReady && phase === "Running" ? "True" : "False",
          lastTransitionTime: since,
        },
      ],
      ...(traits.address === undefined ? {} : { podIP: traits.address }),
      containerStatuses: [
        {
          name: "c",
          image: "x:1",
          imageID: "",
          ready: isReady,
          restartCount: traits.restarts ?? 0,
          lastState: {},
          state,
        },
      ],
    },
  };
}
