/** What of a built-in kind may not change, asked over HTTPS: runs against ours and a real API server alike. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { itemsOf, textOf } from "./api-under-test.ts";
import { openScene, patchTypes, type Scene, until } from "./scene.ts";

let scene: Scene;
let pod = "";

beforeAll(async () => {
  scene = await openScene("fixed");
  await until(async () => {
    const account = await scene.api.ask("GET", `${scene.path("serviceaccounts")}/default`);
    return account.status === 200 ? true : undefined;
  });
  pod = await make("pods", {
    spec: {
      nodeName: "nowhere",
      containers: [{ name: "a", image: "i", env: [{ name: "A", value: "1" }] }],
      initContainers: [{ name: "i", image: "i" }],
      activeDeadlineSeconds: 100,
    },
  });
});

afterAll(async () => {
  await scene.api.ask("DELETE", pod, { gracePeriodSeconds: 0 });
  await scene[Symbol.asyncDispose]();
});

async function make(resource: string, more: object, groupVersion?: string): Promise<string> {
  const name = `f${scene.fresh()}`;
  const path = scene.path(resource, groupVersion);
  const made = await scene.api.ask("POST", path, { metadata: { name }, ...more });
  expect([made.status, made.body["message"] as unknown]).toEqual([201, undefined]);
  return `${path}/${name}`;
}

/** Tries a patch and says what is wrong with it: field and message, without the value that is told. */
async function faults(
  path: string,
  patch: object,
  headers: Record<string, string> = patchTypes.merge,
): Promise<readonly string[]> {
  const { status, body } = await scene.api.ask("PATCH", `${path}?dryRun=All`, patch, headers);
  if (status === 200) return [];
  expect([status, body["reason"] as unknown]).toEqual([422, "Invalid"]);
  return itemsOf(body["details"]?.["causes"]).map((cause) => {
    const [line = ""] = textOf(cause["message"]).split("\n");
    const [kind = "", ...rest] = line.split(": ");
    return `${textOf(cause["field"])}: ${kind}: ${rest.at(-1) ?? ""}`;
  });
}

const fixedField = (field: string): string => `${field}: Invalid value: field is immutable`;
const container = (more: object): object => ({ spec: { containers: [{ name: "a", ...more }] } });
const other =
  "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

describe("of a Pod", () => {
  test.each<[string, object, readonly string[]]>([
    ["an image may change", container({ image: "j" }), []],
    ["an init image may change", { spec: { initContainers: [{ name: "i", image: "k" }] } }, []],
    ["the environment may not", container({ env: [{ name: "A", value: "2" }] }), [other]],
    ["the node may not", { spec: { nodeName: "z" } }, [other]],
    ["the time to end may not", { spec: { terminationGracePeriodSeconds: 5 } }, [other]],
    ["tolerations may be added", { spec: { tolerations: [{ key: "x", operator: "Exists" }] } }, []],
    ["a deadline may come sooner", { spec: { activeDeadlineSeconds: 50 } }, []],
    [
      "a deadline may not come later",
      { spec: { activeDeadlineSeconds: 500 } },
      ["spec.activeDeadlineSeconds: Invalid value: must be less than or equal to previous value"],
    ],
    [
      "a deadline may not go",
      { spec: { activeDeadlineSeconds: null } },
      ["spec.activeDeadlineSeconds: Invalid value: must not update from a positive integer to nil value"],
    ],
    [
      "containers may not be added",
      { spec: { containers: [{ name: "b", image: "z" }] } },
      ["spec.containers: Forbidden: pod updates may not add or remove containers"],
    ],
    ["labels may change", { metadata: { labels: { z: "1" } } }, []],
  ])("%s", async (_, patch, want) => {
    expect(await faults(pod, patch, patchTypes.strategic)).toEqual([...want]);
  });

  test("its own tolerations may not go, and what a status says of its spec is nothing", async () => {
    const tolerating = await make("pods", {
      spec: { containers: [{ name: "a", image: "i" }], tolerations: [{ key: "x", operator: "Exists" }] },
    });
    expect(await faults(tolerating, { spec: { tolerations: [] } })).toEqual([
      "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds",
    ]);
    // Those that every Pod is given come back by themselves.
    expect(await faults(pod, { spec: { tolerations: [] } })).toEqual([]);
    const spec = { spec: { nodeName: "q" } };
    const { status, body } = await scene.api.ask("PATCH", `${pod}/status`, spec, patchTypes.merge);
    expect([status, body["spec"]?.["nodeName"] as unknown]).toEqual([200, "nowhere"]);
    const late = await scene.api.ask("PATCH", pod, { status: { phase: "Failed" } }, patchTypes.merge);
    expect([late.status, late.body["status"]?.["phase"] as unknown]).toEqual([200, "Pending"]);
  });
});

const template = { metadata: { labels: { a: "b" } }, spec: { containers: [{ name: "a", image: "i" }] } };
const spec = { replicas: 0, selector: { matchLabels: { a: "b" } }, template };
const { replicas: _replicas, ...unscaled } = spec;
const reselect = {
  spec: { selector: { matchLabels: { a: "c" } }, template: { metadata: { labels: { a: "c" } } } },
};

test.each<[string, string | undefined, object, readonly (readonly [object, readonly string[]])[]]>([
  ["deployments", "apps/v1", { spec }, [[reselect, [fixedField("spec.selector")]]]],
  ["replicasets", "apps/v1", { spec }, [[reselect, [fixedField("spec.selector")]]]],
  ["daemonsets", "apps/v1", { spec: unscaled }, [[reselect, [fixedField("spec.selector")]]]],
  [
    "statefulsets",
    "apps/v1",
    { spec: { ...spec, serviceName: "x" } },
    [
      [reselect, [fixedField("spec.selector")]],
      [{ spec: { serviceName: "y" } }, [fixedField("spec.serviceName")]],
      [{ spec: { podManagementPolicy: "Parallel" } }, [fixedField("spec.podManagementPolicy")]],
      [{ spec: { minReadySeconds: 3, revisionHistoryLimit: 4 } }, []],
    ],
  ],
  [
    "jobs",
    "batch/v1",
    {
      spec: {
        suspend: true,
        completions: 2,
        template: { spec: { restartPolicy: "Never", containers: [{ name: "a", image: "i" }] } },
      },
    },
    [
      [{ spec: { completions: 3 } }, [fixedField("spec.completions")]],
      [
        { spec: { template: { spec: { containers: [{ name: "a", image: "z" }] } } } },
        [fixedField("spec.template.spec")],
      ],
      [{ spec: { template: { metadata: { labels: { q: "1" } } } } }, []],
      [{ spec: { parallelism: 2, backoffLimit: 2 } }, []],
    ],
  ],
  [
    "services",
    undefined,
    { spec: { ports: [{ port: 80 }] } },
    [
      [
        { spec: { clusterIP: "10.96.77.1", clusterIPs: ["10.96.77.1"] } },
        ["spec.clusterIPs[0]: Invalid value: may not change once set"],
      ],
      [
        { spec: { clusterIP: "None", clusterIPs: ["None"] } },
        ["spec.clusterIPs[0]: Invalid value: may not change once set"],
      ],
      [{ spec: { clusterIP: null, clusterIPs: null } }, []],
    ],
  ],
  ["secrets", undefined, { stringData: { a: "1" } }, [[{ type: "x/y" }, [fixedField("type")]]]],
  [
    "configmaps",
    undefined,
    { immutable: true, data: { a: "1" } },
    [
      [{ data: { a: "2" } }, ["data: Forbidden: field is immutable when `immutable` is set"]],
      [{ binaryData: { b: "aGk=" } }, ["binaryData: Forbidden: field is immutable when `immutable` is set"]],
      [{ immutable: false }, ["immutable: Forbidden: field is immutable when `immutable` is set"]],
    ],
  ],
  [
    "rolebindings",
    "rbac.authorization.k8s.io/v1",
    { roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "x" }, subjects: [] },
    [[{ roleRef: { name: "y" } }, [fixedField("roleRef")]]],
  ],
  [
    "endpointslices",
    "discovery.k8s.io/v1",
    { addressType: "IPv4", endpoints: [] },
    [[{ addressType: "IPv6" }, [fixedField("addressType")]]],
  ],
])("of %s, what is fixed stays", async (...[resource, groupVersion, more, cases]) => {
  const path = await make(resource, more, groupVersion);
  for (const [patch, want] of cases) expect(await faults(path, patch)).toEqual([...want]);
});
