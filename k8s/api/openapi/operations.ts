/** Every operation of an API, in a form from which both versions of OpenAPI are written. */
import { apiVersionOf } from "#host/kube/object.ts";
import {
  type Served,
  servedGroups,
  type ServedResource,
  servedResources,
} from "../discovery/served-resources.ts";
import type { ShownKind } from "../subresource.ts";

/** A method of a path. */
export interface Operation {
  readonly path: string;
  readonly method: "get" | "put" | "post" | "patch" | "delete";
  /** `x-kubernetes-action`. */
  readonly action: string;
  readonly id: string;
  readonly kind: ShownKind;
  readonly query: readonly QueryParameter[];
  /** Media types of the body when it is a patch. */
  readonly patches?: readonly string[];
  /** Kind of the body; absent: none, or a patch. */
  readonly body?: ShownKind;
  /** Kind of the answer; absent: text. */
  readonly answer?: ShownKind;
}

/** A parameter in a query. */
export interface QueryParameter {
  readonly name: string;
  readonly type: "string" | "boolean" | "integer";
}

/** A group and a version, and the path below which they are served. */
export interface GroupVersion {
  readonly group: string;
  readonly version: string;
  /** `api/v1`, `apis/apps/v1`. */
  readonly path: string;
}

/** Media types of patches, in OpenAPI's order; kubectl sends a strategic one wherever it is named. */
const patchTypes: readonly string[] = [
  "application/apply-patch+yaml",
  "application/json-patch+json",
  "application/merge-patch+json",
];
const strategicType = "application/strategic-merge-patch+json";

const statusKind: ShownKind = { group: "", version: "v1", kind: "Status" };
const optionsKind: ShownKind = { group: "", version: "v1", kind: "DeleteOptions" };

const text = (name: string): QueryParameter => ({ name, type: "string" });
const flag = (name: string): QueryParameter => ({ name, type: "boolean" });
const number = (name: string): QueryParameter => ({ name, type: "integer" });

const writing = [text("dryRun"), text("fieldManager"), text("fieldValidation")];
const selecting = [
  flag("allowWatchBookmarks"),
  text("continue"),
  text("fieldSelector"),
  text("labelSelector"),
  number("limit"),
  text("resourceVersion"),
  text("resourceVersionMatch"),
  flag("sendInitialEvents"),
  number("timeoutSeconds"),
  flag("watch"),
];
const deleting = [text("dryRun"), number("gracePeriodSeconds"), text("propagationPolicy")];

/** Every group and version that is served. */
export function groupVersions(served: Served): readonly GroupVersion[] {
  return servedGroups(served).flatMap(({ name, versions }) =>
    versions.map((version) => ({
      group: name,
      version,
      path: name === "" ? `api/${version}` : `apis/${name}/${version}`,
    })),
  );
}

/** The operations of a group and version. */
export function operationsOf(served: Served, at: GroupVersion): readonly Operation[] {
  return servedResources(served, at.group, at.version).flatMap((resource) => operationsOn(resource, at));
}

type Make = (given: Omit<Operation, "id" | "kind"> & { readonly verb: string }) => Operation;

function operationsOn(resource: ServedResource, at: GroupVersion): readonly Operation[] {
  const kind: ShownKind = { group: at.group, version: at.version, kind: resource.kind };
  const root = `/${at.path}`;
  const base = resource.namespaced
    ? `${root}/namespaces/{namespace}/${resource.resource}`
    : `${root}/${resource.resource}`;
  const scope = resource.namespaced ? "Namespaced" : "";
  const make = makerOf(resource, kind, at, `${scope}${resource.kind}`);
  if (!resource.verbs.includes("get")) {
    return [
      make({
        path: base,
        method: "post",
        action: "post",
        verb: "create",
        query: writing,
        body: kind,
        answer: kind,
      }),
    ];
  }
  const list: ShownKind = { ...kind, kind: `${resource.kind}List` };
  return [
    make({ path: base, method: "get", action: "list", verb: "list", query: selecting, answer: list }),
    make({
      path: base,
      method: "post",
      action: "post",
      verb: "create",
      query: writing,
      body: kind,
      answer: kind,
    }),
    ...collectionDeletion(resource, base, make),
    ...objectOperations(`${base}/{name}`, kind, make),
    ...resource.subresources.flatMap((part) =>
      partOperations(
        `${base}/{name}/${part.name}`,
        part,
        makerOf(resource, part.kind, at, `${scope}${resource.kind}${capital(part.name)}`),
      ),
    ),
    ...everywhere(resource, at, { kind, list }),
  ];
}

function collectionDeletion(resource: ServedResource, path: string, make: Make): readonly Operation[] {
  if (!resource.verbs.includes("deletecollection")) return [];
  return [
    make({
      path,
      method: "delete",
      action: "deletecollection",
      verb: "deleteCollection",
      query: [...deleting, ...selecting],
      body: optionsKind,
      answer: statusKind,
    }),
  ];
}

/** The list over all namespaces. */
function everywhere(
  resource: ServedResource,
  at: GroupVersion,
  kinds: { readonly kind: ShownKind; readonly list: ShownKind },
): readonly Operation[] {
  if (!resource.namespaced) return [];
  const path = `/${at.path}/${resource.resource}`;
  const make = makerOf(resource, kinds.kind, at, `${resource.kind}ForAllNamespaces`);
  return [make({ path, method: "get", action: "list", verb: "list", query: selecting, answer: kinds.list })];
}

function objectOperations(path: string, kind: ShownKind, make: Make): readonly Operation[] {
  return [
    ...partMethods(path, kind, make),
    make({
      path,
      method: "delete",
      action: "delete",
      verb: "delete",
      query: deleting,
      body: optionsKind,
      answer: statusKind,
    }),
  ];
}

function partMethods(path: string, kind: ShownKind, make: Make): readonly Operation[] {
  return [
    make({ path, method: "get", action: "get", verb: "read", query: [], answer: kind }),
    make({ path, method: "put", action: "put", verb: "replace", query: writing, body: kind, answer: kind }),
    make({
      path,
      method: "patch",
      action: "patch",
      verb: "patch",
      query: [...writing, flag("force")],
      answer: kind,
    }),
  ];
}

function partOperations(
  path: string,
  part: ServedResource["subresources"][number],
  make: Make,
): readonly Operation[] {
  if (part.verbs.includes("patch")) return partMethods(path, part.kind, make);
  return part.verbs.flatMap((verb): readonly Operation[] => {
    if (verb === "get")
      return [make({ path, method: "get", action: "connect", verb: "connectGet", query: [] })];
    if (verb !== "create") return [];
    return [
      make({
        path,
        method: "post",
        action: "post",
        verb: "create",
        query: writing,
        body: part.kind,
        answer: part.kind,
      }),
    ];
  });
}

/** @param subject What the operation's id names after its group and version: `NamespacedPod`. */
function makerOf(resource: ServedResource, kind: ShownKind, at: GroupVersion, subject: string): Make {
  const group = at.group === "" ? "core" : (at.group.split(".")[0] ?? "");
  const place = `${capital(group)}${capital(at.version)}`;
  const patches = resource.isCustom ? patchTypes : [...patchTypes, strategicType];
  return ({ verb, ...given }) => ({
    ...given,
    kind,
    id: `${verb}${place}${subject}`,
    ...(given.method === "patch" ? { patches } : {}),
  });
}

function capital(word: string): string {
  return (word[0] ?? "").toUpperCase() + word.slice(1);
}

/** `apps/v1`, for names and tags. */
export function groupVersionText(at: GroupVersion): string {
  return apiVersionOf(at);
}
