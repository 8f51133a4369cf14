/** Discovery in its older and its aggregated form, health, and what clients keep by its tag. */
import { afterAll, expect, test } from "bun:test";
import { systemClock } from "#host/clock.ts";
import { silentLog } from "#host/log.ts";
import { functionDefinition } from "../../model/function.ts";
import type { User } from "../api.ts";
import { openApi } from "../open-api.ts";
import { aggregatedType, askedVersion } from "./aggregated.ts";
import { compareVersions } from "./version-order.ts";

const admin: User = { name: "admin", groups: ["system:masters"] };
const api = openApi({
  dataFile: ":memory:",
  clock: systemClock,
  random: Math.random,
  log: silentLog,
  definitions: [functionDefinition],
  subresources: [
    {
      group: "",
      resource: "pods",
      subresource: "eviction",
      verbs: ["create"],
      kind: { group: "policy", version: "v1", kind: "Eviction" },
      handle: async () => new Response(),
    },
  ],
});
afterAll(() => api.close());

function get(
  path: string,
  headers: Record<string, string> = {},
  user: User | undefined = admin,
): Promise<Response> {
  return api.handle(new Request(`https://api${path}`, { headers }), user);
}

async function jsonAt(path: string, headers: Record<string, string> = {}): Promise<Record<string, never>> {
  return (await (await get(path, headers)).json()) as Record<string, never>;
}

const asksV2 =
  "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

test.each([
  [asksV2, "v2"],
  ["application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList, application/json", "v2beta1"],
  ["application/json;g=apidiscovery.k8s.io;v=v9;as=APIGroupDiscoveryList,application/json", undefined],
  ["application/json", undefined],
  ["", undefined],
] as const)("askedVersion(%p) is %p", (accept, want) => {
  expect(askedVersion(accept)).toBe(want);
});

test("the aggregated form tells everything at once", async () => {
  const response = await get("/apis", { accept: asksV2 });
  expect(response.headers.get("content-type")).toBe(aggregatedType("v2"));
  const list = (await response.json()) as {
    apiVersion: string;
    items: readonly { metadata: { name: string }; versions: readonly { resources: readonly unknown[] }[] }[];
  };
  expect(list.apiVersion).toBe("apidiscovery.k8s.io/v2");
  const names = list.items.map((item) => item.metadata.name);
  expect(names[0]).toBe("apps");
  expect(names).toContain("lambient.dev");
  const functions = list.items.find((item) => item.metadata.name === "lambient.dev");
  expect(functions?.versions).toEqual([
    {
      version: "v1alpha1",
      freshness: "Current",
      resources: [
        {
          resource: "functions",
          responseKind: { group: "", version: "", kind: "Function" },
          scope: "Namespaced",
          singularResource: "function",
          verbs: ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
          shortNames: ["fn"],
          categories: ["all", "lambient"],
          subresources: [
            {
              subresource: "status",
              responseKind: { group: "", version: "", kind: "Function" },
              verbs: ["get", "patch", "update"],
            },
          ],
        },
      ],
    },
  ] as never);
});

test("the core group stands at /api, with the kinds of others' subresources", async () => {
  const { items } = await jsonAt("/api", { accept: asksV2 });
  const [core] = items as unknown as readonly {
    metadata: object;
    versions: readonly { resources: readonly { resource: string; subresources?: readonly object[] }[] }[];
  }[];
  expect(core?.metadata).toEqual({});
  const pods = core?.versions[0]?.resources.find(({ resource }) => resource === "pods");
  expect(pods?.subresources).toContainEqual({
    subresource: "eviction",
    responseKind: { group: "policy", version: "v1", kind: "Eviction" },
    verbs: ["create"],
  });
});

test("who has the answer is not sent it again", async () => {
  const first = await get("/apis", { accept: asksV2 });
  const etag = first.headers.get("etag") ?? "";
  expect(etag).toMatch(/^"[0-9A-F]{128}"$/);
  const second = await get("/apis", { accept: asksV2, "if-none-match": etag });
  expect([second.status, await second.text()]).toEqual([304, ""]);
  expect((await get("/apis", { accept: asksV2, "if-none-match": '"x"' })).status).toBe(200);
});

test.each<[path: string, want: object]>([
  ["/api", { kind: "APIVersions", versions: ["v1"] }],
  [
    "/apis/apps",
    { kind: "APIGroup", name: "apps", preferredVersion: { groupVersion: "apps/v1", version: "v1" } },
  ],
  ["/apis/apps/v1", { kind: "APIResourceList", groupVersion: "apps/v1" }],
  ["/version", { major: "1", gitVersion: expect.stringMatching(/^v1\.\d+\.\d+\+lambient$/) }],
  [
    "/",
    {
      paths: expect.arrayContaining(["/api/v1", "/apis/apps", "/apis/lambient.dev/v1alpha1", "/livez/ping"]),
    },
  ],
  ["/apis/none", { kind: "Status", code: 404 }],
  ["/apis/apps/v2", { kind: "Status", code: 404 }],
  ["/none", { kind: "Status", code: 404 }],
])("%s is %p", async (path, want) => {
  expect(await jsonAt(path)).toMatchObject(want);
});

test("a resource with a scale tells it, one without does not", async () => {
  const { resources } = await jsonAt("/apis/apps/v1");
  const names = (resources as unknown as readonly { name: string }[]).map(({ name }) => name);
  expect(names).toContain("deployments/scale");
  expect(names).not.toContain("daemonsets/scale");
});

test.each(["/healthz", "/livez", "/readyz", "/livez/ping"])("%s is open to all", async (path) => {
  const response = await api.handle(new Request(`https://api${path}`), undefined);
  expect([response.status, await response.text()]).toEqual([200, "ok"]);
});

test("health tells more when it is asked to", async () => {
  expect(await (await get("/readyz?verbose")).text()).toBe("[+]ping ok\nreadyz check passed\n");
});

test("versions are ordered as Kubernetes does", () => {
  const versions = ["v1alpha1", "foo", "v2", "v1beta2", "v1", "v10", "v1beta1", "bar"];
  expect([...versions].sort(compareVersions)).toEqual([
    "v10",
    "v2",
    "v1",
    "v1beta2",
    "v1beta1",
    "v1alpha1",
    "bar",
    "foo",
  ]);
});
