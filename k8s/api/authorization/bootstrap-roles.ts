/** The ClusterRoles and bindings that are there from the start, as a Kubernetes API server has them, and what the mesh adds to them. Data only. */

/** Verbs, API groups, resources. */
type RuleRow = readonly [verbs: string, groups: string, resources: string];

/** A ClusterRole that is there from the start. */
export interface BootstrapRole {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Takes the rules of all ClusterRoles with this label. */
  readonly aggregates?: string;
  readonly rules: readonly object[];
}

/** A ClusterRoleBinding that is there from the start: to a ClusterRole of its own name. */
export interface BootstrapBinding {
  readonly name: string;
  readonly groups: readonly string[];
}

const read = "get list watch";
const write = "create delete deletecollection patch update";
const both = "create delete deletecollection get list patch update watch";
const core = '""';

const viewRules: readonly RuleRow[] = [
  [
    read,
    core,
    "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status",
  ],
  [
    read,
    core,
    "bindings limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status",
  ],
  [read, core, "namespaces"],
  [read, `${core} events.k8s.io`, "events"],
  [read, "discovery.k8s.io", "endpointslices"],
  [
    read,
    "apps",
    "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
  ],
  [read, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"],
  [read, "batch", "cronjobs cronjobs/status jobs jobs/status"],
  [read, "policy", "poddisruptionbudgets poddisruptionbudgets/status"],
  [read, "networking.k8s.io", "ingresses ingresses/status networkpolicies"],
];

const editRules: readonly RuleRow[] = [
  [read, core, "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"],
  ["impersonate", core, "serviceaccounts"],
  [write, core, "pods pods/attach pods/exec pods/portforward pods/proxy"],
  ["create", core, "pods/eviction"],
  [
    write,
    core,
    "configmaps persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy",
  ],
  ["create", core, "serviceaccounts/token"],
  [write, `${core} events.k8s.io`, "events"],
  [
    write,
    "apps",
    "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale",
  ],
  [write, "autoscaling", "horizontalpodautoscalers"],
  [write, "batch", "cronjobs jobs"],
  [write, "policy", "poddisruptionbudgets"],
  [write, "networking.k8s.io", "ingresses networkpolicies"],
  [both, "coordination.k8s.io", "leases"],
];

const adminRules: readonly RuleRow[] = [
  ["create", "authorization.k8s.io", "localsubjectaccessreviews"],
  [both, "rbac.authorization.k8s.io", "rolebindings roles"],
];

/** The mesh's and its neighbours' own resources, for the same three roles. */
const meshResources: readonly (readonly [group: string, resources: string])[] = [
  ["lambient.dev", "functions"],
  ["gateway.networking.k8s.io", "gateways httproutes"],
  ["security.istio.io", "authorizationpolicies peerauthentications"],
];
const meshStatus: readonly RuleRow[] = [
  [read, "lambient.dev", "functions/status revisions revisions/status"],
  [read, "gateway.networking.k8s.io", "gateways/status httproutes/status"],
];

const discoveryUrls =
  "/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/";
const infoUrls = "/healthz /livez /readyz /version /version/";

const toLabel = (role: string): string => `rbac.authorization.k8s.io/aggregate-to-${role}`;

/** The ClusterRoles. */
export const bootstrapRoles: readonly BootstrapRole[] = [
  { name: "cluster-admin", rules: [resourceRule(["*", "*", "*"]), urlRule("*", "*")] },
  { name: "admin", aggregates: toLabel("admin"), rules: [] },
  { name: "edit", labels: { [toLabel("admin")]: "true" }, aggregates: toLabel("edit"), rules: [] },
  { name: "view", labels: { [toLabel("edit")]: "true" }, aggregates: toLabel("view"), rules: [] },
  aggregated("system:aggregate-to-admin", "admin", adminRules),
  aggregated("system:aggregate-to-edit", "edit", editRules),
  aggregated("system:aggregate-to-view", "view", viewRules),
  aggregated(
    "lambient:aggregate-to-edit",
    "edit",
    meshResources.map(([group, resources]) => [write, group, resources]),
  ),
  aggregated("lambient:aggregate-to-view", "view", [
    ...meshResources.map(([group, resources]) => [read, group, resources] as const),
    ...meshStatus,
  ]),
  { name: "system:discovery", rules: [urlRule("get", discoveryUrls)] },
  { name: "system:public-info-viewer", rules: [urlRule("get", infoUrls)] },
  {
    name: "system:basic-user",
    rules: [
      resourceRule(["create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"]),
      resourceRule(["create", "authentication.k8s.io", "selfsubjectreviews"]),
    ],
  },
  {
    name: "system:auth-delegator",
    rules: [
      resourceRule(["create", "authentication.k8s.io", "tokenreviews"]),
      resourceRule(["create", "authorization.k8s.io", "subjectaccessreviews"]),
    ],
  },
];

/** The ClusterRoleBindings. */
export const bootstrapBindings: readonly BootstrapBinding[] = [
  { name: "cluster-admin", groups: ["system:masters"] },
  { name: "system:discovery", groups: ["system:authenticated"] },
  { name: "system:basic-user", groups: ["system:authenticated"] },
  { name: "system:public-info-viewer", groups: ["system:authenticated", "system:unauthenticated"] },
];

function aggregated(name: string, to: string, rows: readonly RuleRow[]): BootstrapRole {
  return { name, labels: { [toLabel(to)]: "true" }, rules: rows.map(resourceRule) };
}

function resourceRule([verbs, groups, resources]: RuleRow): object {
  return {
    verbs: verbs.split(" "),
    apiGroups: groups.split(" ").map((group) => (group === core ? "" : group)),
    resources: resources.split(" "),
  };
}

function urlRule(verbs: string, urls: string): object {
  return { verbs: verbs.split(" "), nonResourceURLs: urls.split(" ") };
}
