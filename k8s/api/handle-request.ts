/** Answering an HTTP request: who may do it, what it is about, which verb. Every refusal leaves as a Status. */
import { KubeError } from "#host/kube/kube-error.ts";
import type { Status } from "#host/kube/object.ts";
import { errorText } from "#host/mesh-error.ts";
import type { User } from "./api.ts";
import type { ApiContext } from "./api-context.ts";
import { authorize, mayDiscover } from "./authorize.ts";
import { answerDiscovery, answerHealth, takesJson } from "./discovery/answer-paths.ts";
import { selectedName } from "./field-selector.ts";
import { answerObjectRequest } from "./object-routes.ts";
import { selectors } from "./query-options.ts";
import {
  badRequest,
  forbidden,
  internal,
  methodNotAllowed,
  noSuchPath,
  notAcceptable,
  unauthorized,
} from "./refusal.ts";
import { type OtherRequest, parseRequest, type ResourceRequest } from "./request-path.ts";
import { resolveTarget } from "./resolve-target.ts";
import { isSecretNamed } from "./secret-names.ts";
import { answerSubresource, findReview, findSubresource } from "./subresource.ts";

/** Answers a request; never rejects. */
export async function handleRequest(
  context: ApiContext,
  request: Request,
  user: User | undefined,
): Promise<Response> {
  try {
    return await answer(context, request, user);
  } catch (error) {
    if (error instanceof KubeError) return statusResponse(error.status);
    // A stack overflow is a request's doing and not ours; all else is a fault to be looked at.
    if (error instanceof RangeError) return statusResponse(badRequest("the request is too deep").status);
    context.log.error("api request failed", { method: request.method, error: errorText(error) });
    return statusResponse(internal("the request failed; the log says why").status);
  }
}

/** A Status as a response. */
export function statusResponse(status: Status): Response {
  const retryAfter = status.details?.retryAfterSeconds;
  return new Response(JSON.stringify(status), {
    status: status.code ?? 500,
    headers: {
      "content-type": "application/json",
      ...(retryAfter === undefined ? {} : { "retry-after": String(retryAfter) }),
    },
  });
}

async function answer(context: ApiContext, request: Request, user: User | undefined): Promise<Response> {
  const url = new URL(request.url);
  const parsed = parseRequest(request.method, url);
  const health = parsed?.kind === "other" ? answerHealth(parsed.path, url) : undefined;
  if (health !== undefined) return health;
  if (user === undefined) throw unauthorized();
  if (parsed === undefined) throw mayDiscover(user) ? unknownRequest(url) : forbiddenPath(user, url);
  if (parsed.kind === "other") return answerOther(context, { parsed, user, request });
  if (!takesJson(request.headers.get("accept") ?? "")) throw notAcceptable();
  checkMay(context, { request: parsed, user, url });
  const review = findReview(context.reviews, parsed);
  if (review !== undefined) {
    return review.handle({ request, url, namespace: parsed.namespace, user, context });
  }
  const target = resolveTarget(context.registry, parsed);
  const subresource = findSubresource(context.subresources, parsed);
  if (subresource !== undefined) {
    return answerSubresource(subresource, { request, url, parsed, target, user, context });
  }
  return answerObjectRequest(context, { request, url, parsed, target });
}

function answerOther(
  context: ApiContext,
  asked: { readonly parsed: OtherRequest; readonly user: User; readonly request: Request },
): Response {
  const { parsed, user, request } = asked;
  if (!mayDiscover(user)) throw forbiddenPath(user, { pathname: parsed.path });
  const { subresources, reviews, registry, openApi } = context;
  const served = { kinds: registry.all(), subresources, reviews };
  const answered = parsed.path.startsWith("/openapi/")
    ? openApi.answer(served, parsed.path, request)
    : answerDiscovery(served, parsed.path, request);
  if (answered === undefined) throw noSuchPath();
  return answered;
}

function checkMay(
  context: ApiContext,
  attempt: { readonly request: ResourceRequest; readonly user: User; readonly url: URL },
): void {
  const { request, user, url } = attempt;
  const { verb, group, resource, namespace, subresource } = request;
  // A list of one name is about that one object.
  const { fields } = selectors({ fieldSelector: url.searchParams.get("fieldSelector") ?? "" });
  const isCollection = verb === "list" || verb === "watch";
  const name = request.name || (isCollection ? (selectedName(fields) ?? "") : "");
  const facts = {
    isSecretNamed: (where: string, secret: string) => isSecretNamed(context.store, where, secret),
  };
  if (authorize(user, { verb, group, resource, namespace, subresource, name }, facts)) return;
  const what = subresource === "" ? resource : `${resource}/${subresource}`;
  const where = namespace === "" ? "at the cluster scope" : `in the namespace "${namespace}"`;
  const why = `User ${JSON.stringify(user.name)} cannot ${verb} resource "${what}" in API group "${group}" ${where}`;
  throw forbidden({ group, resource }, name, why);
}

function unknownRequest(url: URL): KubeError {
  const [, root, group, , ...rest] = url.pathname.split("/");
  const isResource = root === "api" || root === "apis";
  return isResource
    ? methodNotAllowed({ group: root === "apis" ? (group ?? "") : "", resource: rest.join("/") })
    : noSuchPath();
}

function forbiddenPath(user: User, url: { readonly pathname: string }): KubeError {
  const why = `User ${JSON.stringify(user.name)} cannot use path ${JSON.stringify(url.pathname)}`;
  return forbidden({ group: "", resource: "path" }, "", why);
}
