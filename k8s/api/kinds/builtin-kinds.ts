/** The kinds that are always there. A kind whose controller does not exist is not among them, so that nobody waits for it. */
import type { KindDefinition } from "../kind.ts";
import type { ClusterAddresses } from "./cluster-address.ts";
import { endpointsKind } from "./endpoints.ts";
import { endpointSliceKind } from "./endpoint-slice.ts";
import { eventKind } from "./event.ts";
import type { KubeSchemas } from "./kube-schemas.ts";
import { leaseKind } from "./lease.ts";
import { nodeKind } from "./node.ts";
import { plainKinds } from "./plain-kinds.ts";
import { podKind } from "./pod.ts";
import { rbacKinds } from "./rbac.ts";
import { serviceKind } from "./service.ts";
import { webhookConfigurationKinds } from "./webhook-configurations.ts";
import { workloadKinds } from "./workloads.ts";

/** What the built-in kinds depend on. */
export interface BuiltinKindOptions {
  readonly schemas: KubeSchemas;
  readonly addresses: ClusterAddresses;
  /** Namespaces that may not be deleted. */
  readonly keptNamespaces: readonly string[];
}

/** The built-in kinds, without CustomResourceDefinitions. */
export function builtinKinds(options: BuiltinKindOptions): readonly KindDefinition[] {
  const { schemas, addresses, keptNamespaces } = options;
  return [
    ...plainKinds(schemas, keptNamespaces),
    serviceKind(schemas, addresses),
    podKind(schemas),
    nodeKind(schemas),
    eventKind(schemas),
    endpointsKind(schemas),
    endpointSliceKind(schemas),
    ...workloadKinds(schemas),
    leaseKind(schemas),
    ...rbacKinds(schemas),
    ...webhookConfigurationKinds(schemas),
  ];
}
