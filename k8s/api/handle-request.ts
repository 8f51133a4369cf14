/** Answering an HTTP request: who may do it, what it is about, which verb. Every refusal leaves as a Status. */
import { KubeError } from "#host/kube/kube-error.ts";
import type { Status } from "#host/kube/object.ts";
import { errorText } from "#host/mesh-error.ts";
import type { User } from "./api.ts";
import type { ApiContext } from "./api-context.ts";
import { attemptOf, checkMay } from "./authorization/check-may.ts";
import { impersonate } from "./authorization/impersonate.ts";
import { answerDiscovery, answerHealth, takesJson } from "./discovery/answer-paths.ts";
import { answerObjectRequest } from "./object-routes.ts";
import {
  badRequest,
  internal,
  methodNotAllowed,
  noSuchPath,
  notAcceptable,
  unauthorized,
} from "./refusal.ts";
import { type OtherRequest, parseRequest } from "./request-path.ts";
import { resolveTarget } from "./resolve-target.ts";
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
  const attempt = attemptOf(request.method, url, parsed);
  const actor = impersonate(context.authorizer, user, request, attempt);
  checkMay(context.authorizer, actor, attempt);
  if (parsed === undefined) throw unknownRequest(url);
  if (parsed.kind === "other") return answerOther(context, parsed, request);
  if (!takesJson(request.headers.get("accept") ?? "")) throw notAcceptable();
  const review = findReview(context.reviews, parsed);
  if (review !== undefined) {
    return review.handle({ request, url, namespace: parsed.namespace, user: actor, context });
  }
  const target = resolveTarget(context.registry, parsed);
  const subresource = findSubresource(context.subresources, parsed);
  if (subresource !== undefined) {
    return answerSubresource(subresource, { request, url, parsed, target, user: actor, context });
  }
  return answerObjectRequest(context, { request, url, parsed, target, user: actor });
}

function answerOther(context: ApiContext, parsed: OtherRequest, request: Request): Response {
  const { subresources, reviews, registry, openApi } = context;
  const served = { kinds: registry.all(), subresources, reviews };
  const answered = parsed.path.startsWith("/openapi/")
    ? openApi.answer(served, parsed.path, request)
    : answerDiscovery(served, parsed.path, request);
  if (answered === undefined) throw noSuchPath();
  return answered;
}

function unknownRequest(url: URL): KubeError {
  const [, root, group, , ...rest] = url.pathname.split("/");
  const isResource = root === "api" || root === "apis";
  return isResource
    ? methodNotAllowed({ group: root === "apis" ? (group ?? "") : "", resource: rest.join("/") })
    : noSuchPath();
}
