/** What a node knows of a revision before an instance of it runs, read from its message. */
import { parseSpiffeId, type SpiffeId } from "#core/identity/spiffe-id.ts";
import { Egress_Mode, type RevisionTemplate } from "#core/proto/lambient/discovery_pb.js";
import { err, ok, type Result } from "#core/result.ts";
import { allowAnyEgress, type EgressRules, parseEgressRules } from "./egress-rules.ts";

/** A revision's template. */
export interface Template {
  /** `<namespace>/<revision>`. */
  readonly key: string;
  readonly namespace: string;
  readonly function: string;
  readonly revision: string;
  readonly identity: SpiffeId;
  readonly port: number;
  /** `<namespace>/<hostname>`, empty when it stands behind no service. */
  readonly service: string;
  /** Every policy that applies, global and namespace ones included. */
  readonly policies: readonly string[];
  /** The only peer it lets in, when it has one. */
  readonly waypointIdentity: SpiffeId | undefined;
  readonly egress: EgressRules;
}

/** Reads a template's message. */
export function readTemplate(message: RevisionTemplate): Result<Template> {
  const key = `${message.namespace}/${message.revision}`;
  const trustDomain = message.trustDomain === "" ? "cluster.local" : message.trustDomain;
  const identity = parseSpiffeId(
    `spiffe://${trustDomain}/ns/${message.namespace}/sa/${message.serviceAccount}`,
  );
  if (!identity.ok) return err(`Cannot read template ${key}: ${identity.error}`);
  const waypoint = message.waypointIdentity === "" ? undefined : parseSpiffeId(message.waypointIdentity);
  if (waypoint !== undefined && !waypoint.ok) return err(`Cannot read template ${key}: ${waypoint.error}`);
  const listed = message.egress?.mode === Egress_Mode.LIST;
  const egress = listed ? parseEgressRules(message.egress?.hosts ?? []) : ok(allowAnyEgress);
  if (!egress.ok) return err(`Cannot read template ${key}: ${egress.error}`);
  return ok({
    key,
    namespace: message.namespace,
    function: message.function,
    revision: message.revision,
    identity: identity.value,
    port: message.port,
    service: message.service,
    policies: message.authorizationPolicies,
    waypointIdentity: waypoint?.value,
    egress: egress.value,
  });
}
