/** What a request is about, read from its method, path and query. Whether such a thing exists is not asked here. */

/** What a client may want to do, in Kubernetes' words. */
export type Verb = "get" | "list" | "watch" | "create" | "update" | "patch" | "delete" | "deletecollection";

/** A request for objects. */
export interface ResourceRequest {
  readonly kind: "resource";
  readonly verb: Verb;
  readonly group: string;
  readonly version: string;
  /** Empty: none, or all of them. */
  readonly namespace: string;
  readonly resource: string;
  /** Empty: the collection. */
  readonly name: string;
  readonly subresource: string;
}

/** A request for something else: discovery, health. */
export interface OtherRequest {
  readonly kind: "other";
  /** Without a trailing slash. */
  readonly path: string;
}

/** Parts of a Namespace that stand where a resource of the namespace would. */
const namespaceParts = new Set(["status", "finalize"]);

/** Reads a request line; undefined for a method that resources do not have or a path that cannot be decoded. */
export function parseRequest(method: string, url: URL): ResourceRequest | OtherRequest | undefined {
  const raw = url.pathname.split("/").filter((part) => part !== "");
  let parts: string[];
  try {
    parts = raw.map((part) => decodeURIComponent(part));
  } catch {
    return undefined;
  }
  const path = `/${parts.join("/")}`;
  const at = resourceAt(parts);
  if (at === undefined) return method === "GET" || method === "HEAD" ? { kind: "other", path } : undefined;
  const isWatch = isTrue(url.searchParams.get("watch"));
  const verb = verbOf(method, at.name !== "", isWatch);
  return verb === undefined ? undefined : { kind: "resource", verb, ...at };
}

/** Whether a query's flag is set. */
export function isTrue(value: string | null): boolean {
  return value === "true" || value === "1";
}

function resourceAt(parts: readonly string[]): Omit<ResourceRequest, "kind" | "verb"> | undefined {
  const isCore = parts[0] === "api";
  if (!isCore && parts[0] !== "apis") return undefined;
  const [group, version, ...rest] = isCore ? ["", ...parts.slice(1)] : parts.slice(1);
  if (group === undefined || version === undefined || rest.length === 0) return undefined;
  const [first = "", second = "", third = "", ...more] = rest;
  const isInNamespace = first === "namespaces" && third !== "" && !(isCore && namespaceParts.has(third));
  const [resource, name, subresource, ...tail] = isInNamespace
    ? [third, ...more]
    : [first, second, third, ...more];
  if (resource === undefined || tail.length > 0) return undefined;
  return {
    group,
    version,
    namespace: isInNamespace ? second : "",
    resource,
    name: name ?? "",
    subresource: subresource ?? "",
  };
}

function verbOf(method: string, hasName: boolean, isWatch: boolean): Verb | undefined {
  switch (method) {
    case "GET":
    case "HEAD":
      if (isWatch) return "watch";
      return hasName ? "get" : "list";
    case "POST":
      return hasName ? undefined : "create";
    case "PUT":
      return hasName ? "update" : undefined;
    case "PATCH":
      return hasName ? "patch" : undefined;
    case "DELETE":
      return hasName ? "delete" : "deletecollection";
    default:
      return undefined;
  }
}
