/** Tells the API what became of a Pod: only what has changed, and its last words before it is forgotten. */
import type { KubeClient } from "#host/kube/kube-client.ts";
import { isConflict, isNotFound, KubeError } from "#host/kube/kube-error.ts";
import { errorText } from "#host/mesh-error.ts";
import { type PodObject, podResource, type PodStatus } from "../../model/pod.ts";
import { decideStatus, type StatusFacts } from "../../reconcile/pods/pod-status.ts";
import { findImage, imageId } from "./image-map.ts";
import type { KubeletHost } from "./kubelet-host.ts";

/** What the kubelet knows; the rest of a status's facts is the node's. */
export type ToldFacts = Omit<StatusFacts, "hostIP" | "nowMs" | "backOff" | "imageIdOf">;

/** See the file's opening. */
export class PodStatusWriter {
  readonly #host: KubeletHost;
  /** What the API has been told; the watch brings it back a moment later. */
  #told: PodStatus | undefined;

  constructor(host: KubeletHost) {
    this.#host = host;
  }

  /** Writes the status unless the API has it. @throws when the API cannot be told; it is tried again with the next facts */
  async write(facts: ToldFacts): Promise<void> {
    const { clock, backOff, node, images, api } = this.#host;
    const { metadata, spec } = facts.pod;
    const all = [...(spec.initContainers ?? []), ...spec.containers];
    const status = decideStatus({
      ...facts,
      pod: withTold(facts.pod, this.#told),
      hostIP: node.address,
      nowMs: clock.nowMs(),
      backOff,
      imageIdOf: (name) => {
        const image = all.find((container) => container.name === name)?.image ?? "";
        return imageId(image, findImage(images, image));
      },
    });
    if (JSON.stringify(status) === JSON.stringify(this.#told)) return;
    try {
      await patch(api, facts.pod, status);
      this.#told = status;
    } catch (error) {
      if (isGone(error)) return;
      this.#host.log.warn("status not told", {
        pod: `${metadata.namespace}/${metadata.name}`,
        error: errorText(error),
      });
      throw error;
    }
  }

  /** Has the API forget a Pod whose end it has been told. */
  async forget({ metadata }: PodObject): Promise<void> {
    const { namespace, name, uid } = metadata;
    try {
      await this.#host.api.delete(podResource, { namespace, name }, { gracePeriodSeconds: 0, uid });
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
}

/** The name is another Pod's by now, or nobody's; a node is not even told about Pods that are not bound to one. */
function isGone(error: unknown): boolean {
  return isNotFound(error) || isConflict(error) || (error instanceof KubeError && error.httpStatus === 403);
}

/** The Pod with what was told last, and with the conditions that others have written since. */
function withTold(pod: PodObject, told: PodStatus | undefined): PodObject {
  if (told === undefined) return pod;
  const ours = told.conditions ?? [];
  const others = (pod.status?.conditions ?? []).filter(({ type }) => !ours.some((one) => one.type === type));
  const gates = (pod.spec.readinessGates ?? []).map(({ conditionType }) => conditionType);
  const kept = ours.filter(({ type }) => !gates.includes(type));
  const fresh = (pod.status?.conditions ?? []).filter(({ type }) => gates.includes(type));
  return {
    ...pod,
    status: {
      ...told,
      conditions: [...kept, ...fresh, ...others.filter(({ type }) => !gates.includes(type))],
    },
  };
}

/** Of this very Pod: one that was made anew under the name has another uid. */
function patch(api: KubeClient, { metadata }: PodObject, status: PodStatus): Promise<PodObject> {
  const { namespace, name, uid } = metadata;
  return api.patchStatus(
    podResource,
    { namespace, name },
    { kind: "merge", value: { metadata: { uid }, status } },
  );
}
