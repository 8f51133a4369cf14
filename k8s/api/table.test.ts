/** What `kubectl get` is sent: paths, ages, cells. */
import { afterAll, expect, test } from "bun:test";
import { systemClock } from "#host/clock.ts";
import { functionResource } from "#host/kube/known-resources.ts";
import { silentLog } from "#host/log.ts";
import { configMapResource, serviceResource } from "../model/core-objects.ts";
import { lambientDefinitions } from "../model/definitions.ts";
import { humanDuration } from "./human-duration.ts";
import { findByPath, parseJsonPath } from "./json-path.ts";
import { openApi } from "./open-api.ts";
import { representationOf } from "./representation.ts";

const document = {
  a: { b: 1, "c.d": 2 },
  list: [
    { type: "Ready", status: "True" },
    { type: "Other", status: "False" },
  ],
};

test.each([
  [".a.b", [1]],
  ["{.a.b}", [1]],
  [".a['c.d']", [2]],
  [".a.c\\.d", [2]],
  [".a.nothing", []],
  [".list[1].status", ["False"]],
  [".list[9]", []],
  [".list[*].type", ["Ready", "Other"]],
  [".a[*]", [1, 2]],
  ['.list[?(@.type=="Ready")].status', ["True"]],
  [".a.b.c", []],
  [".toString", []],
])("the path %p leads to %j", (path, want) => {
  const steps = parseJsonPath(path);
  expect(steps.ok && findByPath(document, steps.value)).toEqual(want);
});

test.each(["a", ".a[", ".a[x]", ".a[?(@.b>1)]", ".."])("the path %p is refused", (path) => {
  expect(parseJsonPath(path).ok).toBeFalse();
});

test.each([
  [-5, "<invalid>"],
  [0, "0s"],
  [119, "119s"],
  [120, "2m"],
  [200, "3m20s"],
  [3599, "59m"],
  [3 * 3600, "3h"],
  [3 * 3600 + 120, "3h2m"],
  [9 * 3600, "9h"],
  [50 * 3600, "2d2h"],
  [20 * 86_400, "20d"],
  [800 * 86_400, "2y70d"],
  [3650 * 86_400, "10y"],
])("humanDuration(%p) is %p", (seconds, want) => {
  expect(humanDuration(seconds)).toBe(want);
});

const asTable = "application/json;as=Table;v=v1;g=meta.k8s.io";
const asMetadata = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

test.each([
  ["", "object"],
  ["application/json", "object"],
  ["application/json, */*", "object"],
  [`${asTable},application/json`, "table"],
  [`application/json,${asTable}`, "object"],
  ["application/json;as=Table;v=v9;g=meta.k8s.io,application/json", "object"],
  ["application/json;as=Table;v=v9;g=meta.k8s.io", undefined],
  ["application/json;as=toString;v=v1;g=meta.k8s.io", undefined],
  ["application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io", undefined],
  [`application/vnd.kubernetes.protobuf,${asMetadata}`, "metadata"],
  ["application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", "metadata-list"],
] as const)("representationOf(%p) is %p", (header, want) => {
  expect(representationOf(header)).toBe(want);
});

const api = openApi({
  dataFile: ":memory:",
  clock: systemClock,
  random: Math.random,
  log: silentLog,
  definitions: lambientDefinitions,
});
afterAll(() => api.close());
const admin = { name: "admin", groups: ["system:masters"] };
const accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

interface Table {
  readonly kind: string;
  readonly columnDefinitions: readonly { readonly name: string }[];
  readonly rows: readonly {
    readonly cells: readonly unknown[];
    readonly object?: { readonly kind: string };
  }[];
}

async function tableAt(path: string): Promise<Table> {
  const response = await api.handle(new Request(`https://x${path}`, { headers: { accept } }), admin);
  return (await response.json()) as Table;
}

test("a list comes as a Table of its kind's columns", async () => {
  const namespace = "default";
  await api.client.create(serviceResource, {
    metadata: { name: "web", namespace },
    spec: {
      clusterIP: "10.96.0.7",
      ports: [
        { port: 80, name: "a" },
        { port: 81, name: "b" },
      ],
    },
  });
  const table = await tableAt("/api/v1/services");
  expect(table.kind).toBe("Table");
  expect(table.columnDefinitions.map((column) => column.name)).toEqual([
    "Name",
    "Type",
    "Cluster-IP",
    "External-IP",
    "Port(s)",
    "Age",
    "Selector",
  ]);
  const [row] = table.rows;
  expect(row?.cells.slice(0, 5)).toEqual(["web", "ClusterIP", "10.96.0.7", "<none>", "80/TCP,81/TCP"]);
  expect(row?.cells[5]).toMatch(/^\d+s$/);
  expect(row?.object?.kind).toBe("PartialObjectMetadata");
});

test("one object comes as a Table of one row, with as much of it as is asked for", async () => {
  const namespace = "default";
  await api.client.create(configMapResource, {
    metadata: { name: "m", namespace },
    data: { a: "1", b: "2" },
  });
  const path = "/api/v1/namespaces/default/configmaps/m";
  expect((await tableAt(`${path}?includeObject=None`)).rows[0]).toEqual({
    cells: ["m", 2, expect.any(String)],
  });
  expect((await tableAt(`${path}?includeObject=Object`)).rows[0]?.object?.kind).toBe("ConfigMap");
});

test("columns of definitions are read by their paths", async () => {
  const namespace = "default";
  const spec = { template: { bundle: `sha256:${"0".repeat(64)}` } } as never;
  await api.client.create(functionResource, { metadata: { name: "web", namespace }, spec });
  const conditions = [{ type: "Ready", status: "True" }];
  const value = { status: { url: "http://web.default", latestReadyRevision: "v1", conditions } };
  await api.client.patchStatus(functionResource, { namespace, name: "web" }, { kind: "merge", value });
  const [row] = (await tableAt("/apis/lambient.dev/v1alpha1/functions")).rows;
  expect(row?.cells.slice(0, 5)).toEqual(["web", "http://web.default", "True", null, "v1"]);
});

test("a watch comes as Tables of one row", async () => {
  await api.client.create(configMapResource, { metadata: { name: "watched", namespace: "default" } });
  const url = "https://x/api/v1/configmaps?watch=true&fieldSelector=metadata.name%3Dwatched";
  const reader = (await api.handle(new Request(url, { headers: { accept } }), admin)).body?.getReader();
  await reader?.read();
  const event: unknown = JSON.parse(new TextDecoder().decode((await reader?.read())?.value));
  expect(event).toMatchObject({
    type: "ADDED",
    object: { kind: "Table", rows: [{ cells: ["watched", 0, expect.stringMatching(/^\d+s$/)] }] },
  });
  await reader?.cancel();
});

async function jsonAs(as: string, path: string): Promise<{ code?: number; kind: string; items?: unknown }> {
  const header = `application/json;as=${as};g=meta.k8s.io;v=v1`;
  const request = new Request(`https://x${path}`, { headers: { accept: header } });
  return (await (await api.handle(request, admin)).json()) as { kind: string };
}

test("metadata alone is given of one object, of a list and of a watch's events", async () => {
  const path = "/api/v1/namespaces/default/configmaps";
  await api.client.create(configMapResource, {
    metadata: { name: "only", namespace: "default" },
    data: { a: "1" },
  });
  const one = await jsonAs("PartialObjectMetadata", `${path}/only`);
  expect(one).toEqual({
    kind: "PartialObjectMetadata",
    apiVersion: "meta.k8s.io/v1",
    metadata: expect.objectContaining({ name: "only" }),
  } as never);
  const list = await jsonAs("PartialObjectMetadataList", `${path}?fieldSelector=metadata.name%3Donly`);
  expect([list.kind, list.items]).toEqual(["PartialObjectMetadataList", [one]]);
  expect((await jsonAs("PartialObjectMetadata", path)).code).toBe(406);
  expect((await jsonAs("PartialObjectMetadataList", `${path}/only`)).code).toBe(406);
  const url = `https://x${path}?watch=1&fieldSelector=metadata.name%3Donly`;
  const watch = await api.handle(new Request(url, { headers: { accept: asMetadata } }), admin);
  const reader = watch.body?.getReader();
  // First comes an empty part, so that the client sees that the watch is open.
  await reader?.read();
  const event: unknown = JSON.parse(new TextDecoder().decode((await reader?.read())?.value));
  expect(event).toEqual({ type: "ADDED", object: one });
  await reader?.cancel();
});
