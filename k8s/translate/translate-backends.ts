/** What a route's backendRefs and a function's traffic come to: weighted revisions, services, or references to nothing. */
import { create } from "@bufbuild/protobuf";
import { ipBytes } from "#core/address/ip.ts";
import {
  type Backend,
  BackendSchema,
  RevisionBackendSchema,
  type ServiceBackend,
  ServiceBackendSchema,
} from "#core/proto/lambient/discovery_pb.js";
import type { RevisionObject } from "#host/kube/known-resources.ts";
import { isReady } from "./function-traffic.ts";
import { hostnameOf, identityFor, type MeshIndex, serviceAddress, waypointOfService } from "./mesh-index.ts";
import type { ServiceObject } from "../model/core-objects.ts";
import type { BackendRef as ModelBackendRef } from "../model/http-route.ts";
import { functionLabel } from "./mesh-objects.ts";

/** A reference; its filters are not carried out. */
export type BackendRef = ModelBackendRef & { readonly filters?: readonly unknown[] };

/** Why a reference resolves to nothing, in the words of the route's status. */
export interface RefProblem {
  readonly reason: "BackendNotFound" | "InvalidKind" | "RefNotPermitted" | "UnsupportedValue";
  readonly message: string;
}

/** Backends, and what is wrong with some of them. */
export interface TranslatedBackends {
  readonly backends: readonly Backend[];
  readonly problems: readonly RefProblem[];
}

/** Whole parts that one unit of a reference's weight is split into, so that percents stay whole numbers. */
const partsPerWeight = 100;

/** Translates the references of a rule of a route in `namespace`. */
export function translateBackendRefs(
  index: MeshIndex,
  namespace: string,
  refs: readonly BackendRef[],
): TranslatedBackends {
  const backends: Backend[] = [];
  const problems: RefProblem[] = [];
  for (const ref of refs) {
    const weight = ref.weight;
    const resolved = resolveRef(index, namespace, ref);
    if ("reason" in resolved) {
      problems.push(resolved);
      backends.push(invalidBackend(resolved.message, weight * partsPerWeight));
    } else backends.push(...resolved.map((each) => ({ ...each, weight: each.weight * weight })));
  }
  return { backends, problems };
}

/** The backends of a function by its traffic; weights add up to 100. */
export function functionBackends(index: MeshIndex, key: string): readonly Backend[] {
  const [namespace, name] = key.split("/");
  const shares = index.traffic.get(key)?.shares ?? [];
  const backends = shares.flatMap(({ revision, percent }) => {
    const object = index.revisions.get(`${namespace}/${name}-${revision}`);
    return object === undefined ? [] : [revisionBackend(index, object, percent)];
  });
  if (backends.length > 0) return backends;
  return [invalidBackend(`function ${key} has no revision that is ready`, partsPerWeight)];
}

/** A service as something to send to through its own waypoint. */
export function serviceBackend(
  index: MeshIndex,
  service: ServiceObject,
  port: number,
): ServiceBackend | undefined {
  const address = serviceAddress(service);
  if (address === undefined) return undefined;
  const waypoint = waypointOfService(index, service);
  return create(ServiceBackendSchema, {
    namespace: service.metadata.namespace,
    hostname: hostnameOf(service, index.settings),
    address: ipBytes(address),
    port,
    waypointAddress: waypoint === undefined ? new Uint8Array() : ipBytes(waypoint.address),
    waypointIdentity: waypoint?.identity ?? "",
  });
}

/** A Service's own endpoints. @param port of the Service, 0 for the one that is asked for */
export function endpointsBackend(index: MeshIndex, service: ServiceObject, port: number): Backend {
  const address = serviceAddress(service);
  const value = create(ServiceBackendSchema, {
    namespace: service.metadata.namespace,
    hostname: hostnameOf(service, index.settings),
    address: address === undefined ? new Uint8Array() : ipBytes(address),
    port,
    direct: true,
  });
  return create(BackendSchema, { weight: partsPerWeight, target: { case: "service", value } });
}

/** A share of requests that is answered 500. */
export function invalidBackend(why: string, weight: number): Backend {
  return create(BackendSchema, { weight, target: { case: "invalid", value: why } });
}

/** @returns backends whose weights add up to 100, or why there are none */
function resolveRef(index: MeshIndex, namespace: string, ref: BackendRef): readonly Backend[] | RefProblem {
  const kind = `${ref.group}/${ref.kind}`;
  const key = `${ref.namespace ?? namespace}/${ref.name}`;
  if ((ref.namespace ?? namespace) !== namespace) {
    const message = `${ref.kind} ${key} is in another namespace`;
    return { reason: "RefNotPermitted", message };
  }
  if ((ref.filters ?? []).length > 0)
    return { reason: "UnsupportedValue", message: `filters of backend ${key} are not supported` };
  switch (kind) {
    case "lambient.dev/Function":
      return index.functions.has(key) ? functionBackends(index, key) : notFound("Function", key);
    case "lambient.dev/Revision":
      return resolveRevision(index, key);
    case "/Service":
      return resolveService(index, key, ref.port);
    default:
      return {
        reason: "InvalidKind",
        message: `${kind} is no kind of backend: use Service, Function or Revision`,
      };
  }
}

function resolveRevision(index: MeshIndex, key: string): readonly Backend[] | RefProblem {
  const revision = index.revisions.get(key);
  if (revision === undefined) return notFound("Revision", key);
  if (!isReady(revision)) return { reason: "BackendNotFound", message: `Revision ${key} is not ready` };
  return [revisionBackend(index, revision, partsPerWeight)];
}

/** A Service means its endpoints and not its routes, as in Gateway API: a function's own Service means the function. */
function resolveService(
  index: MeshIndex,
  key: string,
  port: number | undefined,
): readonly Backend[] | RefProblem {
  const service = index.services.get(key);
  if (service === undefined) return notFound("Service", key);
  const { namespace, labels } = service.metadata;
  const functionKey = `${namespace}/${labels?.[functionLabel]}`;
  if (index.functions.has(functionKey)) return functionBackends(index, functionKey);
  return [endpointsBackend(index, service, port ?? service.spec.ports?.[0]?.port ?? 80)];
}

function revisionBackend(index: MeshIndex, revision: RevisionObject, weight: number): Backend {
  const { metadata, spec } = revision;
  const value = create(RevisionBackendSchema, {
    uid: `${metadata.namespace}/${metadata.name}`,
    function: spec.function,
    identity: identityFor(index.settings, metadata.namespace, spec.serviceAccountName),
    concurrency: spec.scale.concurrency,
    maxInstances: spec.scale.max,
    idleMs: BigInt(spec.scale.idleMs),
    activationTimeoutMs: BigInt(spec.scale.activationTimeoutMs),
  });
  return create(BackendSchema, { weight, target: { case: "revision", value } });
}

function notFound(kind: string, key: string): RefProblem {
  return { reason: "BackendNotFound", message: `${kind} ${key} does not exist` };
}
