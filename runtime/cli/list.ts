/** `lambient list`: functions, their revisions, namespaces or running instances, as the API tells them. */
import { systemClock } from "#host/clock.ts";
import { isNotFound } from "#host/kube/kube-error.ts";
import type { Condition, FunctionObject, RevisionObject } from "#host/kube/known-resources.ts";
import type { KubeList, KubeObject } from "#host/kube/object.ts";
import { MeshError } from "#host/mesh-error.ts";
import { type MeshApi, openMeshApi } from "./api/mesh-api.ts";
import { functionKind, namespaceKind, resourcePath, revisionKind } from "./api/resource-path.ts";
import { type Console, paint } from "./console.ts";
import { formatAge, formatTable, type OutputFormat, printResult, type Table } from "./output.ts";

/** What can be listed. */
export const listed = ["functions", "revisions", "namespaces", "instances"] as const;
/** One of {@link listed}. */
export type Listed = (typeof listed)[number];

/** The command's flags. */
export interface ListOptions {
  readonly runDir: string;
  readonly format: OutputFormat;
  /** Absent: all namespaces. */
  readonly namespace: string | undefined;
}

/** A running instance, as the node runtime tells of it. */
export interface InstanceRow {
  readonly instance: string;
  readonly revision: string;
  readonly function: string;
  readonly namespace: string;
  readonly address: string;
  readonly state: string;
  readonly startedAtMs: number;
  readonly rung: string;
}

/** Runs the command. @throws MeshError `not-found` for a namespace that is not there */
export async function list(console: Console, what: Listed, options: ListOptions): Promise<void> {
  const api = openMeshApi(options.runDir);
  if (options.namespace !== undefined) await needNamespace(api, options.namespace);
  switch (what) {
    case "functions":
      return listFunctions(console, api, options);
    case "revisions":
      return listRevisions(console, api, options);
    case "namespaces":
      return listNamespaces(console, api, options);
    case "instances":
      return listInstances(console, api, options);
  }
}

/** Refuses a namespace that is not there. @throws MeshError `not-found` naming those that are */
export async function needNamespace(api: MeshApi, name: string): Promise<void> {
  try {
    await api.json({ path: resourcePath(namespaceKind, undefined, name) });
  } catch (error) {
    if (!isNotFound(error)) throw error;
    const { items } = (await api.json({
      path: resourcePath(namespaceKind, undefined),
    })) as KubeList<KubeObject>;
    const known = items.map((item) => item.metadata.name).join(", ");
    throw new MeshError("not-found", `Cannot find the namespace "${name}": there are ${known}`, error);
  }
}

/** The running instances. */
export async function fetchInstances(api: MeshApi): Promise<readonly InstanceRow[]> {
  const answer = (await api.json({ path: "/lambient/v1/instances" })) as {
    readonly instances: readonly InstanceRow[];
  };
  return answer.instances;
}

async function listFunctions(console: Console, api: MeshApi, options: ListOptions): Promise<void> {
  const path = resourcePath(functionKind, options.namespace);
  const { items } = (await api.json({ path })) as KubeList<FunctionObject>;
  const instances = await fetchInstances(api);
  const now = systemClock.nowMs();
  print(console, options.format, items, () => ({
    head: ["NAMESPACE", "FUNCTION", "READY", "SERVES", "TRAFFIC", "INSTANCES", "AGE"],
    rows: items.map(({ metadata, status }) => [
      metadata.namespace,
      metadata.name,
      readyCell(console, status?.conditions),
      status?.latestReadyRevision ?? "-",
      (status?.traffic ?? []).map(({ revision, percent }) => `${revision}=${percent}%`).join(" ") || "-",
      String(
        instances.filter((one) => one.namespace === metadata.namespace && one.function === metadata.name)
          .length,
      ),
      formatAge(now - Date.parse(metadata.creationTimestamp)),
    ]),
  }));
}

async function listRevisions(console: Console, api: MeshApi, options: ListOptions): Promise<void> {
  const path = resourcePath(revisionKind, options.namespace);
  const { items } = (await api.json({ path })) as KubeList<RevisionObject>;
  const now = systemClock.nowMs();
  print(console, options.format, items, () => ({
    head: ["NAMESPACE", "REVISION", "FUNCTION", "READY", "BUNDLE", "AGE"],
    rows: items.map(({ metadata, spec, status }) => [
      metadata.namespace,
      metadata.name,
      spec.function,
      readyCell(console, status?.conditions),
      spec.bundle.slice(0, 19),
      formatAge(now - Date.parse(metadata.creationTimestamp)),
    ]),
  }));
}

async function listNamespaces(console: Console, api: MeshApi, options: ListOptions): Promise<void> {
  const { items } = (await api.json({ path: resourcePath(namespaceKind, undefined) })) as KubeList<
    KubeObject & { readonly status?: { readonly phase?: string } }
  >;
  const now = systemClock.nowMs();
  print(console, options.format, items, () => ({
    head: ["NAMESPACE", "PHASE", "AGE"],
    rows: items.map(({ metadata, status }) => [
      metadata.name,
      status?.phase ?? "-",
      formatAge(now - Date.parse(metadata.creationTimestamp)),
    ]),
  }));
}

async function listInstances(console: Console, api: MeshApi, options: ListOptions): Promise<void> {
  const all = await fetchInstances(api);
  const items = all.filter((one) => options.namespace === undefined || one.namespace === options.namespace);
  const now = systemClock.nowMs();
  print(console, options.format, items, () => ({
    head: ["NAMESPACE", "FUNCTION", "REVISION", "INSTANCE", "ADDRESS", "STATE", "RUNG", "AGE"],
    rows: items.map((one) => [
      one.namespace,
      one.function,
      one.revision,
      one.instance,
      one.address,
      one.state,
      one.rung,
      formatAge(now - one.startedAtMs),
    ]),
  }));
}

function print(
  ...[console, format, items, table]: [Console, OutputFormat, readonly unknown[], () => Table]
): void {
  printResult(console, format, items, () => (items.length === 0 ? "Nothing there\n" : formatTable(table())));
}

function readyCell(console: Console, conditions: readonly Condition[] | undefined): string {
  const ready = conditions?.find((condition) => condition.type === "Ready");
  if (ready?.status === "True") return paint(console, "good", "True");
  if (ready?.status === "False") return paint(console, "bad", `False (${ready.reason})`);
  return paint(console, "waiting", "Unknown");
}
