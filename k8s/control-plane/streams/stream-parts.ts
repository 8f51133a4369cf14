/** What the streams of Pods need of the control plane, and what they refuse alike. */
import { MeshError } from "#host/mesh-error.ts";
import { deniedText } from "../../api/authorization/attempt.ts";
import { badRequest, forbidden } from "../../api/refusal.ts";
import type { SubresourceRequest } from "../../api/subresource.ts";
import type { NodePlace } from "./ask-node.ts";
import type { InstanceLogs } from "./instance-log.ts";
import type { PodView } from "./pod-view.ts";

/** See the file's head. */
export interface StreamParts {
  readonly node: NodePlace;
  readonly instances: InstanceLogs;
  readonly nowMs: () => number;
  /** Told what went wrong where nobody else can be told. */
  readonly onFault: (what: string, error: unknown) => void;
}

/**
 * A conversation changes what it talks to, though WebSocket's clients ask for it by GET: `create` is needed in any case.
 * @throws KubeError 403
 */
export function mustBeAllowedToCreate(asked: SubresourceRequest, subresource: string): void {
  const { context, user, target, object } = asked;
  const { group, resource } = target.kind;
  const { namespace } = target;
  const { name } = object.metadata;
  const attempt = {
    kind: "resource",
    verb: "create",
    group,
    resource,
    subresource,
    namespace,
    name,
  } as const;
  if (!context.authorizer.may(user, attempt))
    throw forbidden({ group, resource }, name, deniedText(user.name, attempt));
}

/** @throws KubeError 400 for a Pod that shows a function's instance: its sandbox has no shell, and no way in */
export function mustBePods(pod: PodView, what: string): void {
  if (pod.instance === undefined) return;
  throw badRequest(
    `cannot ${what} pod ${pod.name}: it shows an instance of the function ${pod.instance.function}, whose sandbox nothing can enter; its logs can be read`,
  );
}

/** @throws KubeError 400 for a Pod that no node has yet */
export function mustHaveNode(pod: PodView): void {
  if (pod.nodeName === "") throw badRequest(`pod ${pod.name} does not have a host assigned`);
}

/** A refusal of the node before anything was switched, as kubelet gives it: plain text. */
export function nodeRefusal(error: MeshError): Response {
  return new Response(error.message, { status: error.code === "not-found" ? 404 : 500 });
}
