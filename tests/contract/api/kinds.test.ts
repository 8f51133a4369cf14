/** What built-in kinds fill in, leave out and refuse, asked over HTTPS: runs against ours and a real API server alike. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Json, textOf } from "./api-under-test.ts";
import { openScene, refusal, type Scene, until } from "./scene.ts";

let scene: Scene;

beforeAll(async () => {
  scene = await openScene("kinds");
  // Where no controller makes it.
  await scene.api.ask("POST", scene.path("serviceaccounts"), { metadata: { name: "default" } });
  await until(async () => {
    const account = await scene.api.ask("GET", `${scene.path("serviceaccounts")}/default`);
    return account.status === 200 ? account : undefined;
  });
});

afterAll(() => scene[Symbol.asyncDispose]());

const groups: Readonly<Record<string, string>> = {
  deployments: "apps/v1",
  replicasets: "apps/v1",
  statefulsets: "apps/v1",
  daemonsets: "apps/v1",
  jobs: "batch/v1",
  endpointslices: "discovery.k8s.io/v1",
  leases: "coordination.k8s.io/v1",
  roles: "rbac.authorization.k8s.io/v1",
  rolebindings: "rbac.authorization.k8s.io/v1",
};

function pathOf(resource: string): string {
  return resource === "validatingwebhookconfigurations"
    ? `/apis/admissionregistration.k8s.io/v1/${resource}`
    : scene.path(resource, groups[resource]);
}

/** Makes an object without storing it. */
async function make(resource: string, body: object): Promise<{ name: string; status: number; body: Json }> {
  const name = scene.fresh();
  const { metadata, ...rest } = body as { metadata?: object };
  const object = { ...rest, metadata: { name, ...metadata } };
  const answer = await scene.api.ask("POST", `${pathOf(resource)}?dryRun=All`, object);
  return { name, status: answer.status, body: answer.body };
}

const one = (more: object = {}): object => ({ containers: [{ name: "a", image: "b", ...more }] });
const labels = { app: "x" };
const selector = { matchLabels: labels };
const template = (more: object = {}, spec: object = {}): object => ({
  metadata: { labels },
  spec: { ...one(more), ...spec },
});
const ready = {
  terminationMessagePath: "/dev/termination-log",
  terminationMessagePolicy: "File",
  resources: {},
};
const podDefaults = {
  restartPolicy: "Always",
  dnsPolicy: "ClusterFirst",
  schedulerName: "default-scheduler",
  terminationGracePeriodSeconds: 30,
  securityContext: {},
};
const probeDefaults = { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 };

describe("what is filled in", () => {
  test.each<[what: string, resource: string, spec: object, want: object]>([
    [
      "a Pod",
      "pods",
      { ...one(), automountServiceAccountToken: false },
      {
        ...podDefaults,
        containers: [{ name: "a", image: "b", imagePullPolicy: "Always", ...ready }],
        enableServiceLinks: true,
        serviceAccountName: "default",
        serviceAccount: "default",
        priority: 0,
        preemptionPolicy: "PreemptLowerPriority",
        automountServiceAccountToken: false,
        tolerations: ["not-ready", "unreachable"].map((name) => ({
          key: `node.kubernetes.io/${name}`,
          operator: "Exists",
          effect: "NoExecute",
          tolerationSeconds: 300,
        })),
      },
    ],
    [
      "a Deployment",
      "deployments",
      { selector, template: template({ image: "b:1" }) },
      {
        replicas: 1,
        revisionHistoryLimit: 10,
        progressDeadlineSeconds: 600,
        selector,
        strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: "25%" } },
        template: {
          metadata: { labels },
          spec: {
            ...podDefaults,
            containers: [{ name: "a", image: "b:1", imagePullPolicy: "IfNotPresent", ...ready }],
          },
        },
      },
    ],
    [
      "a Service with affinity",
      "services",
      { clusterIP: "None", selector: labels, ports: [{ port: 80 }], sessionAffinity: "ClientIP" },
      {
        type: "ClusterIP",
        clusterIP: "None",
        clusterIPs: ["None"],
        internalTrafficPolicy: "Cluster",
        ipFamilies: ["IPv4"],
        ipFamilyPolicy: "SingleStack",
        ports: [{ port: 80, protocol: "TCP", targetPort: 80 }],
        selector: labels,
        sessionAffinity: "ClientIP",
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 10_800 } },
      },
    ],
  ])("%s", async (_, resource, spec, want) => {
    const made = await make(resource, { spec });
    expect([made.status, made.body["spec"] as unknown]).toEqual([201, want]);
  });

  test.each<[what: string, resource: string, spec: object, want: object]>([
    [
      "a StatefulSet",
      "statefulsets",
      { selector, serviceName: "s", template: template() },
      {
        replicas: 1,
        podManagementPolicy: "OrderedReady",
        updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 0, maxUnavailable: 1 } },
        persistentVolumeClaimRetentionPolicy: { whenDeleted: "Retain", whenScaled: "Retain" },
        revisionHistoryLimit: 10,
      },
    ],
    [
      "a DaemonSet",
      "daemonsets",
      { selector, template: template() },
      {
        updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
        revisionHistoryLimit: 10,
      },
    ],
    [
      "a Job",
      "jobs",
      { template: { spec: { ...one(), restartPolicy: "Never" } } },
      {
        completions: 1,
        parallelism: 1,
        backoffLimit: 6,
        completionMode: "NonIndexed",
        suspend: false,
        manualSelector: false,
        podReplacementPolicy: "TerminatingOrFailed",
      },
    ],
    [
      "probes",
      "pods",
      one({
        livenessProbe: { httpGet: { port: 80 } },
        readinessProbe: { tcpSocket: { port: "web" }, periodSeconds: 3 },
      }),
      {
        containers: [
          {
            livenessProbe: { ...probeDefaults, httpGet: { port: 80, path: "/", scheme: "HTTP" } },
            readinessProbe: { ...probeDefaults, periodSeconds: 3, tcpSocket: { port: "web" } },
          },
        ],
      },
    ],
    [
      "amounts",
      "pods",
      one({ resources: { limits: { cpu: 0.5, memory: "1.5Gi" }, requests: { cpu: "0.25" } } }),
      {
        containers: [
          {
            resources: {
              limits: { cpu: "500m", memory: "1536Mi" },
              requests: { cpu: "250m", memory: "1536Mi" },
            },
          },
        ],
      },
    ],
    [
      "ports of a Pod on the node's network",
      "pods",
      { ...one({ ports: [{ containerPort: 80 }] }), hostNetwork: true },
      { containers: [{ ports: [{ containerPort: 80, hostPort: 80, protocol: "TCP" }] }] },
    ],
  ])("%s", async (_, resource, spec, want) => {
    const made = await make(resource, { spec });
    expect(made.status).toBe(201);
    expect(made.body["spec"]).toMatchObject(want);
  });

  test("volumes", async () => {
    const volumes = [
      { name: "e" },
      { name: "s", secret: { secretName: "s" } },
      { name: "c", configMap: { name: "c" } },
      { name: "h", hostPath: { path: "/" } },
      { name: "p", projected: { sources: [{ serviceAccountToken: { path: "t" } }] } },
      { name: "d", downwardAPI: { items: [{ path: "x", fieldRef: { fieldPath: "metadata.name" } }] } },
    ];
    const made = await make("pods", { spec: { ...one(), automountServiceAccountToken: false, volumes } });
    expect(made.body["spec"]?.["volumes"] as unknown).toEqual([
      { name: "e", emptyDir: {} },
      { name: "s", secret: { secretName: "s", defaultMode: 420 } },
      { name: "c", configMap: { name: "c", defaultMode: 420 } },
      { name: "h", hostPath: { path: "/", type: "" } },
      {
        name: "p",
        projected: {
          defaultMode: 420,
          sources: [{ serviceAccountToken: { path: "t", expirationSeconds: 3600 } }],
        },
      },
      {
        name: "d",
        downwardAPI: {
          defaultMode: 420,
          items: [{ path: "x", fieldRef: { apiVersion: "v1", fieldPath: "metadata.name" } }],
        },
      },
    ]);
  });

  test.each<[spec: object, qosClass: string]>([
    [one(), "BestEffort"],
    [one({ resources: { requests: { cpu: "1" } } }), "Burstable"],
    [one({ resources: { limits: { cpu: "1", memory: "1Gi" } } }), "Guaranteed"],
    [one({ resources: { limits: { cpu: "1" } } }), "Burstable"],
  ])("the class of service of %j is %s", async (spec, qosClass) => {
    const made = await make("pods", { spec });
    expect(made.body["status"] as unknown).toEqual({ phase: "Pending", qosClass });
  });

  test("a node brings its status along, and what it has Pods may use", async () => {
    const name = scene.fresh();
    const node = { metadata: { name: `${scene.namespace}-${name}` }, status: { capacity: { cpu: "2000m" } } };
    const { body } = await scene.api.ask("POST", "/api/v1/nodes?dryRun=All", node);
    expect(body["status"]).toMatchObject({ capacity: { cpu: "2" }, allocatable: { cpu: "2" } });
  });

  test("a Job selects its Pods by its uid", async () => {
    const made = await make("jobs", { spec: { template: { spec: { ...one(), restartPolicy: "Never" } } } });
    const uid = textOf(made.body["metadata"]?.["uid"]);
    expect(made.body["spec"]?.["selector"]).toEqual({
      matchLabels: { "batch.kubernetes.io/controller-uid": uid },
    } as never);
    expect(made.body["spec"]?.["template"]?.["metadata"]?.["labels"] as unknown).toEqual({
      "controller-uid": uid,
      "job-name": made.name,
      "batch.kubernetes.io/controller-uid": uid,
      "batch.kubernetes.io/job-name": made.name,
    });
  });

  test("the groups of a binding's role and subjects", async () => {
    const made = await make("rolebindings", {
      roleRef: { kind: "Role", name: "r" },
      subjects: [
        { kind: "User", name: "u" },
        { kind: "ServiceAccount", name: "s", namespace: "n" },
      ],
    });
    const apiGroup = "rbac.authorization.k8s.io";
    expect([made.body["roleRef"], made.body["subjects"]] as unknown).toEqual([
      { apiGroup, kind: "Role", name: "r" },
      [
        { apiGroup, kind: "User", name: "u" },
        { kind: "ServiceAccount", name: "s", namespace: "n" },
      ],
    ]);
  });

  test("a webhook", async () => {
    const webhook = {
      name: "a.b.c",
      clientConfig: { service: { name: "s", namespace: "n" } },
      rules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] }],
      admissionReviewVersions: ["v1"],
      sideEffects: "None",
    };
    const made = await make("validatingwebhookconfigurations", { webhooks: [webhook] });
    expect(made.body["webhooks"] as unknown).toEqual([
      {
        ...webhook,
        clientConfig: { service: { name: "s", namespace: "n", port: 443 } },
        rules: [{ ...webhook.rules[0], scope: "*" }],
        failurePolicy: "Fail",
        matchPolicy: "Equivalent",
        namespaceSelector: {},
        objectSelector: {},
        timeoutSeconds: 10,
      },
    ]);
  });
});

test("what says nothing is left out", async () => {
  const made = await make("pods", {
    metadata: { labels: {}, annotations: {} },
    spec: {
      containers: [{ name: "a", image: "b", args: [], env: [], workingDir: "", stdin: false }],
      hostNetwork: false,
      nodeSelector: {},
      nodeName: "",
      automountServiceAccountToken: false,
      volumes: [],
      priority: null,
    },
  });
  expect(Object.keys(made.body["spec"]?.["containers"]?.["0" as never] ?? {}).sort()).toEqual([
    "image",
    "imagePullPolicy",
    "name",
    "resources",
    "terminationMessagePath",
    "terminationMessagePolicy",
  ]);
  const spec = Object.keys(made.body["spec"] ?? {});
  for (const name of ["hostNetwork", "nodeSelector", "nodeName", "volumes"]) expect(spec).not.toContain(name);
  expect(spec).toContain("automountServiceAccountToken");
});

const labelRule =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const quantityRule =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

describe("what cannot be read", () => {
  test.each<[resource: string, body: object, kind: string, why: string]>([
    [
      "pods",
      { spec: "x" },
      "Pod",
      "json: cannot unmarshal string into Go struct field Pod.spec of type v1.PodSpec",
    ],
    [
      "pods",
      { spec: { containers: "x" } },
      "Pod",
      "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container",
    ],
    [
      "pods",
      { spec: { containers: ["x"] } },
      "Pod",
      "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type v1.Container",
    ],
    [
      "pods",
      { spec: one({ ports: [{ containerPort: "x" }] }) },
      "Pod",
      "json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32",
    ],
    [
      "pods",
      { spec: one({ env: [{ name: "A", value: 5 }] }) },
      "Pod",
      "json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string",
    ],
    [
      "pods",
      { spec: { ...one(), terminationGracePeriodSeconds: 1.5 } },
      "Pod",
      "json: cannot unmarshal number 1.5 into Go struct field PodSpec.spec.terminationGracePeriodSeconds of type int64",
    ],
    [
      "pods",
      { spec: { ...one(), hostNetwork: "yes" } },
      "Pod",
      "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool",
    ],
    [
      "pods",
      { spec: { ...one(), nodeSelector: { a: 1 } } },
      "Pod",
      "json: cannot unmarshal number into Go struct field PodSpec.spec.nodeSelector of type string",
    ],
    ["pods", { spec: one({ resources: { requests: { cpu: "x" } } }) }, "Pod", quantityRule],
    [
      "deployments",
      { spec: { replicas: "x" } },
      "Deployment",
      "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
    ],
    [
      "configmaps",
      { data: ["x"] },
      "ConfigMap",
      "json: cannot unmarshal array into Go struct field ConfigMap.data of type map[string]string",
    ],
    ["secrets", { data: { a: "not base64!" } }, "Secret", "illegal base64 data at input byte 3"],
    [
      "services",
      { spec: { ports: [{ port: "x" }] } },
      "Service",
      "json: cannot unmarshal string into Go struct field ServicePort.spec.ports.port of type int32",
    ],
  ])("%s %j", async (resource, body, kind, why) => {
    const { status, body: answer } = await make(resource, body);
    const message = `${kind} in version "v1" cannot be handled as a ${kind}: ${why}`;
    expect([status, answer["reason"], answer["message"]] as unknown).toEqual([400, "BadRequest", message]);
  });
});

describe("what is refused", () => {
  test.each<[resource: string, body: object, why: string]>([
    ["pods", {}, "spec.containers: Required value"],
    ["pods", { spec: { containers: [] } }, "spec.containers: Required value"],
    ["pods", { spec: { containers: [{ name: "a" }] } }, "spec.containers[0].image: Required value"],
    ["pods", { spec: one({ name: "A_b" }) }, `spec.containers[0].name: Invalid value: "A_b": ${labelRule}`],
    [
      "pods",
      {
        spec: {
          containers: [
            { name: "a", image: "b" },
            { name: "a", image: "b" },
          ],
        },
      },
      'spec.containers[1].name: Duplicate value: "a"',
    ],
    [
      "pods",
      { spec: { ...one(), restartPolicy: "X" } },
      'spec.restartPolicy: Unsupported value: "X": supported values: "Always", "OnFailure", "Never"',
    ],
    [
      "pods",
      { spec: one({ imagePullPolicy: "X" }) },
      'spec.containers[0].imagePullPolicy: Unsupported value: "X": supported values: "Always", "IfNotPresent", "Never"',
    ],
    ["pods", { spec: one({ ports: [{}] }) }, "spec.containers[0].ports[0].containerPort: Required value"],
    [
      "pods",
      { spec: one({ ports: [{ containerPort: 99_999 }] }) },
      "spec.containers[0].ports[0].containerPort: Invalid value: 99999: must be between 1 and 65535, inclusive",
    ],
    [
      "pods",
      { spec: one({ ports: [{ containerPort: 1, protocol: "X" }] }) },
      'spec.containers[0].ports[0].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"',
    ],
    [
      "pods",
      { spec: one({ volumeMounts: [{ name: "no", mountPath: "/v" }] }) },
      'spec.containers[0].volumeMounts[0].name: Not found: "no"',
    ],
    ["pods", { spec: one({ env: [{ value: "x" }] }) }, "spec.containers[0].env[0].name: Required value"],
    [
      "pods",
      { spec: one({ resources: { requests: { cpu: 2 }, limits: { cpu: 1 } } }) },
      'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
    ],
    [
      "pods",
      { spec: one({ livenessProbe: {} }) },
      "spec.containers[0].livenessProbe: Required value: must specify a handler type",
    ],
    ["services", { spec: {} }, "spec.ports: Required value"],
    [
      "services",
      { spec: { ports: [{ port: 80, protocol: "ICMP" }] } },
      'spec.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
    ],
    [
      "services",
      { spec: { ports: [{ port: 0 }] } },
      "[spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive, spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive]",
    ],
    [
      "services",
      { spec: { ports: [{ port: 80, name: "a" }, { port: 81 }] } },
      "spec.ports[1].name: Required value",
    ],
    [
      "services",
      { spec: { ports: [{ port: 80, name: "A_" }] } },
      `spec.ports[0].name: Invalid value: "A_": ${labelRule}`,
    ],
    [
      "services",
      { spec: { ports: [{ port: 80 }], clusterIP: "x" } },
      'spec.clusterIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ],
    [
      "deployments",
      { spec: { selector: {}, template: template() } },
      "spec.selector: Invalid value: {}: empty selector is invalid for deployment",
    ],
    [
      "deployments",
      { spec: { selector: { matchLabels: { app: "y" } }, template: template() } },
      'spec.template.metadata.labels: Invalid value: {"app":"x"}: `selector` does not match template `labels`',
    ],
    [
      "deployments",
      { spec: { selector, replicas: -1, template: template() } },
      "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
    ],
    [
      "deployments",
      { spec: { selector, template: template({}, { restartPolicy: "Never" }) } },
      'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ],
    [
      "deployments",
      {
        spec: {
          selector,
          strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } },
          template: template(),
        },
      },
      "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
    ],
    [
      "jobs",
      { spec: { template: { spec: one() } } },
      'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    ],
    [
      "endpointslices",
      { addressType: "IPv4", endpoints: [{ addresses: [] }] },
      "endpoints[0].addresses: Required value",
    ],
    [
      "endpointslices",
      { addressType: "IPv4", endpoints: [{ addresses: ["x"] }] },
      'endpoints[0].addresses[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ],
    [
      "leases",
      { spec: { leaseDurationSeconds: 0 } },
      "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
    ],
    ["roles", { rules: [{ apiGroups: [""], resources: ["pods"] }] }, "rules[0].verbs: Required value"],
    [
      "rolebindings",
      { roleRef: { kind: "X", name: "x" } },
      'roleRef.kind: Unsupported value: "X": supported values: "Role", "ClusterRole"',
    ],
    [
      "events",
      { involvedObject: { namespace: "other" } },
      'involvedObject.namespace: Invalid value: "other": does not match event.namespace',
    ],
    ["configmaps", { data: { "..": "" } }, `data[..]: Invalid value: "..": must not be '..'`],
    [
      "configmaps",
      { data: { a: "1" }, binaryData: { a: "MQ==" } },
      'data[a]: Invalid value: "a": duplicate of key present in binaryData',
    ],
    ["secrets", { type: "kubernetes.io/tls", data: { "tls.crt": "" } }, "data[tls.key]: Required value"],
  ])("%s %j", async (resource, body, why) => {
    const { status, name, body: answer } = await make(resource, body);
    expect([status, textOf(answer["message"]).replace(/^.*? is invalid: /, "")]).toEqual([422, why]);
    expect(textOf(answer["details"]?.["name"])).toBe(name);
  });

  test("a Pod of an account that is not there", async () => {
    const { status, body } = await make("pods", { spec: { ...one(), serviceAccountName: "nobody" } });
    expect(status).toBe(403);
    expect(textOf(body["message"])).toEndWith(
      `is forbidden: error looking up service account ${scene.namespace}/nobody: serviceaccount "nobody" not found`,
    );
  });
});

const subdomainForm = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const subdomainRule = `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '${subdomainForm}')`;
const partRule =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const valueRule =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

test("a scale comes as a Table too", async () => {
  const deployments = scene.path("deployments", "apps/v1");
  const name = scene.fresh();
  const spec = { selector, replicas: 2, template: template() };
  await scene.api.ask("POST", deployments, { metadata: { name }, spec });
  const accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
  const { body } = await scene.api.ask("GET", `${deployments}/${name}/scale`, undefined, { accept });
  const columns: unknown = body["columnDefinitions"];
  expect((columns as readonly Json[]).map((column) => textOf(column["name"]))).toEqual([
    "Name",
    "Desired",
    "Available",
    "Age",
  ]);
  const rows: unknown = body["rows"];
  const [row] = rows as readonly { cells: readonly unknown[] }[];
  expect(row?.cells.slice(0, 2)).toEqual([name, 2]);
});

test("namespaces go one by one", async () => {
  const answer = await scene.api.ask("DELETE", "/api/v1/namespaces?labelSelector=none%3Dsuch");
  expect(refusal(answer).slice(0, 2)).toEqual([405, "MethodNotAllowed"]);
});

describe("metadata that are refused", () => {
  test.each<[metadata: object, why: string]>([
    [{ name: "a_b" }, `metadata.name: Invalid value: "a_b": ${subdomainRule}`],
    [{ labels: { "a b": "v" } }, `metadata.labels: Invalid value: "a b": ${partRule}`],
    [
      { annotations: { "/a": "v" } },
      'metadata.annotations: Invalid value: "/a": prefix part must be non-empty',
    ],
    [{ labels: { "A_/b": "v" } }, `metadata.labels: Invalid value: "A_/b": prefix part ${subdomainRule}`],
    [{ labels: { a: "-a" } }, `metadata.labels: Invalid value: "-a": ${valueRule}`],
    [
      { ownerReferences: [{ apiVersion: "v1", kind: "X", name: "x" }] },
      "metadata.ownerReferences[0].uid: Required value: must not be empty",
    ],
    [
      { ownerReferences: [{ apiVersion: "a/b/c", kind: "X", name: "x", uid: "u" }] },
      'metadata.ownerReferences[0].apiVersion: Invalid value: "a/b/c": must be <group>/<version> or <version>',
    ],
    [
      { ownerReferences: [{ apiVersion: "v1", kind: "Event", name: "x", uid: "u" }] },
      'metadata.ownerReferences[0]: Invalid value: {"apiVersion":"v1","kind":"Event","name":"x","uid":"u"}: /v1, Kind=Event is disallowed from being an owner',
    ],
    [
      { finalizers: ["abc"] },
      'metadata.finalizers[0]: Invalid value: "abc": name is neither a standard finalizer name nor is it fully qualified',
    ],
    [
      { finalizers: ["orphan", "foregroundDeletion"] },
      'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set',
    ],
  ])("%j", async (metadata, why) => {
    const { status, body } = await make("configmaps", { metadata });
    expect([status, textOf(body["message"]).replace(/^.*? is invalid: /, "")]).toEqual([422, why]);
  });
});

describe("field selectors", () => {
  test.each([
    ["pods", "foo=bar", "field label not supported: foo"],
    [
      "configmaps",
      "foo=bar",
      '"foo" is not a known field selector: only "metadata.name", "metadata.namespace"',
    ],
    ["jobs", "foo=bar", 'field label "foo" not supported for Job'],
    ["pods", "foo", "invalid selector: 'foo'; can't understand 'foo'"],
    ["pods", "metadata.name=a,,b", "invalid selector: 'metadata.name=a,,b'; can't understand 'b'"],
    ["pods", "status.phase>3", "invalid selector: 'status.phase>3'; can't understand 'status.phase>3'"],
  ])("%s by %s are refused", async (resource, selection, why) => {
    const answer = await scene.api.ask(
      "GET",
      `${pathOf(resource)}?fieldSelector=${encodeURIComponent(selection)}`,
    );
    expect(refusal(answer)).toEqual([400, "BadRequest", why]);
  });

  test("a watch tells who comes to match and who ceases to", async () => {
    const events = scene.path("events");
    const about = { kind: "Pod", name: "p", namespace: scene.namespace };
    const list = await scene.api.ask("GET", events);
    const version = textOf(list.body["metadata"]?.["resourceVersion"]);
    const watch = await scene.api.watch(
      `${events}?watch=1&fieldSelector=type%3DWarning&resourceVersion=${version}`,
    );
    const name = scene.fresh();
    await scene.api.ask("POST", events, { metadata: { name }, involvedObject: about, type: "Normal" });
    const patch = (type: string): Promise<unknown> =>
      scene.api.ask(
        "PATCH",
        `${events}/${name}`,
        { type },
        { "content-type": "application/merge-patch+json" },
      );
    await patch("Warning");
    await patch("Normal");
    const seen = [await watch.next(), await watch.next()].map((event) => [
      event?.["type"],
      event?.["object"]?.["metadata"]?.["name"],
      event?.["object"]?.["type"],
    ]);
    watch.close();
    expect(seen as unknown).toEqual([
      ["ADDED", name, "Warning"],
      // As it last matched.
      ["DELETED", name, "Warning"],
    ]);
  });
});
