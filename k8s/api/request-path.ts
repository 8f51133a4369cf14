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
  const verb = verbOf(method, at, isWatch);
  return verb === undefined ? undefined : { kind: "resource", verb, ...at };
}

/** Whether a query's flag is set. */
export function isTrue(value: string | null): boolean {
  return value === "true" || value === "1";
}

type Place = Omit<ResourceRequest, "kind" | "verb">;

function resourceAt(parts: readonly string[]): Place | undefined {
  const [root, ...rest] = parts;
  if (root === "api") return placeIn("", rest);
  const [group, ...afterGroup] = rest;
  return root === "apis" && group !== undefined ? placeIn(group, afterGroup) : undefined;
}

function placeIn(group: string, parts: readonly string[]): Place | undefined {
  const [version, ...rest] = parts;
  if (version === undefined || rest.length === 0) return undefined;
  const isInNamespace = isNamespacePath(group, rest);
  const [resource = "", name = "", subresource = "", ...tail] = isInNamespace ? rest.slice(2) : rest;
  if (tail.length > 0) return undefined;
  const namespace = isInNamespace ? (rest[1] ?? "") : "";
  return { group, version, namespace, resource, name, subresource };
}

/** Whether the parts lead into a namespace, and not to the Namespace itself. */
function isNamespacePath(group: string, [first, , third]: readonly string[]): boolean {
  if (first !== "namespaces" || third === undefined) return false;
  return group !== "" || !namespaceParts.has(third);
}

function verbOf(method: string, at: Place, isWatch: boolean): Verb | undefined {
  if (isWatch && (method === "GET" || method === "HEAD")) return "watch";
  if (method === "POST" && at.subresource !== "") return "create";
  return (at.name === "" ? collectionVerbs : objectVerbs).get(method);
}

const objectVerbs: ReadonlyMap<string, Verb> = new Map([
  ["GET", "get"],
  ["HEAD", "get"],
  ["PUT", "update"],
  ["PATCH", "patch"],
  ["DELETE", "delete"],
]);

const collectionVerbs: ReadonlyMap<string, Verb> = new Map([
  ["GET", "list"],
  ["HEAD", "list"],
  ["POST", "create"],
  ["DELETE", "deletecollection"],
]);
