/** The kinds that are always there. A kind whose controller does not exist is not among them, so that nobody waits for it. */
import { builtinKind } from "./builtin-kind.ts";
import type { ClusterAddresses } from "./cluster-address.ts";
import {
  configMapColumns,
  endpointSliceColumns,
  namespaceColumns,
  secretColumns,
  serviceAccountColumns,
  serviceColumns,
} from "./core-columns.ts";
import { configMapRules, namespaceRules, secretRules } from "./core-rules.ts";
import {
  configMapSchema,
  endpointSliceSchema,
  namespaceSchema,
  secretSchema,
  serviceAccountSchema,
  serviceSchema,
} from "./core-schemas.ts";
import type { KindDefinition } from "../kind.ts";
import { eventKind } from "./event.ts";
import { leaseKind } from "./lease.ts";
import { nodeKind } from "./node.ts";
import { podKind } from "./pod.ts";
import { rbacKinds } from "./rbac.ts";
import { serviceRules } from "./service-rules.ts";
import { webhookConfigurationKinds } from "./webhook-configurations.ts";
import { daemonSetKind, deploymentKind, jobKind, replicaSetKind, statefulSetKind } from "./workloads.ts";

/** What the built-in kinds depend on. */
export interface BuiltinKindOptions {
  readonly addresses: ClusterAddresses;
  /** Namespaces that may not be deleted. */
  readonly keptNamespaces: readonly string[];
}

/** The built-in kinds, without CustomResourceDefinitions. */
export function builtinKinds(options: BuiltinKindOptions): readonly KindDefinition[] {
  return [
    builtinKind({
      names: ["namespaces", "namespace", "Namespace"],
      shortNames: ["ns"],
      schema: namespaceSchema,
      columns: namespaceColumns,
      rules: namespaceRules(options.keptNamespaces),
      more: { namespaced: false, nameForm: "label", hasStatus: true },
    }),
    builtinKind({
      names: ["services", "service", "Service"],
      shortNames: ["svc"],
      categories: ["all"],
      schema: serviceSchema,
      columns: serviceColumns,
      rules: serviceRules(options.addresses),
      more: { nameForm: "label-1035", hasStatus: true },
    }),
    builtinKind({
      names: ["secrets", "secret", "Secret"],
      schema: secretSchema,
      columns: secretColumns,
      rules: secretRules,
    }),
    builtinKind({
      names: ["configmaps", "configmap", "ConfigMap"],
      shortNames: ["cm"],
      schema: configMapSchema,
      columns: configMapColumns,
      rules: configMapRules,
    }),
    builtinKind({
      names: ["serviceaccounts", "serviceaccount", "ServiceAccount"],
      shortNames: ["sa"],
      schema: serviceAccountSchema,
      columns: serviceAccountColumns,
    }),
    builtinKind({
      names: ["endpointslices", "endpointslice", "EndpointSlice"],
      schema: endpointSliceSchema,
      columns: endpointSliceColumns,
      group: "discovery.k8s.io",
      more: { countsGeneration: true },
    }),
    podKind,
    nodeKind,
    eventKind,
    deploymentKind,
    replicaSetKind,
    statefulSetKind,
    daemonSetKind,
    jobKind,
    leaseKind,
    ...rbacKinds,
    ...webhookConfigurationKinds,
  ];
}
