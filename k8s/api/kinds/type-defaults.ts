/** What a Kubernetes API server fills in, by type: values as data where they always hold, a function where they depend on the rest. */
import { arrayOr, isJsonObject, type JsonObject, objectOr, textOr } from "../json.ts";

/** Fills in one object of a type, by the short name of its definition; what it adds is filled in after it. */
export const typeDefaults: Readonly<Record<string, ((object: JsonObject) => void) | undefined>> = {
  "core.v1.Pod": defaultPod,
  "core.v1.PodSpec": defaultPodSpec,
  "core.v1.Container": defaultContainer,
  "core.v1.EphemeralContainer": defaultContainer,
  "core.v1.NodeStatus": defaultNodeStatus,
  "core.v1.Probe": constants({
    timeoutSeconds: 1,
    periodSeconds: 10,
    successThreshold: 1,
    failureThreshold: 3,
  }),
  "core.v1.HTTPGetAction": constants({ path: "/", scheme: "HTTP" }),
  "core.v1.ObjectFieldSelector": constants({ apiVersion: "v1" }),
  "core.v1.Volume": defaultVolume,
  "core.v1.SecretVolumeSource": constants({ defaultMode: 0o644 }),
  "core.v1.ConfigMapVolumeSource": constants({ defaultMode: 0o644 }),
  "core.v1.DownwardAPIVolumeSource": constants({ defaultMode: 0o644 }),
  "core.v1.ProjectedVolumeSource": constants({ defaultMode: 0o644 }),
  "core.v1.ServiceAccountTokenProjection": constants({ expirationSeconds: 3600 }),
  "core.v1.HostPathVolumeSource": constants({ type: "" }),
  "core.v1.Secret": constants({ type: "Opaque" }),
  "core.v1.ServiceSpec": defaultService,
  "core.v1.ServicePort": defaultServicePort,
  "apps.v1.DeploymentSpec": constants({
    replicas: 1,
    revisionHistoryLimit: 10,
    progressDeadlineSeconds: 600,
  }),
  "apps.v1.DeploymentStrategy": rolling({ maxUnavailable: "25%", maxSurge: "25%" }),
  "apps.v1.ReplicaSetSpec": constants({ replicas: 1 }),
  "apps.v1.StatefulSetSpec": defaultStatefulSet,
  "apps.v1.DaemonSetSpec": constants({ revisionHistoryLimit: 10 }),
  "apps.v1.DaemonSetUpdateStrategy": rolling({ maxUnavailable: 1, maxSurge: 0 }),
  "batch.v1.Job": defaultJob,
  "batch.v1.JobSpec": defaultJobSpec,
  "batch.v1.PodFailurePolicyOnPodConditionsPattern": constants({ status: "True" }),
  "core.v1.EndpointPort": constants({ protocol: "TCP" }),
  "discovery.v1.EndpointPort": constants({ name: "", protocol: "TCP" }),
  "rbac.v1.RoleRef": constants({ apiGroup: "rbac.authorization.k8s.io" }),
  "rbac.v1.Subject": defaultSubject,
  "admissionregistration.v1.ValidatingWebhook": defaultWebhook,
  "admissionregistration.v1.MutatingWebhook"(webhook) {
    defaultWebhook(webhook);
    webhook["reinvocationPolicy"] ??= "Never";
  },
  "admissionregistration.v1.RuleWithOperations": constants({ scope: "*" }),
  "admissionregistration.v1.ServiceReference": constants({ port: 443 }),
};

/** Fields that are set when they are absent, or empty where empty means absent. */
function constants(values: JsonObject): (object: JsonObject) => void {
  return (object) => {
    for (const [name, value] of Object.entries(values)) {
      if (object[name] === undefined || (object[name] === "" && value !== "")) object[name] = value;
    }
  };
}

/** An update strategy: rolling unless another is named, with these bounds. */
function rolling(bounds: JsonObject): (strategy: JsonObject) => void {
  return (strategy) => {
    strategy["type"] ??= "RollingUpdate";
    if (strategy["type"] !== "RollingUpdate") return;
    strategy["rollingUpdate"] = { ...bounds, ...objectOr(strategy["rollingUpdate"]) };
  };
}

function defaultPod(pod: JsonObject): void {
  const spec = objectOr(pod["spec"]);
  spec["enableServiceLinks"] ??= true;
  const grace = spec["terminationGracePeriodSeconds"];
  if (typeof grace === "number" && grace < 0) spec["terminationGracePeriodSeconds"] = 1;
  for (const container of [...arrayOr(spec["containers"]), ...arrayOr(spec["initContainers"])].map(
    objectOr,
  )) {
    const resources = objectOr(container["resources"]);
    if (isJsonObject(resources["limits"])) {
      resources["requests"] = { ...resources["limits"], ...objectOr(resources["requests"]) };
    }
    if (spec["hostNetwork"] !== true) continue;
    for (const port of arrayOr(container["ports"]).map(objectOr)) port["hostPort"] ??= port["containerPort"];
  }
}

function defaultPodSpec(spec: JsonObject): void {
  const account = textOr(spec["serviceAccountName"]) || textOr(spec["serviceAccount"]);
  if (account !== "") {
    spec["serviceAccountName"] = account;
    spec["serviceAccount"] = account;
  }
  constants({
    restartPolicy: "Always",
    dnsPolicy: "ClusterFirst",
    schedulerName: "default-scheduler",
    terminationGracePeriodSeconds: 30,
  })(spec);
  spec["securityContext"] ??= {};
}

function defaultContainer(container: JsonObject): void {
  const isLatest = tagOf(textOr(container["image"])) === "latest";
  constants({
    imagePullPolicy: isLatest ? "Always" : "IfNotPresent",
    terminationMessagePath: "/dev/termination-log",
    terminationMessagePolicy: "File",
  })(container);
}

/** An image's tag, `latest` when it names neither a tag nor a digest. */
function tagOf(image: string): string {
  if (image.includes("@")) return "";
  return /:([^/:]+)$/.exec(image)?.[1] ?? "latest";
}

/** What a node has, Pods may use, unless it says otherwise. */
function defaultNodeStatus(status: JsonObject): void {
  if (status["allocatable"] !== undefined || !isJsonObject(status["capacity"])) return;
  status["allocatable"] = { ...status["capacity"] };
}

function defaultVolume(volume: JsonObject): void {
  if (Object.keys(volume).every((name) => name === "name")) volume["emptyDir"] = {};
}

function defaultService(spec: JsonObject): void {
  constants({ sessionAffinity: "None", type: "ClusterIP" })(spec);
  if (spec["sessionAffinity"] === "None") delete spec["sessionAffinityConfig"];
  if (spec["sessionAffinity"] === "ClientIP") {
    const { clientIP } = objectOr(spec["sessionAffinityConfig"]);
    spec["sessionAffinityConfig"] = { clientIP: { timeoutSeconds: 10_800, ...objectOr(clientIP) } };
  }
  if (spec["type"] !== "ExternalName") spec["internalTrafficPolicy"] ??= "Cluster";
}

function defaultServicePort(port: JsonObject): void {
  const target = port["targetPort"];
  if (target === undefined || target === 0 || target === "") port["targetPort"] = port["port"];
}

function defaultStatefulSet(spec: JsonObject): void {
  constants({ podManagementPolicy: "OrderedReady", replicas: 1, revisionHistoryLimit: 10 })(spec);
  const strategy = objectOr(spec["updateStrategy"]);
  if (strategy["type"] === undefined) strategy["rollingUpdate"] ??= {};
  strategy["type"] ??= "RollingUpdate";
  if (strategy["type"] === "RollingUpdate" && isJsonObject(strategy["rollingUpdate"])) {
    strategy["rollingUpdate"]["partition"] ??= 0;
    strategy["rollingUpdate"]["maxUnavailable"] ??= 1;
  }
  spec["updateStrategy"] = strategy;
  const retention = objectOr(spec["persistentVolumeClaimRetentionPolicy"]);
  spec["persistentVolumeClaimRetentionPolicy"] = {
    whenDeleted: "Retain",
    whenScaled: "Retain",
    ...retention,
  };
}

function defaultJob(job: JsonObject): void {
  const { labels } = objectOr(objectOr(objectOr(job["spec"])["template"])["metadata"]);
  const metadata = objectOr(job["metadata"]);
  if (isJsonObject(labels) && Object.keys(objectOr(metadata["labels"])).length === 0) {
    metadata["labels"] = { ...labels };
  }
}

function defaultJobSpec(spec: JsonObject): void {
  if (spec["parallelism"] === undefined) spec["completions"] ??= 1;
  constants({
    parallelism: 1,
    backoffLimit: spec["backoffLimitPerIndex"] === undefined ? 6 : 2 ** 31 - 1,
    completionMode: "NonIndexed",
    suspend: false,
    manualSelector: false,
    podReplacementPolicy: spec["podFailurePolicy"] === undefined ? "TerminatingOrFailed" : "Failed",
  })(spec);
}

function defaultSubject(subject: JsonObject): void {
  if (subject["kind"] === "User" || subject["kind"] === "Group") {
    subject["apiGroup"] ??= "rbac.authorization.k8s.io";
  }
}

function defaultWebhook(webhook: JsonObject): void {
  constants({ failurePolicy: "Fail", matchPolicy: "Equivalent", timeoutSeconds: 10 })(webhook);
  webhook["namespaceSelector"] ??= {};
  webhook["objectSelector"] ??= {};
}
