/** What single kinds refuse and count, where the contract suite does not reach: selectors, webhooks, templates. */
import { expect, test } from "bun:test";
import type { KindDefinition } from "../kind.ts";
import type { WorkingObject } from "../working-object.ts";
import { builtinKinds } from "./builtin-kinds.ts";
import { clusterAddresses } from "./cluster-address.ts";
import { readKubeSchemas } from "./kube-schemas.ts";
import { qosClassOf } from "./qos-class.ts";

const kinds = builtinKinds({
  schemas: readKubeSchemas(),
  addresses: clusterAddresses("10.96.0.0/24", [], () => 0),
  keptNamespaces: [],
});

function kindOf(resource: string): KindDefinition {
  const kind = kinds.find((candidate) => candidate.resource === resource);
  if (kind === undefined) throw new Error(resource);
  return kind;
}

function objectOf(body: object): WorkingObject {
  const metadata = {
    name: "x",
    namespace: "n",
    uid: "u",
    resourceVersion: "1",
    creationTimestamp: "2026-01-01T00:00:00Z",
  };
  return { apiVersion: "v1", kind: "X", metadata, ...structuredClone(body) };
}

function faultsOf(resource: string, body: object): readonly string[] {
  const findings = kindOf(resource).versions[0]?.schema?.read(objectOf(body));
  return findings?.faults.map(({ field, message }) => `${field}: ${message}`) ?? [];
}

const pod = { containers: [{ name: "a", image: "b" }] };

const mismatch = "spec.template.metadata.labels";

test.each<[labels: object, expressions: readonly object[], isSelected: boolean]>([
  [{ a: "1" }, [{ key: "a", operator: "In", values: ["1", "2"] }], true],
  [{ a: "3" }, [{ key: "a", operator: "In", values: ["1", "2"] }], false],
  [{}, [{ key: "a", operator: "In", values: ["1"] }], false],
  [{ a: "3" }, [{ key: "a", operator: "NotIn", values: ["1"] }], true],
  [{}, [{ key: "a", operator: "NotIn", values: ["1"] }], true],
  [{ a: "1" }, [{ key: "a", operator: "NotIn", values: ["1"] }], false],
  [{ a: "1" }, [{ key: "a", operator: "Exists" }], true],
  [{}, [{ key: "a", operator: "Exists" }], false],
  [{}, [{ key: "a", operator: "DoesNotExist" }], true],
  [{ a: "1" }, [{ key: "a", operator: "DoesNotExist" }], false],
])("a template with labels %j is selected by %j: %p", (labels, matchExpressions, isSelected) => {
  const spec = { selector: { matchExpressions }, template: { metadata: { labels }, spec: pod } };
  expect(faultsOf("replicasets", { spec }).some((fault) => fault.startsWith(mismatch))).toBe(!isSelected);
});

test.each([
  [
    {},
    [
      "webhooks[0].name",
      "webhooks[0].sideEffects",
      "webhooks[0].clientConfig",
      "webhooks[0].admissionReviewVersions",
    ],
  ],
  [
    {
      name: "a.b",
      clientConfig: { url: "https://a/", service: { name: "s", namespace: "n" } },
      sideEffects: "None",
      admissionReviewVersions: ["v1"],
    },
    ["webhooks[0].name", "webhooks[0].clientConfig"],
  ],
  [
    {
      name: "a.b.c",
      clientConfig: { url: "https://a/" },
      sideEffects: "None",
      admissionReviewVersions: ["v1"],
    },
    [],
  ],
])("of a webhook %j is refused: %j", (webhook, fields) => {
  const faults = faultsOf("mutatingwebhookconfigurations", { webhooks: [webhook] });
  expect(new Set(faults.map((fault) => fault.split(":")[0]))).toEqual(new Set(fields) as never);
});

test("a slice holds so many endpoints and addresses, and no more", () => {
  const endpoint = { addresses: ["10.0.0.1"] };
  const many = Array.from({ length: 1001 }, () => endpoint);
  expect(faultsOf("endpointslices", { addressType: "IPv4", endpoints: many })).toEqual([
    "endpoints: Too many: 1001: must have at most 1000 items",
  ]);
  const addresses = Array.from({ length: 101 }, () => "10.0.0.1");
  expect(faultsOf("endpointslices", { addressType: "IPv4", endpoints: [{ addresses }] })).toEqual([
    "endpoints[0].addresses: Too many: 101: must have at most 100 items",
  ]);
  expect(faultsOf("endpointslices", { addressType: "FQDN", endpoints: [{ addresses: ["a.b"] }] })).toEqual(
    [],
  );
});

test("a container has one handler a probe, and one volume a path", () => {
  const probe = { exec: { command: ["a"] }, tcpSocket: { port: 1 } };
  const mounts = [
    { name: "v", mountPath: "/a" },
    { name: "v", mountPath: "/a" },
  ];
  const containers = [{ name: "a", image: "b", readinessProbe: probe, volumeMounts: mounts }];
  expect(faultsOf("pods", { spec: { containers, volumes: [{ name: "v" }] } })).toEqual([
    'spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/a": must be unique',
    "spec.containers[0].readinessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
  ]);
});

test("an init container and a container have different names", () => {
  const spec = { ...pod, initContainers: [{ name: "a", image: "b" }] };
  expect(faultsOf("pods", { spec })).toEqual(['spec.initContainers[0].name: Duplicate value: "a"']);
});

test("an object tells 32 of its faults", () => {
  const containers = Array.from({ length: 40 }, (_, index) => ({ name: `c${index}` }));
  expect(faultsOf("pods", { spec: { containers } })).toHaveLength(32);
});

const nowhere = { tx: {} as never, random: () => 0 };

function generation(object: WorkingObject): unknown {
  return Object.values(object.metadata.annotations ?? {})[0];
}

test("a DaemonSet counts its templates", () => {
  const { rules } = kindOf("daemonsets");
  const made = objectOf({ spec: { template: { spec: pod } } });
  rules.onCreate?.(made, nowhere);
  expect(generation(made)).toBe("1");
  const same = structuredClone(made);
  rules.onUpdate?.(same, made, nowhere);
  expect(generation(same)).toBe("1");
  const other = structuredClone(made);
  other["spec"] = { template: { spec: { ...pod, hostNetwork: true } } };
  rules.onUpdate?.(other, made, nowhere);
  expect(generation(other)).toBe("2");
});

test("a Job with labels of its own keeps them", () => {
  const job = objectOf({ spec: { template: { spec: pod } } });
  job.metadata.labels = { own: "1" };
  kindOf("jobs").rules.onCreate?.(job, nowhere);
  expect(job.metadata.labels).toEqual({ own: "1" });
});

test.each([
  [{ containers: [{ resources: { limits: { cpu: "0" } } }] }, "BestEffort"],
  [
    {
      containers: [{ resources: { limits: { cpu: "1", memory: "1" }, requests: { cpu: "1", memory: "1" } } }],
    },
    "Guaranteed",
  ],
  [
    { containers: [{ resources: { limits: { cpu: "2", memory: "1" }, requests: { cpu: "1" } } }] },
    "Burstable",
  ],
])("the class of service of %j is %s", (spec, want) => {
  expect(qosClassOf(spec)).toBe(want as never);
});
