/** Turns discovery's messages into changes of the mesh's state; what cannot be read is refused one by one. */
import type { Authorization } from "#core/proto/istio/authorization_pb.js";
import { AuthorizationSchema } from "#core/proto/istio/authorization_pb.js";
import { type Address, AddressSchema } from "#core/proto/istio/workload_pb.js";
import { RevisionTemplateSchema } from "#core/proto/lambient/discovery_pb.js";
import { readService, type Service } from "#core/mesh/service.ts";
import { readTemplate } from "#core/mesh/template.ts";
import { readWorkload, type Workload } from "#core/mesh/workload.ts";
import { readPolicy } from "#core/policy/policy.ts";
import { err, ok, type Result } from "#core/result.ts";
import { type WatchedType, watchType } from "#host/discovery/watched-type.ts";
import type { MeshState } from "./mesh-state.ts";

/** Follows the three types that ztunnel needs. */
export function meshWatches(mesh: MeshState, onTemplates: () => void): readonly WatchedType[] {
  return [policyWatch(mesh), templateWatch(mesh, onTemplates), addressWatch(mesh)];
}

function addressWatch(mesh: MeshState): WatchedType {
  // What a resource is removed by is its name; what the snapshot knows it by is its uid or key.
  const keys = new Map<string, string>();
  return watchType(AddressSchema, {
    check: (_name, message) => failureOf(readAddress(message)),
    onUpdate(changed, removed) {
      const removedAddresses = removed.map((name) => keys.get(name) ?? name);
      for (const name of removed) keys.delete(name);
      const workloads: Workload[] = [];
      const services: Service[] = [];
      for (const { name, message } of changed) {
        const read = readAddress(message);
        if (!read.ok) continue;
        keys.set(name, read.value.key);
        if (read.value.kind === "workload") workloads.push(read.value.workload);
        else services.push(read.value.service);
      }
      mesh.change({ workloads, services, removedAddresses });
    },
  });
}

type ReadAddress =
  | { readonly kind: "workload"; readonly key: string; readonly workload: Workload }
  | { readonly kind: "service"; readonly key: string; readonly service: Service };

function readAddress({ type }: Address): Result<ReadAddress> {
  if (type.case === "workload") {
    const read = readWorkload(type.value);
    return read.ok ? ok({ kind: "workload", key: read.value.uid, workload: read.value }) : read;
  }
  if (type.case === "service") {
    const read = readService(type.value);
    return read.ok ? ok({ kind: "service", key: read.value.key, service: read.value }) : read;
  }
  return err("Cannot read an address: it is neither a workload nor a service");
}

function policyWatch(mesh: MeshState): WatchedType {
  const keys = new Map<string, string>();
  return watchType(AuthorizationSchema, {
    check: (_name, message) => failureOf(readPolicy(message)),
    onUpdate(changed, removed) {
      const removedPolicies = removed.map((name) => keys.get(name) ?? name);
      for (const name of removed) keys.delete(name);
      const policies = changed.flatMap(({ name, message }) => {
        const read = readPolicy(message);
        if (read.ok) keys.set(name, read.value.key);
        return read.ok ? [read.value] : [];
      });
      mesh.change({ policies, removedPolicies });
    },
  });
}

function templateWatch(mesh: MeshState, onTemplates: () => void): WatchedType {
  const keys = new Map<string, string>();
  return watchType(RevisionTemplateSchema, {
    check: (_name, message) => failureOf(readTemplate(message)),
    onUpdate(changed, removed) {
      const removedTemplates = removed.map((name) => keys.get(name) ?? name);
      for (const name of removed) keys.delete(name);
      const templates = changed.flatMap(({ name, message }) => {
        const read = readTemplate(message);
        if (read.ok) keys.set(name, read.value.key);
        return read.ok ? [read.value] : [];
      });
      mesh.change({ templates, removedTemplates });
      onTemplates();
    },
  });
}

/** What a file holds, as one change against what an earlier version of it held. */
export interface WholeMesh {
  readonly addresses: readonly Address[];
  readonly policies: readonly Authorization[];
}

/** Makes the state hold exactly this; what cannot be read is told and left out. */
export function replaceMesh(mesh: MeshState, whole: WholeMesh): readonly string[] {
  const mistakes: string[] = [];
  const workloads: Workload[] = [];
  const services: Service[] = [];
  for (const message of whole.addresses) {
    const read = readAddress(message);
    if (!read.ok) mistakes.push(read.error);
    else if (read.value.kind === "workload") workloads.push(read.value.workload);
    else services.push(read.value.service);
  }
  const policies = whole.policies.flatMap((message) => {
    const read = readPolicy(message);
    if (!read.ok) mistakes.push(read.error);
    return read.ok ? [read.value] : [];
  });
  const kept = new Set([...workloads.map(({ uid }) => uid), ...services.map(({ key }) => key)]);
  const held = [...mesh.snapshot.workloads.entries(), ...mesh.snapshot.services.entries()];
  const keptPolicies = new Set(policies.map(({ key }) => key));
  const heldPolicies = [...mesh.snapshot.policies.byKey.entries()];
  mesh.change({
    workloads,
    services,
    removedAddresses: held.flatMap(([key]) => (kept.has(key) ? [] : [key])),
    policies,
    removedPolicies: heldPolicies.flatMap(([key]) => (keptPolicies.has(key) ? [] : [key])),
  });
  return mistakes;
}

function failureOf(read: Result<unknown>): string | undefined {
  return read.ok ? undefined : read.error;
}
