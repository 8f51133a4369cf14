/** How other folders add to the API what is not stored: subresources that act on an object, and resources that only answer a `create`. Not `status`, which every kind may have. */
import type { User } from "./api.ts";
import type { ApiContext } from "./api-context.ts";
import { parseRow } from "./object-store.ts";
import { methodNotAllowed, notFound } from "./refusal.ts";
import type { ResourceRequest, Verb } from "./request-path.ts";
import type { WorkingObject } from "./working-object.ts";
import type { Target } from "./write-context.ts";

/** What a subresource or a review takes and returns, for discovery. */
export interface ShownKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** A request for a subresource whose user may do it and whose object exists. */
export interface SubresourceRequest {
  /** Its body is unread; `readBody` reads it with the API's limits. */
  readonly request: Request;
  readonly url: URL;
  readonly verb: Verb;
  readonly target: Target;
  /** As stored, a copy of its own. */
  readonly object: WorkingObject;
  readonly user: User;
  readonly context: ApiContext;
}

/** Answers one subresource of one resource. */
export interface SubresourceHandler {
  readonly group: string;
  /** Plural, as in paths. */
  readonly resource: string;
  readonly subresource: string;
  /** A POST on an object's subresource is `create`. */
  readonly verbs: readonly Verb[];
  readonly kind: ShownKind;
  /** @throws KubeError with the reason. */
  handle(request: SubresourceRequest): Promise<Response>;
}

/** A request for a review whose user may ask for it. */
export interface ReviewRequest {
  /** Its body is unread; `readBody` reads it with the API's limits. */
  readonly request: Request;
  readonly url: URL;
  /** Empty for reviews of no namespace. */
  readonly namespace: string;
  readonly user: User;
  readonly context: ApiContext;
}

/** Answers a resource that is asked by `create` and never stored. */
export interface ReviewHandler {
  readonly group: string;
  readonly version: string;
  /** Plural, as in paths. */
  readonly resource: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** @throws KubeError with the reason. */
  handle(request: ReviewRequest): Promise<Response>;
}

/** The handler of a request's subresource, if somebody brought one. */
export function findSubresource(
  handlers: readonly SubresourceHandler[],
  request: ResourceRequest,
): SubresourceHandler | undefined {
  if (request.subresource === "") return undefined;
  return handlers.find(
    ({ group, resource, subresource }) =>
      group === request.group && resource === request.resource && subresource === request.subresource,
  );
}

/** Has a subresource answered. @throws KubeError 404 without its object, 405 for a verb it does not have. */
export async function answerSubresource(
  handler: SubresourceHandler,
  asked: Omit<SubresourceRequest, "object" | "verb"> & { readonly parsed: ResourceRequest },
): Promise<Response> {
  const { parsed, target, context, ...rest } = asked;
  if (!handler.verbs.includes(parsed.verb)) throw methodNotAllowed(target.kind);
  const { group, resource } = target.kind;
  const row = context.store.read({ group, resource, namespace: target.namespace, name: parsed.name });
  if (row === undefined) throw notFound(target.kind, parsed.name);
  return handler.handle({ ...rest, target, context, object: parseRow(row), verb: parsed.verb });
}

/** The handler of a request for a review, if it is one. @throws KubeError 405 for anything but `create`. */
export function findReview(
  handlers: readonly ReviewHandler[],
  request: ResourceRequest,
): ReviewHandler | undefined {
  const handler = handlers.find(
    ({ group, version, resource }) =>
      group === request.group && version === request.version && resource === request.resource,
  );
  if (handler === undefined) return undefined;
  const isWhole = request.name === "" && request.subresource === "";
  const isPlaced = handler.namespaced === (request.namespace !== "");
  if (request.verb !== "create" || !isWhole || !isPlaced) throw methodNotAllowed(handler);
  return handler;
}
