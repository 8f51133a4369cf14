/** The tables of Pods, Nodes, Events, Services and what makes Pods; each row is what a Kubernetes API server shows of the same object. */
import { describe, expect, test } from "bun:test";
import { findVersion, type KindDefinition } from "../kind.ts";
import { tableOf } from "../table.ts";
import { builtinKinds } from "./builtin-kinds.ts";
import { clusterAddresses } from "./cluster-address.ts";
import { definitionKind } from "./definition-kind.ts";
import { readKubeSchemas } from "./kube-schemas.ts";

const nowMs = Date.parse("2026-01-01T02:00:00Z");
const builtIn = builtinKinds({
  schemas: readKubeSchemas(),
  addresses: clusterAddresses("10.96.0.0/24", [], () => 0),
  keptNamespaces: [],
});

const kinds = [
  ...builtIn,
  definitionKind(
    () => nowMs,
    () => [],
  ),
];

function kindOf(resource: string): KindDefinition {
  const kind = kinds.find((candidate) => candidate.resource === resource);
  if (kind === undefined) throw new Error(resource);
  return kind;
}

interface Table {
  readonly columnDefinitions: readonly { name: string; type: string; priority: number }[];
  readonly rows: readonly { cells: readonly unknown[]; conditions?: readonly { reason: string }[] }[];
}

function tableFor(resource: string, object: object): Table {
  const kind = kindOf(resource);
  const metadata = { name: "x", creationTimestamp: "2026-01-01T01:59:00Z" };
  const text = JSON.stringify({ metadata, ...object });
  const target = { kind, version: "v1", namespace: "" };
  return tableOf(target, { version: 1, texts: [text] }, { nowMs, rowObject: "None" }) as Table;
}

function cellsOf(resource: string, object: object): readonly unknown[] {
  return tableFor(resource, object).rows[0]?.cells ?? [];
}

const ago = (seconds: number): string => new Date(nowMs - seconds * 1000).toISOString();
const running = { running: { startedAt: ago(60) } };
const waiting = (reason?: string): object => ({ waiting: reason === undefined ? {} : { reason } });
const ended = (exitCode: number, reason?: string, signal?: number): object => ({
  terminated: { exitCode, reason, signal, finishedAt: ago(30) },
});

function status(name: string, state: object, more: object = {}): object {
  return { name, state, restartCount: 0, ready: false, ...more };
}

const up = { ready: true };
const containers = [{ name: "a" }, { name: "b" }];
const spec = { containers };
const oneInit = { containers, initContainers: [{ name: "i" }] };
const twoInits = { containers, initContainers: [{ name: "i" }, { name: "j" }] };
const isReady = [{ type: "Ready", status: "True" }];
const restarted = { restartCount: 3, lastState: ended(1, "Error") };

describe("a Pod", () => {
  test.each<[what: string, pod: object, ready: string, status: string, restarts: string]>([
    ["that is new", { spec, status: { phase: "Pending" } }, "0/2", "Pending", "0"],
    [
      "whose containers are made",
      { spec, status: { containerStatuses: [status("a", waiting("ContainerCreating"))] } },
      "0/2",
      "ContainerCreating",
      "0",
    ],
    [
      "that runs, once restarted",
      {
        spec,
        status: {
          phase: "Running",
          conditions: isReady,
          containerStatuses: [status("a", running, { ...up, ...restarted }), status("b", running, up)],
        },
      },
      "2/2",
      "Running",
      "3 (30s ago)",
    ],
    [
      "that crashes",
      {
        spec,
        status: {
          phase: "Running",
          containerStatuses: [status("a", waiting("CrashLoopBackOff"), restarted), status("b", running, up)],
        },
      },
      "1/2",
      "CrashLoopBackOff",
      "3 (30s ago)",
    ],
    [
      "that is complete",
      {
        spec,
        status: {
          phase: "Succeeded",
          containerStatuses: [status("a", ended(0, "Completed")), status("b", ended(0, "Completed"))],
        },
      },
      "0/2",
      "Completed",
      "0",
    ],
    [
      "of which one is complete",
      {
        spec,
        status: {
          phase: "Running",
          containerStatuses: [status("a", ended(0, "Completed")), status("b", running, up)],
        },
      },
      "1/2",
      "NotReady",
      "0",
    ],
    [
      "of which one failed",
      {
        spec,
        status: {
          phase: "Failed",
          containerStatuses: [status("a", ended(0, "Completed")), status("b", ended(2, "Error"))],
        },
      },
      "0/2",
      "Error",
      "0",
    ],
    [
      "that ended without a reason",
      { spec, status: { phase: "Failed", containerStatuses: [status("a", ended(7))] } },
      "0/2",
      "ExitCode:7",
      "0",
    ],
    [
      "that was killed",
      { spec, status: { phase: "Failed", containerStatuses: [status("a", ended(137, undefined, 9))] } },
      "0/2",
      "Signal:9",
      "0",
    ],
    ["that was evicted", { spec, status: { phase: "Failed", reason: "Evicted" } }, "0/2", "Evicted", "0"],
    [
      "whose first init container runs",
      { spec: twoInits, status: { initContainerStatuses: [status("i", running)] } },
      "0/2",
      "Init:0/2",
      "0",
    ],
    [
      "whose second init container waits",
      {
        spec: twoInits,
        status: {
          initContainerStatuses: [
            status("i", ended(0, "Completed")),
            status("j", waiting("PodInitializing")),
          ],
        },
      },
      "0/2",
      "Init:1/2",
      "0",
    ],
    [
      "whose init container failed",
      { spec: oneInit, status: { initContainerStatuses: [status("i", ended(1, "Error"), restarted)] } },
      "0/2",
      "Init:Error",
      "3 (30s ago)",
    ],
    [
      "whose init container ended without a reason",
      { spec: oneInit, status: { initContainerStatuses: [status("i", ended(3))] } },
      "0/2",
      "Init:ExitCode:3",
      "0",
    ],
    [
      "whose init container crashes",
      { spec: oneInit, status: { initContainerStatuses: [status("i", waiting("CrashLoopBackOff"))] } },
      "0/2",
      "Init:CrashLoopBackOff",
      "0",
    ],
    [
      "with a sidecar",
      {
        spec: { containers, initContainers: [{ name: "i", restartPolicy: "Always" }] },
        status: {
          phase: "Running",
          initContainerStatuses: [status("i", running, { ...up, started: true, restartCount: 1 })],
          containerStatuses: [status("a", running, up), status("b", running, up)],
        },
      },
      "3/3",
      "Running",
      "1",
    ],
    [
      "that waits behind a gate",
      {
        spec,
        status: {
          phase: "Pending",
          conditions: [{ type: "PodScheduled", status: "False", reason: "SchedulingGated" }],
        },
      },
      "0/2",
      "SchedulingGated",
      "0",
    ],
  ])("%s", (_, pod, ...want) => {
    expect(cellsOf("pods", pod).slice(1, 5)).toEqual([...want, "60s"]);
  });

  const deleted = { name: "x", creationTimestamp: ago(60), deletionTimestamp: ago(1) };
  test.each([
    [{ phase: "Running" }, "Terminating"],
    [{ phase: "Running", reason: "NodeLost" }, "Unknown"],
    [{ phase: "Succeeded" }, "Succeeded"],
  ])("that is being deleted with %j", (state, want) => {
    expect(cellsOf("pods", { metadata: deleted, spec, status: state })[2]).toBe(want);
  });

  test("shows where it is in its wide columns", () => {
    const pod = {
      spec: { ...spec, nodeName: "n", readinessGates: [{ conditionType: "g" }, { conditionType: "h" }] },
      status: { podIPs: [{ ip: "10.0.0.1" }], conditions: [{ type: "g", status: "True" }] },
    };
    expect(cellsOf("pods", pod).slice(5)).toEqual(["10.0.0.1", "n", "<none>", "1/2"]);
    expect(cellsOf("pods", { spec, status: {} }).slice(5)).toEqual(["<none>", "<none>", "<none>", "<none>"]);
  });

  test.each([
    ["Succeeded", "Succeeded"],
    ["Failed", "Failed"],
    ["Running", undefined],
  ])("in phase %s marks its row with %p", (phase, want) => {
    const [row] = tableFor("pods", { spec, status: { phase } }).rows;
    expect(row?.conditions?.[0]?.reason).toBe(want as string);
  });
});

const template = {
  spec: {
    containers: [
      { name: "a", image: "i" },
      { name: "b", image: "j" },
    ],
    nodeSelector: { z: "1", y: "2" },
  },
};
const selector = {
  matchLabels: { app: "w" },
  matchExpressions: [
    { key: "b", operator: "In", values: ["y", "x"] },
    { key: "c", operator: "DoesNotExist" },
    { key: "d", operator: "NotIn", values: ["z"] },
    { key: "e", operator: "Exists" },
  ],
};
const selectorText = "app=w,b in (x,y),!c,d notin (z),e";

test.each<[resource: string, object: object, cells: readonly unknown[]]>([
  [
    "deployments",
    {
      spec: { replicas: 3, selector, template },
      status: { updatedReplicas: 2, readyReplicas: 1, availableReplicas: 1 },
    },
    ["x", "1/3", 2, 1, "60s", "a,b", "i,j", selectorText],
  ],
  [
    "replicasets",
    { spec: { replicas: 2, selector: {}, template }, status: { replicas: 2, readyReplicas: 1 } },
    ["x", 2, 2, 1, "60s", "a,b", "i,j", "<none>"],
  ],
  [
    "statefulsets",
    { spec: { replicas: 2, template }, status: { readyReplicas: 1 } },
    ["x", "1/2", "60s", "a,b", "i,j"],
  ],
  [
    "daemonsets",
    {
      spec: { selector: { matchLabels: { a: "b" } }, template },
      status: {
        desiredNumberScheduled: 2,
        currentNumberScheduled: 1,
        numberReady: 1,
        updatedNumberScheduled: 1,
        numberAvailable: 1,
      },
    },
    ["x", 2, 1, 1, 1, 1, "y=2,z=1", "60s", "a,b", "i,j", "a=b"],
  ],
  [
    "jobs",
    { spec: { completions: 2, template }, status: { succeeded: 1, startTime: ago(3700) } },
    ["x", "Running", "1/2", "61m", "60s", "a,b", "i,j", "<none>"],
  ],
  [
    "jobs",
    {
      spec: { parallelism: 3, template },
      status: {
        succeeded: 1,
        startTime: ago(50),
        completionTime: ago(40),
        conditions: [{ type: "Complete", status: "True" }],
      },
    },
    ["x", "Complete", "1/1 of 3", "10s", "60s", "a,b", "i,j", "<none>"],
  ],
  [
    "jobs",
    { spec: { template }, status: { conditions: [{ type: "Suspended", status: "True" }] } },
    ["x", "Suspended", "0/1", "", "60s", "a,b", "i,j", "<none>"],
  ],
  [
    "nodes",
    {
      metadata: {
        name: "x",
        creationTimestamp: ago(60),
        labels: { "node-role.kubernetes.io/b": "", "kubernetes.io/role": "a" },
      },
      spec: { unschedulable: true },
      status: {
        conditions: isReady,
        addresses: [{ type: "InternalIP", address: "10.1.1.1" }],
        nodeInfo: { kubeletVersion: "v1", osImage: "os", kernelVersion: "k", architecture: "amd64" },
      },
    },
    [
      "x",
      "Ready,SchedulingDisabled",
      "a,b",
      "60s",
      "v1",
      "10.1.1.1",
      "<none>",
      "os",
      "k (amd64)",
      "<unknown>",
    ],
  ],
  [
    "events",
    {
      type: "Normal",
      reason: "R",
      message: " m \n",
      involvedObject: { kind: "Pod", name: "p", fieldPath: "spec.containers{a}" },
      source: { component: "kubelet", host: "n" },
      firstTimestamp: ago(400),
      lastTimestamp: ago(100),
      count: 4,
    },
    ["100s", "Normal", "R", "pod/p", "spec.containers{a}", "kubelet, n", "m", "6m40s", 4, "x"],
  ],
  [
    "events",
    {
      involvedObject: { kind: "Pod" },
      eventTime: ago(100),
      reportingComponent: "c",
      series: { count: 7, lastObservedTime: ago(5) },
    },
    ["5s", "", "", "pod", "", "c", "", "100s", 7, "x"],
  ],
  ["events", { involvedObject: {} }, ["<unknown>", "", "", "", "", "", "", "<unknown>", 1, "x"]],
  [
    "services",
    {
      spec: {
        type: "ClusterIP",
        clusterIPs: ["10.96.0.1"],
        externalIPs: ["192.0.2.1"],
        selector: { b: "1", a: "2" },
        ports: [
          { port: 80, protocol: "TCP" },
          { port: 81, protocol: "UDP", nodePort: 30_000 },
        ],
      },
    },
    ["x", "ClusterIP", "10.96.0.1", "192.0.2.1", "80/TCP,81:30000/UDP", "60s", "a=2,b=1"],
  ],
  [
    "services",
    { spec: { type: "ExternalName", externalName: "a.b" } },
    ["x", "ExternalName", "<none>", "a.b", "<none>", "60s", "<none>"],
  ],
  [
    "endpointslices",
    {
      addressType: "IPv4",
      ports: [{ port: 80 }, { name: "q" }],
      endpoints: ["1", "2", "3", "4"].map((last) => ({ addresses: [`10.0.0.${last}`] })),
    },
    ["x", "IPv4", "80,q", "10.0.0.1,10.0.0.2,10.0.0.3 + 1 more...", "60s"],
  ],
  [
    "endpoints",
    {
      subsets: [
        { addresses: [{ ip: "10.0.0.1" }, { ip: "10.0.0.2" }], ports: [{ port: 80 }, { port: 81 }] },
        { addresses: [{ ip: "fd00::1" }], ports: [{ port: 80 }] },
      ],
    },
    ["x", "10.0.0.1:80,10.0.0.2:80,10.0.0.1:81 + 2 more...", "60s"],
  ],
  [
    "endpoints",
    {
      subsets: [
        { addresses: [{ ip: "10.0.0.1" }] },
        { addresses: [{ ip: "fd00::1" }], ports: [{ port: 80 }] },
      ],
    },
    ["x", "10.0.0.1,[fd00::1]:80", "60s"],
  ],
  ["endpoints", {}, ["x", "<none>", "60s"]],
  ["endpointslices", { addressType: "IPv4" }, ["x", "IPv4", "<unset>", "<unset>", "60s"]],
  [
    "rolebindings",
    {
      roleRef: { kind: "Role", name: "r" },
      subjects: [
        { kind: "User", name: "u" },
        { kind: "User", name: "v" },
        { kind: "Group", name: "g" },
        { kind: "ServiceAccount", name: "s", namespace: "n" },
      ],
    },
    ["x", "Role/r", "60s", "u, v", "g", "n/s"],
  ],
  ["roles", {}, ["x", "2026-01-01T01:59:00Z"]],
  ["leases", { spec: { holderIdentity: "h" } }, ["x", "h", "60s"]],
  ["configmaps", { data: { a: "1" }, binaryData: { b: "" } }, ["x", 2, "60s"]],
  ["secrets", { type: "Opaque", data: { a: "" } }, ["x", "Opaque", 1, "60s"]],
  ["serviceaccounts", {}, ["x", "60s"]],
  ["namespaces", { status: { phase: "Active" } }, ["x", "Active", "60s"]],
  [
    "customresourcedefinitions",
    {
      spec: {
        scope: "Namespaced",
        group: "a.b",
        names: { kind: "Thing", shortNames: ["t", "th"] },
        versions: [
          { name: "v2", served: true, storage: true },
          { name: "v1", served: true },
          { name: "v0", served: false },
        ],
      },
      status: { conditions: [{ type: "Established", status: "True" }] },
    },
    ["x", "Namespaced", "v1,v2(storage)", "2026-01-01T01:59:00Z", "a.b", "Thing", "t,th", true],
  ],
  ["validatingwebhookconfigurations", { webhooks: [{}, {}] }, ["x", 2, "60s"]],
])("%s: %j", (resource, object, cells) => {
  const table = tableFor(resource, object);
  expect(table.rows[0]?.cells).toEqual(cells);
  expect(table.columnDefinitions).toHaveLength(cells.length);
});

test("events put their name last, in the wide columns", () => {
  const { columnDefinitions } = tableFor("events", { involvedObject: {} });
  expect(columnDefinitions.map(({ name }) => name)).toEqual([
    "Last Seen",
    "Type",
    "Reason",
    "Object",
    "Subobject",
    "Source",
    "Message",
    "First Seen",
    "Count",
    "Name",
  ]);
});

test("every built-in kind has a shape and columns", () => {
  for (const kind of builtIn) {
    expect(findVersion(kind, "v1")?.schema).toBeDefined();
    expect(findVersion(kind, "v1")?.columns?.length).toBeGreaterThan(0);
  }
});
