/** Functions → what each needs to exist (account, Service, waypoint, revision), what may go, and its status. */
import { instancePort } from "#core/release/function-spec.ts";
import {
  type FunctionObject,
  functionResource,
  gatewayResource,
  revisionResource,
} from "#host/kube/known-resources.ts";
import type { OwnerReference } from "#host/kube/object.ts";
import { serviceAccountResource, serviceResource } from "../model/core-objects.ts";
import { shortName } from "../translate/function-traffic.ts";
import type { MeshIndex } from "../translate/mesh-index.ts";
import { functionLabel, tunnelPort, useWaypointLabel, waypointClass } from "../translate/mesh-objects.ts";
import { currentRevision, revisionContent } from "../translate/revision-name.ts";
import type { Action } from "./action.ts";
import { decideFunctionStatus } from "./function-status.ts";

/** On Gateways that were made here: they go when nothing stands behind them. */
export const managedLabel = "lambient.dev/managed";
/** Revisions kept beyond those that serve, so that a release can be taken back. */
const revisionsKept = 10;

/** Decides for every Function. @param now RFC 3339 */
export function reconcileFunctions(index: MeshIndex, now: string): readonly Action[] {
  return [...index.functions]
    .filter(([, { metadata }]) => metadata.deletionTimestamp === undefined)
    .flatMap(([key, object]) => [
      ...ensureAccount(index, object),
      ...ensureService(index, object),
      ...ensureWaypoint(index, object),
      ...ensureRevision(index, object),
      ...dropOldRevisions(index, key, object),
      ...decideFunctionStatus(index, key, now),
    ]);
}

function ownerOf({ metadata }: FunctionObject): OwnerReference {
  return {
    apiVersion: `${functionResource.group}/${functionResource.version}`,
    kind: functionResource.kind,
    name: metadata.name,
    uid: metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** An account that is there is anybody's and is shared; one that is made here belongs to the function. */
function ensureAccount(index: MeshIndex, object: FunctionObject): Action[] {
  const { namespace, name: own } = object.metadata;
  const name = object.spec.serviceAccountName ?? own;
  const exists = index.objects.serviceAccounts.some(
    ({ metadata }) => metadata.namespace === namespace && metadata.name === name,
  );
  if (exists) return [];
  const metadata = { namespace, name, ownerReferences: [ownerOf(object)] };
  return [{ kind: "create", type: serviceAccountResource, draft: { metadata } }];
}

function ensureService(index: MeshIndex, object: FunctionObject): Action[] {
  const { namespace, name } = object.metadata;
  const { group } = object.spec;
  const labels = { [functionLabel]: name, [useWaypointLabel]: group };
  const existing = index.services.get(`${namespace}/${name}`);
  if (existing !== undefined) {
    const isOurs = existing.metadata.labels?.[functionLabel] === name;
    // One that its user labelled otherwise is left alone; one that a changed group left behind follows.
    const follows = isOurs && existing.metadata.labels?.[useWaypointLabel] !== group;
    const wasGroup = existing.metadata.labels?.[useWaypointLabel] !== "none";
    if (!follows || !wasGroup) return [];
    return [
      { kind: "patch", type: serviceResource, key: { namespace, name }, value: { metadata: { labels } } },
    ];
  }
  const draft = {
    metadata: { namespace, name, labels, ownerReferences: [ownerOf(object)] },
    spec: {
      type: "ClusterIP",
      selector: { [functionLabel]: name },
      ports: [{ name: "http", port: 80, targetPort: instancePort, appProtocol: "http" }],
    },
  };
  return [{ kind: "create", type: serviceResource, draft }];
}

function ensureWaypoint(index: MeshIndex, object: FunctionObject): Action[] {
  const { namespace } = object.metadata;
  const name = object.spec.group;
  const exists = index.objects.gateways.some(
    ({ metadata }) => metadata.namespace === namespace && metadata.name === name,
  );
  if (exists) return [];
  const draft = {
    metadata: { namespace, name, labels: { [managedLabel]: "true" } },
    spec: {
      gatewayClassName: waypointClass,
      listeners: [{ name: "mesh", port: tunnelPort, protocol: "HBONE" }],
    },
  };
  return [{ kind: "create", type: gatewayResource, draft }];
}

/** A revision that exists under the name with another content is left alone: the Function's status says so. */
function ensureRevision(index: MeshIndex, object: FunctionObject): Action[] {
  const { namespace, name: functionName } = object.metadata;
  const name = `${functionName}-${currentRevision(object)}`;
  if (index.revisions.has(`${namespace}/${name}`)) return [];
  const spec = revisionContent(object);
  const draft = {
    metadata: {
      namespace,
      name,
      labels: { [functionLabel]: functionName },
      ownerReferences: [ownerOf(object)],
    },
    spec,
  };
  return [{ kind: "release", revision: { namespace, name, spec }, draft }];
}

/** The oldest beyond those kept go; what has traffic or is the current one never does. */
function dropOldRevisions(index: MeshIndex, key: string, object: FunctionObject): Action[] {
  const inUse = new Set([
    currentRevision(object),
    ...(object.spec.traffic ?? []).map(({ revision }) => revision),
    ...(index.traffic.get(key)?.shares ?? []).map(({ revision }) => revision),
  ]);
  const routed = new Set(
    index.objects.routes.flatMap(({ metadata, spec }) =>
      spec.rules.flatMap(({ backendRefs = [] }) =>
        backendRefs.map(({ name }) => `${metadata.namespace}/${name}`),
      ),
    ),
  );
  const idle = (index.revisionsOf.get(key) ?? [])
    .filter((revision) => !inUse.has(shortName(revision)))
    .filter(({ metadata }) => !routed.has(`${metadata.namespace}/${metadata.name}`))
    .sort((a, b) => (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? 1 : -1));
  return idle.slice(revisionsKept).map(({ metadata: { namespace, name, uid } }) => ({
    kind: "delete",
    type: revisionResource,
    key: { namespace, name },
    uid,
  }));
}
