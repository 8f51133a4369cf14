/** Roles, bindings, impersonation and reviews over HTTP; texts are those of kube-apiserver 1.37. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { systemClock } from "#host/clock.ts";
import { silentLog } from "#host/log.ts";
import type { Api, User } from "../api.ts";
import { openApi } from "../open-api.ts";

const rbac = "/apis/rbac.authorization.k8s.io/v1";
const reviews = "/apis/authorization.k8s.io/v1";
const admin: User = { name: "admin", groups: ["system:masters", "system:authenticated"] };
const user: User = { name: "u", groups: ["system:authenticated"] };
const roleRef = (kind: string, name: string): object => ({
  apiGroup: "rbac.authorization.k8s.io",
  kind,
  name,
});
const toUser = [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: "u" }];

let serial = 0;
let api: Api;
beforeAll(async () => {
  api = openApi({ dataFile: ":memory:", clock: systemClock, random: Math.random, log: silentLog });
  await made("/api/v1/namespaces", { metadata: { name: "t" } });
  await made(`${rbac}/clusterroles`, {
    metadata: { name: "rolemaker" },
    rules: [
      {
        verbs: ["create", "get", "update", "patch"],
        apiGroups: ["rbac.authorization.k8s.io"],
        resources: ["roles", "rolebindings", "clusterroles", "clusterrolebindings"],
      },
      { verbs: ["get"], apiGroups: [""], resources: ["pods"] },
      { verbs: ["impersonate"], apiGroups: [""], resources: ["users"], resourceNames: ["friend"] },
    ],
  });
  await made(`${rbac}/clusterrolebindings`, {
    metadata: { name: "u" },
    roleRef: roleRef("ClusterRole", "rolemaker"),
    subjects: toUser,
  });
});
afterAll(() => api.close());

interface Asked {
  readonly as?: User;
  readonly body?: object;
  readonly headers?: Record<string, string>;
}

async function ask(
  method: string,
  path: string,
  { as = admin, body, headers = {} }: Asked = {},
): Promise<readonly [number, Record<string, unknown>]> {
  const request = new Request(`https://api${path}`, {
    method,
    headers: { "content-type": "application/json", ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const response = await api.handle(request, as);
  return [response.status, (await response.json()) as Record<string, unknown>];
}

async function made(path: string, body: object): Promise<void> {
  expect((await ask("POST", path, { body }))[0]).toBe(201);
}

/** Status and message of a refusal. */
async function refused(method: string, path: string, asked: Asked = {}): Promise<readonly unknown[]> {
  const [status, answer] = await ask(method, path, { as: user, ...asked });
  return [status, answer["message"]];
}

test.each([
  [
    "GET",
    "/api/v1/namespaces/t/pods",
    'pods is forbidden: User "u" cannot list resource "pods" in API group "" in the namespace "t"',
  ],
  [
    "DELETE",
    "/api/v1/namespaces/t/pods/x",
    'pods "x" is forbidden: User "u" cannot delete resource "pods" in API group "" in the namespace "t"',
  ],
  [
    "GET",
    "/api/v1/nodes",
    'nodes is forbidden: User "u" cannot list resource "nodes" in API group "" at the cluster scope',
  ],
  [
    "GET",
    "/api/v1/namespaces/t",
    'namespaces "t" is forbidden: User "u" cannot get resource "namespaces" in API group "" in the namespace "t"',
  ],
  [
    "PUT",
    "/apis/apps/v1/namespaces/t/deployments/x/status",
    'deployments.apps "x" is forbidden: User "u" cannot update resource "deployments/status" in API group "apps" in the namespace "t"',
  ],
  [
    "GET",
    "/apis/foo.bar/v1/things",
    'things.foo.bar is forbidden: User "u" cannot list resource "things" in API group "foo.bar" at the cluster scope',
  ],
  ["GET", "/metrics", 'forbidden: User "u" cannot get path "/metrics"'],
])("%s %s is refused", async (method, path, message) => {
  expect(await refused(method, path)).toEqual([403, message]);
});

test("what a role grants is done, in its namespace, until the binding is gone", async () => {
  const path = "/api/v1/namespaces/t/configmaps";
  await made(`${rbac}/namespaces/t/roles`, {
    metadata: { name: "reader" },
    rules: [{ verbs: ["list"], apiGroups: [""], resources: ["configmaps"] }],
  });
  const statuses = [(await ask("GET", path, { as: user }))[0]];
  await made(`${rbac}/namespaces/t/rolebindings`, {
    metadata: { name: "reader" },
    roleRef: roleRef("Role", "reader"),
    subjects: toUser,
  });
  statuses.push((await ask("GET", path, { as: user }))[0]);
  statuses.push((await ask("GET", "/api/v1/namespaces/default/configmaps", { as: user }))[0]);
  await ask("DELETE", `${rbac}/namespaces/t/rolebindings/reader`);
  statuses.push((await ask("GET", path, { as: user }))[0]);
  expect(statuses).toEqual([403, 200, 403, 403]);
});

test("aggregates have the rules of what their selectors match, also later", async () => {
  await made(`${rbac}/clusterroles`, {
    metadata: { name: "more", labels: { "rbac.authorization.k8s.io/aggregate-to-view": "true" } },
    rules: [{ verbs: ["get"], apiGroups: ["x.io"], resources: ["things"] }],
  });
  for (const name of ["view", "edit", "admin"]) {
    for (;;) {
      const [, role] = await ask("GET", `${rbac}/clusterroles/${name}`);
      if (JSON.stringify(role["rules"]).includes("things")) break;
      await Bun.sleep(1);
    }
  }
});

test("who is authenticated may discover and ask about itself", async () => {
  expect((await ask("GET", "/apis", { as: user }))[0]).toBe(200);
  const [status, who] = await ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {
    as: { ...user, uid: "1", extra: { a: ["b"] } },
    body: {},
  });
  expect([status, who["status"]]).toEqual([
    201,
    { userInfo: { username: "u", uid: "1", groups: ["system:authenticated"], extra: { a: ["b"] } } },
  ]);
  const body = { spec: { namespace: "t" } };
  const [, rules] = await ask("POST", `${reviews}/selfsubjectrulesreviews`, { as: user, body });
  expect(JSON.stringify(rules["status"])).toContain(
    '{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}',
  );
});

test.each<[string, string, User, object, unknown]>([
  [
    "self, allowed",
    "selfsubjectaccessreviews",
    user,
    { resourceAttributes: { verb: "get", resource: "pods", namespace: "t" } },
    {
      allowed: true,
      reason: 'RBAC: allowed by ClusterRoleBinding "u" of ClusterRole "rolemaker" to User "u"',
    },
  ],
  [
    "self, not allowed",
    "selfsubjectaccessreviews",
    user,
    { resourceAttributes: { verb: "list", resource: "pods", namespace: "t" } },
    { allowed: false },
  ],
  [
    "a master",
    "selfsubjectaccessreviews",
    admin,
    { nonResourceAttributes: { verb: "get", path: "/x" } },
    { allowed: true },
  ],
  [
    "another",
    "subjectaccessreviews",
    admin,
    {
      user: "u",
      resourceAttributes: { verb: "create", group: "rbac.authorization.k8s.io", resource: "roles" },
    },
    {
      allowed: true,
      reason: 'RBAC: allowed by ClusterRoleBinding "u" of ClusterRole "rolemaker" to User "u"',
    },
  ],
  [
    "in a namespace",
    "namespaces/t/localsubjectaccessreviews",
    admin,
    { groups: ["system:masters"], resourceAttributes: { verb: "get", resource: "pods", namespace: "t" } },
    { allowed: true },
  ],
])("a review of %s", async (...[, resource, as, spec, want]) => {
  const [status, answer] = await ask("POST", `${reviews}/${resource}`, { as, body: { spec } });
  expect([status, answer["spec"], answer["status"]]).toEqual([201, spec, want]);
});

test.each<[string, object, string]>([
  [
    "selfsubjectaccessreviews",
    {},
    '.authorization.k8s.io "" is invalid: spec: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified',
  ],
  [
    "subjectaccessreviews",
    { resourceAttributes: {} },
    '.authorization.k8s.io "" is invalid: spec.user: Invalid value: "": at least one of user or group must be specified',
  ],
  [
    "namespaces/t/localsubjectaccessreviews",
    { user: "u", resourceAttributes: {} },
    '.authorization.k8s.io "" is invalid: spec.resourceAttributes.namespace: Invalid value: "": must match metadata.namespace',
  ],
])("a review of nothing: %s", async (resource, spec, message) => {
  expect(await refused("POST", `${reviews}/${resource}`, { as: admin, body: { spec } })).toEqual([
    422,
    message,
  ]);
});

const groups = '(groups=["system:authenticated"])';
test.each<[string, string, object, number, string | undefined]>([
  [
    "a role within what it holds",
    "namespaces/t/roles",
    { rules: [{ verbs: ["get"], apiGroups: [""], resources: ["pods"] }] },
    201,
    undefined,
  ],
  [
    "a role beyond",
    "namespaces/t/roles",
    { rules: [{ verbs: ["get", "list"], apiGroups: [""], resources: ["pods"] }] },
    403,
    `roles.rbac.authorization.k8s.io "NAME" is forbidden: user "u" ${groups} is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["list"]}`,
  ],
  [
    "an aggregate",
    "clusterroles",
    { aggregationRule: { clusterRoleSelectors: [{ matchLabels: { a: "b" } }] } },
    403,
    'clusterroles.rbac.authorization.k8s.io "NAME" is forbidden: must have cluster-admin privileges to use the aggregationRule',
  ],
  [
    "a binding of more",
    "namespaces/t/rolebindings",
    { roleRef: roleRef("ClusterRole", "system:auth-delegator"), subjects: toUser },
    403,
    `rolebindings.rbac.authorization.k8s.io "NAME" is forbidden: user "u" ${groups} is attempting to grant RBAC permissions not currently held:\n{APIGroups:["authentication.k8s.io"], Resources:["tokenreviews"], Verbs:["create"]}\n{APIGroups:["authorization.k8s.io"], Resources:["subjectaccessreviews"], Verbs:["create"]}`,
  ],
  [
    "a binding of no role",
    "namespaces/t/rolebindings",
    { roleRef: roleRef("ClusterRole", "nope"), subjects: toUser },
    404,
    'rolebindings.rbac.authorization.k8s.io "nope" not found',
  ],
])("nobody gives more than they have: %s", async (...[, resource, spec, status, message]) => {
  const body = { metadata: { name: `new-${++serial}` }, ...spec };
  expect(await refused("POST", `${rbac}/${resource}`, { body })).toEqual([
    status,
    message?.replace("NAME", `new-${serial}`),
  ]);
});

const whoami = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const on = '"selfsubjectreviews" in API group "authentication.k8s.io" at the cluster scope';
test.each<[string, User, Record<string, string>, number, unknown]>([
  [
    "a friend",
    user,
    { "impersonate-user": "friend" },
    201,
    { username: "friend", groups: ["system:authenticated"] },
  ],
  [
    "an account",
    admin,
    { "impersonate-user": "system:serviceaccount:t:sa" },
    201,
    {
      username: "system:serviceaccount:t:sa",
      groups: ["system:serviceaccounts", "system:serviceaccounts:t", "system:authenticated"],
    },
  ],
  [
    "all of somebody",
    admin,
    {
      "impersonate-user": "joe",
      "impersonate-group": "devs, ops",
      "impersonate-uid": "u1",
      "impersonate-extra-scopes": "view",
    },
    201,
    {
      username: "joe",
      uid: "u1",
      groups: ["devs", "ops", "system:authenticated"],
      extra: { scopes: ["view"] },
    },
  ],
  [
    "a stranger",
    user,
    { "impersonate-user": "joe" },
    403,
    `selfsubjectreviews.authentication.k8s.io is forbidden: User "u" cannot impersonate-on:user-info:create resource ${on}`,
  ],
  [
    "a stranger's account",
    user,
    { "impersonate-user": "system:serviceaccount:t:sa" },
    403,
    `selfsubjectreviews.authentication.k8s.io is forbidden: User "u" cannot impersonate-on:serviceaccount:create resource ${on}`,
  ],
  [
    "a friend in a group",
    user,
    { "impersonate-user": "friend", "impersonate-group": "system:masters" },
    403,
    `selfsubjectreviews.authentication.k8s.io is forbidden: User "u" cannot impersonate-on:user-info:create resource ${on}`,
  ],
  [
    "a group of nobody",
    admin,
    { "impersonate-group": "devs" },
    400,
    "requested groups, uid or extra values without impersonating a user name",
  ],
])("a request as %s", async (...[, as, headers, status, want]) => {
  const [got, answer] = await ask("POST", whoami, { as, headers, body: {} });
  const { userInfo } = (answer["status"] ?? {}) as { readonly userInfo?: unknown };
  expect([got, userInfo ?? answer["message"]]).toEqual([status, want]);
});
