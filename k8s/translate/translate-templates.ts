/** Revisions → what a node must know of them before an instance runs. */
import { create } from "@bufbuild/protobuf";
import {
  Egress_Mode,
  EgressSchema,
  type RevisionTemplate,
  RevisionTemplateSchema,
} from "#core/proto/lambient/discovery_pb.js";
import { instancePort } from "#core/release/function-spec.ts";
import type { RevisionObject } from "#host/kube/known-resources.ts";
import { hostnameOf, identityFor, type MeshIndex } from "./mesh-index.ts";
import { functionLabel, revisionLabel, useWaypointLabel } from "./mesh-objects.ts";
import { keysForWorkload } from "./policy-keys.ts";

/** Every revision's template, `<namespace>/<revision>`: also of those not ready, so that certificates exist before they are. */
export function translateTemplates(index: MeshIndex): Map<string, RevisionTemplate> {
  return new Map(
    [...index.revisions]
      .filter(([, { metadata }]) => metadata.deletionTimestamp === undefined)
      .map(([key, revision]) => [key, translateTemplate(index, revision)]),
  );
}

/** The labels by which policies select a revision's instances: its object's own and those that name it. */
export function revisionLabels({ metadata, spec }: RevisionObject): Readonly<Record<string, string>> {
  return {
    ...metadata.labels,
    app: spec.function,
    [functionLabel]: spec.function,
    [revisionLabel]: metadata.name,
  };
}

/**
 * Who alone may reach the instances. It does not wait for the waypoint to have an address: until then nobody may,
 * or a new revision would for a moment be open to everybody.
 */
function waypointIdentity({ services, settings }: MeshIndex, { metadata, spec }: RevisionObject): string {
  const { namespace } = metadata;
  const label = services.get(`${namespace}/${spec.function}`)?.metadata.labels?.[useWaypointLabel];
  return label === "none" ? "" : identityFor(settings, namespace, label ?? spec.group);
}

function translateTemplate(index: MeshIndex, revision: RevisionObject): RevisionTemplate {
  const { metadata, spec } = revision;
  const { namespace } = metadata;
  const { settings, objects } = index;
  const service = index.services.get(`${namespace}/${spec.function}`);
  const keys = keysForWorkload(objects.policies, { namespace, labels: revisionLabels(revision) }, settings);
  return create(RevisionTemplateSchema, {
    namespace,
    revision: metadata.name,
    function: spec.function,
    serviceAccount: spec.serviceAccountName,
    trustDomain: settings.trustDomain,
    port: instancePort,
    service: service === undefined ? "" : `${namespace}/${hostnameOf(service, settings)}`,
    authorizationPolicies: [...keys],
    waypointIdentity: waypointIdentity(index, revision),
    egress: create(
      EgressSchema,
      spec.egress === "ALLOW_ANY"
        ? { mode: Egress_Mode.ALLOW_ANY }
        : { mode: Egress_Mode.LIST, hosts: [...spec.egress] },
    ),
  });
}
