/** The controller of EndpointSlices and Endpoints, wired to the informers: a Service is looked at when it, a Pod behind it or a slice of it changes. */
import { canonicalJson } from "#core/release/canonical-json.ts";
import type { PodObject } from "../../model/pod.ts";
import { matchesLabels } from "../../api/label-selector.ts";
import {
  managedByLabel,
  manager,
  reconcileEndpointSlices,
  serviceNameLabel,
} from "../../reconcile/endpoints/reconcile-endpoint-slices.ts";
import { reconcileEndpoints } from "../../reconcile/endpoints/reconcile-endpoints.ts";
import { requirementsOf } from "../../reconcile/workloads/owned.ts";
import { type ControllerTools, openKeyed } from "../keyed-controller.ts";
import { queueKey } from "../informer.ts";
import type { WorkQueue } from "../work-queue.ts";

/** Opens it. */
export function openEndpoints(tools: ControllerTools): WorkQueue {
  const { informers } = tools;
  const queue = openKeyed(
    {
      component: "endpoint-slice-controller",
      informer: informers.services,
      decide(service) {
        const { namespace, name } = service.metadata;
        const slices = informers.slices
          .of(namespace)
          .filter(
            ({ metadata: { labels } }) =>
              labels?.[serviceNameLabel] === name && labels[managedByLabel] === manager,
          );
        const pods = informers.pods.of(namespace);
        const endpoints = informers.endpoints.find({ namespace, name });
        return {
          actions: [
            ...reconcileEndpointSlices(service, pods, slices),
            ...reconcileEndpoints(service, pods, endpoints),
          ],
        };
      },
    },
    tools,
  );
  const tell = (pod: PodObject | undefined): void => {
    if (pod === undefined) return;
    for (const service of informers.services.of(pod.metadata.namespace)) {
      const requirements = requirementsOf({ matchLabels: service.spec.selector ?? {} });
      const isBehind = requirements.length > 0 && matchesLabels(requirements, pod.metadata.labels);
      if (isBehind) queue.add(queueKey(service));
    }
  };
  informers.pods.onChange(({ before, after }) => {
    if (endpointText(before) === endpointText(after)) return;
    tell(after);
    if (after === undefined || !isSameLabels(before, after)) tell(before);
  });
  informers.endpoints.onChange(({ before, after }) => {
    const endpoints = after ?? before;
    if (endpoints !== undefined) queue.add(queueKey(endpoints));
  });
  informers.slices.onChange(({ before, after }) => {
    const slice = after ?? before;
    const service = slice?.metadata.labels?.[serviceNameLabel];
    if (slice !== undefined && service !== undefined) queue.add(`${slice.metadata.namespace}/${service}`);
  });
  return queue;
}

/** What of a Pod makes endpoints. */
function endpointText(pod: PodObject | undefined): string {
  if (pod === undefined) return "";
  const { labels, deletionTimestamp } = pod.metadata;
  const { phase, podIP, conditions } = pod.status ?? {};
  const ready = conditions?.find(({ type }) => type === "Ready")?.status;
  return canonicalJson([labels, deletionTimestamp, phase, podIP, ready, pod.spec.nodeName]);
}

function isSameLabels(before: PodObject | undefined, after: PodObject): boolean {
  return canonicalJson(before?.metadata.labels ?? {}) === canonicalJson(after.metadata.labels ?? {});
}
