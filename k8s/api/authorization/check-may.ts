/** What a request attempts, and its refusal when its user may not. */
import type { User } from "../api.ts";
import { selectedName } from "../field-selector.ts";
import { selectors } from "../query-options.ts";
import { forbidden, forbiddenPath } from "../refusal.ts";
import type { OtherRequest, ResourceRequest } from "../request-path.ts";
import { type Attempt, deniedText } from "./attempt.ts";
import type { Authorizer } from "./authorizer.ts";

/** What a request attempts. One that no resource takes attempts its method on its path. */
export function attemptOf(
  method: string,
  url: URL,
  request: ResourceRequest | OtherRequest | undefined,
): Attempt {
  if (request?.kind !== "resource") {
    const verb = method === "HEAD" ? "get" : method.toLowerCase();
    return { kind: "path", verb, path: request?.path ?? url.pathname };
  }
  const { verb, group, resource, subresource } = request;
  const name = request.name || selectedBy(url, verb);
  // A Namespace itself is in the namespace of its name.
  const isNamespace = group === "" && resource === "namespaces" && request.namespace === "";
  const namespace = isNamespace ? request.name : request.namespace;
  return { kind: "resource", verb, group, resource, subresource, namespace, name };
}

/** A list of one name is about that one object. */
function selectedBy(url: URL, verb: ResourceRequest["verb"]): string {
  if (verb !== "list" && verb !== "watch") return "";
  const { fields } = selectors({ fieldSelector: url.searchParams.get("fieldSelector") ?? "" });
  return selectedName(fields) ?? "";
}

/** @throws KubeError 403. */
export function checkMay(authorizer: Authorizer, user: User, attempt: Attempt): void {
  if (authorizer.may(user, attempt)) return;
  if (attempt.kind === "resource") throw forbidden(attempt, attempt.name, deniedText(user.name, attempt));
  throw forbiddenPath(
    `User ${JSON.stringify(user.name)} cannot ${attempt.verb} path ${JSON.stringify(attempt.path)}`,
  );
}
