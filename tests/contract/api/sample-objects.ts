/** An object of each built-in kind that says much, to be sent to two servers whose answers are held against each other. */

/** One of them, and where it goes. */
export interface Sample {
  readonly resource: string;
  /** Absent: the core group. */
  readonly groupVersion?: string;
  readonly isClusterWide?: true;
  readonly object: { readonly kind: string; readonly metadata: object } & Readonly<Record<string, unknown>>;
}

const podSpec = {
  automountServiceAccountToken: false,
  containers: [
    {
      name: "a",
      image: "i:1",
      command: ["x"],
      env: [
        { name: "A", value: "1" },
        { name: "P", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
      ],
      ports: [{ containerPort: 80, name: "h" }],
      readinessProbe: { httpGet: { path: "/x", port: 80 } },
      livenessProbe: { exec: { command: ["y"] } },
      resources: { requests: { cpu: "100m" } },
      volumeMounts: [
        { name: "c", mountPath: "/c" },
        { name: "e", mountPath: "/e" },
      ],
      lifecycle: { preStop: { exec: { command: ["z"] } } },
      securityContext: { runAsUser: 1 },
    },
  ],
  initContainers: [{ name: "i", image: "i" }],
  volumes: [
    { name: "c", configMap: { name: "m" } },
    { name: "e", emptyDir: {} },
    { name: "s", secret: { secretName: "q" } },
    {
      name: "p",
      projected: {
        sources: [
          { serviceAccountToken: { path: "t" } },
          { downwardAPI: { items: [{ path: "l", fieldRef: { fieldPath: "metadata.labels" } }] } },
        ],
      },
    },
  ],
  nodeSelector: { q: "w" },
  tolerations: [{ key: "k", operator: "Exists" }],
  affinity: {
    podAntiAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [
        {
          weight: 1,
          podAffinityTerm: { topologyKey: "t", labelSelector: { matchLabels: { a: "b" } } },
        },
      ],
    },
  },
  hostAliases: [{ ip: "192.0.2.1", hostnames: ["z"] }],
  imagePullSecrets: [{ name: "ips" }],
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey: "z",
      whenUnsatisfiable: "ScheduleAnyway",
      labelSelector: { matchLabels: { a: "b" } },
    },
  ],
};
const template = { metadata: { labels: { a: "b" }, annotations: { x: "y" } }, spec: podSpec };
const selector = { matchLabels: { a: "b" } };
const bare = { metadata: { labels: { a: "b" } }, spec: { containers: [{ name: "a", image: "i" }] } };

/** A sample of a namespace, or of none. @param suffix Makes the names of those of no namespace their own. */
export function samples(suffix: string): readonly Sample[] {
  const metadata = { name: "x", labels: { l: "m" }, annotations: { n: "o" } };
  const core = (resource: string, kind: string, more: object): Sample => ({
    resource,
    object: { apiVersion: "v1", kind, metadata, ...more },
  });
  const grouped = (groupVersion: string, resource: string, kind: string, more: object): Sample => ({
    resource,
    groupVersion,
    object: { apiVersion: groupVersion, kind, metadata, ...more },
  });
  return [
    core("pods", "Pod", { spec: podSpec }),
    core("services", "Service", {
      spec: {
        ports: [
          { port: 80, targetPort: "h", name: "w" },
          { port: 81, name: "u", protocol: "UDP" },
        ],
        selector: { a: "b" },
        sessionAffinity: "ClientIP",
      },
    }),
    core("services", "Service", { spec: { clusterIP: "None", selector: { a: "b" } } }),
    core("services", "Service", { spec: { type: "ExternalName", externalName: "a.example" } }),
    core("serviceaccounts", "ServiceAccount", { imagePullSecrets: [{ name: "q" }] }),
    core("secrets", "Secret", { stringData: { a: "b" }, data: { c: "aGk=" }, immutable: true }),
    core("configmaps", "ConfigMap", { data: { a: "b" }, binaryData: { c: "aGk=" } }),
    grouped("apps/v1", "deployments", "Deployment", { spec: { replicas: 0, selector, template } }),
    grouped("apps/v1", "deployments", "Deployment", {
      spec: { selector, strategy: { type: "Recreate" }, template: bare },
    }),
    grouped("apps/v1", "replicasets", "ReplicaSet", { spec: { replicas: 0, selector, template } }),
    grouped("apps/v1", "statefulsets", "StatefulSet", {
      spec: { replicas: 0, serviceName: "x", selector, template },
    }),
    grouped("batch/v1", "jobs", "Job", {
      spec: {
        suspend: true,
        template: { spec: { restartPolicy: "OnFailure", containers: [{ name: "a", image: "i" }] } },
      },
    }),
    grouped("coordination.k8s.io/v1", "leases", "Lease", {
      spec: { holderIdentity: "a", leaseDurationSeconds: 5, renewTime: "2026-01-01T00:00:00.000000Z" },
    }),
    grouped("discovery.k8s.io/v1", "endpointslices", "EndpointSlice", {
      addressType: "IPv4",
      endpoints: [{ addresses: ["192.0.2.1"], conditions: { ready: true } }],
      ports: [{ port: 80, name: "h" }],
    }),
    grouped("rbac.authorization.k8s.io/v1", "roles", "Role", {
      rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }],
    }),
    grouped("rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding", {
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "x" },
      subjects: [{ kind: "User", name: "u" }],
    }),
    {
      resource: "namespaces",
      isClusterWide: true,
      object: { apiVersion: "v1", kind: "Namespace", metadata: { name: `z${suffix}`, labels: { a: "b" } } },
    },
    {
      resource: "validatingwebhookconfigurations",
      groupVersion: "admissionregistration.k8s.io/v1",
      isClusterWide: true,
      object: {
        apiVersion: "admissionregistration.k8s.io/v1",
        kind: "ValidatingWebhookConfiguration",
        metadata: { name: `v${suffix}` },
        webhooks: [
          {
            name: "a.example.com",
            sideEffects: "None",
            admissionReviewVersions: ["v1"],
            clientConfig: { service: { namespace: "x", name: "y" } },
            rules: [{ apiGroups: ["zz"], apiVersions: ["v1"], operations: ["CREATE"], resources: ["q"] }],
          },
        ],
      },
    },
  ];
}
