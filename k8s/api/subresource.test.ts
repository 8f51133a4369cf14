/** Subresources and reviews that another folder brings, asked over HTTP. */
import { afterAll, expect, test } from "bun:test";
import { systemClock } from "#host/clock.ts";
import { silentLog } from "#host/log.ts";
import type { User } from "./api.ts";
import { openApi } from "./open-api.ts";
import { readBody } from "./request-body.ts";

const admin: User = { name: "admin", groups: ["system:masters"] };
const api = openApi({
  dataFile: ":memory:",
  clock: systemClock,
  random: Math.random,
  log: silentLog,
  subresources: [
    {
      group: "",
      resource: "configmaps",
      subresource: "echo",
      verbs: ["get", "create"],
      kind: { group: "tests", version: "v1", kind: "Echo" },
      handle: async ({ object, verb, user, request, target }) =>
        Response.json([object.metadata.name, verb, user.name, await readBody(request), target.namespace]),
    },
  ],
  reviews: [
    {
      group: "tests",
      version: "v1",
      resource: "reviews",
      kind: "Review",
      namespaced: false,
      handle: async ({ request, user }) => Response.json([user.name, await readBody(request)]),
    },
  ],
});
afterAll(() => api.close());
await api.client.create(
  { group: "", version: "v1", resource: "configmaps", kind: "ConfigMap", namespaced: true },
  { metadata: { name: "a", namespace: "default" } },
);

async function ask(method: string, path: string, user = admin): Promise<[number, unknown]> {
  const body = method === "POST" ? { body: '{"b":1}' } : {};
  const response = await api.handle(new Request(`https://api${path}`, { method, ...body }), user);
  const answer: unknown = await response.json();
  return [response.status, response.ok ? answer : (answer as { reason: string }).reason];
}

const maps = "/api/v1/namespaces/default/configmaps";
const stranger: User = { name: "stranger", groups: [] };

test.each<[method: string, path: string, user: User, want: [number, unknown]]>([
  ["GET", `${maps}/a/echo`, admin, [200, ["a", "get", "admin", null, "default"]]],
  ["POST", `${maps}/a/echo`, admin, [200, ["a", "create", "admin", { b: 1 }, "default"]]],
  ["DELETE", `${maps}/a/echo`, admin, [405, "MethodNotAllowed"]],
  ["GET", `${maps}/none/echo`, admin, [404, "NotFound"]],
  ["GET", `${maps}/a/other`, admin, [404, "NotFound"]],
  ["GET", `${maps}/a/echo`, stranger, [403, "Forbidden"]],
  ["POST", "/apis/tests/v1/reviews", admin, [200, ["admin", { b: 1 }]]],
  ["POST", "/apis/tests/v1/namespaces/default/reviews", admin, [405, "MethodNotAllowed"]],
  ["GET", "/apis/tests/v1/reviews", admin, [405, "MethodNotAllowed"]],
  ["POST", "/apis/tests/v2/reviews", admin, [404, "NotFound"]],
  ["POST", "/apis/tests/v1/reviews", stranger, [403, "Forbidden"]],
])("%s %s as %p", async (method, path, user, want) => {
  expect(await ask(method, path, user)).toEqual(want);
});

test("discovery tells of both", async () => {
  const lists = await Promise.all(
    ["/api/v1", "/apis/tests/v1"].map(async (path) => {
      const [, list] = await ask("GET", path);
      return (list as { resources: readonly { name: string }[] }).resources;
    }),
  );
  expect(lists[0]?.find(({ name }) => name === "configmaps/echo")).toEqual({
    name: "configmaps/echo",
    singularName: "",
    namespaced: true,
    group: "tests",
    version: "v1",
    kind: "Echo",
    verbs: ["get", "create"],
  } as never);
  expect(lists[1]).toEqual([
    {
      name: "reviews",
      singularName: "review",
      namespaced: false,
      kind: "Review",
      verbs: ["create"],
    } as never,
  ]);
});
