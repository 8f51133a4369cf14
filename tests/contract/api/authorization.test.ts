/** Who may do what: roles and bindings, escalation, impersonation, reviews and tokens of service accounts. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Answer, itemsOf, textOf } from "./api-under-test.ts";
import { openScene, refusal, type Scene, until } from "./scene.ts";

const rbac = "rbac.authorization.k8s.io/v1";
const reviews = "/apis/authorization.k8s.io/v1";
const authentication = "/apis/authentication.k8s.io/v1";
const suffix = crypto.randomUUID().slice(0, 8);
const user = `u-${suffix}`;

let scene: Scene;
const clusterWide: string[] = [];
beforeAll(async () => {
  scene = await openScene("rbac");
  await makeClusterWide("clusterroles", `rolemaker-${suffix}`, {
    rules: [
      {
        verbs: ["create", "get", "update", "patch"],
        apiGroups: ["rbac.authorization.k8s.io"],
        resources: ["roles", "rolebindings", "clusterroles", "clusterrolebindings"],
      },
      { verbs: ["get"], apiGroups: [""], resources: ["pods"] },
    ],
  });
  await makeClusterWide("clusterrolebindings", user, {
    roleRef: roleRef("ClusterRole", `rolemaker-${suffix}`),
    subjects: toUser(),
  });
  await until(async () => ((await as(user, "GET", `${pods()}/none`)).status === 404 ? true : undefined));
});
afterAll(async () => {
  for (const path of clusterWide) await scene.api.ask("DELETE", path);
  await scene[Symbol.asyncDispose]();
});

async function makeClusterWide(resource: string, name: string, spec: object): Promise<void> {
  const path = `/apis/${rbac}/${resource}`;
  await make(path, { metadata: { name }, ...spec });
  clusterWide.push(`${path}/${name}`);
}

async function make(path: string, body: object): Promise<Answer> {
  const answer = await scene.api.ask("POST", path, body);
  expect([answer.status, answer.body["message"]]).toEqual([201, undefined as never]);
  return answer;
}

/** Asks as somebody else. */
function as(name: string, method: string, path: string, body?: object): Promise<Answer> {
  return scene.api.ask(method, path, body, { "impersonate-user": name });
}

function pods(): string {
  return scene.path("pods");
}

function toUser(): readonly object[] {
  return [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: user }];
}

function roleRef(kind: string, name: string): object {
  return { apiGroup: "rbac.authorization.k8s.io", kind, name };
}

/** A refusal's text without what differs from run to run. */
function told(answer: Answer): string {
  return textOf(answer.body["message"]).replaceAll(user, "U").replaceAll(scene.namespace, "N");
}

describe("a user without a grant", () => {
  test.each([
    [
      "GET",
      "/api/v1/namespaces/N/pods",
      'pods is forbidden: User "U" cannot list resource "pods" in API group "" in the namespace "N"',
    ],
    [
      "DELETE",
      "/api/v1/namespaces/N/pods/x",
      'pods "x" is forbidden: User "U" cannot delete resource "pods" in API group "" in the namespace "N"',
    ],
    [
      "GET",
      "/api/v1/nodes",
      'nodes is forbidden: User "U" cannot list resource "nodes" in API group "" at the cluster scope',
    ],
    [
      "GET",
      "/api/v1/namespaces/N",
      'namespaces "N" is forbidden: User "U" cannot get resource "namespaces" in API group "" in the namespace "N"',
    ],
    [
      "PUT",
      "/apis/apps/v1/namespaces/N/deployments/x/status",
      'deployments.apps "x" is forbidden: User "U" cannot update resource "deployments/status" in API group "apps" in the namespace "N"',
    ],
    [
      "GET",
      "/api/v1/namespaces/N/secrets?watch=1&fieldSelector=metadata.name%3Dx",
      'secrets "x" is forbidden: User "U" cannot watch resource "secrets" in API group "" in the namespace "N"',
    ],
    [
      "GET",
      "/apis/foo.bar/v1/things",
      'things.foo.bar is forbidden: User "U" cannot list resource "things" in API group "foo.bar" at the cluster scope',
    ],
    ["GET", "/metrics", 'forbidden: User "U" cannot get path "/metrics"'],
  ])("is refused: %s %s", async (method, path, message) => {
    const answer = await as(user, method, path.replaceAll("/N", `/${scene.namespace}`));
    expect([answer.status, textOf(answer.body["reason"]), told(answer)]).toEqual([403, "Forbidden", message]);
  });

  test("discovers what there is", async () => {
    expect((await as(user, "GET", "/apis")).status).toBe(200);
  });
});

test("an account does what its role grants in its namespace", async () => {
  const account = `system:serviceaccount:${scene.namespace}:reader`;
  const path = scene.path("configmaps");
  expect((await as(account, "GET", path)).status).toBe(403);
  await make(scene.path("roles", rbac), {
    metadata: { name: "reader" },
    rules: [{ verbs: ["list"], apiGroups: [""], resources: ["configmaps"] }],
  });
  await make(scene.path("rolebindings", rbac), {
    metadata: { name: "reader" },
    roleRef: roleRef("Role", "reader"),
    subjects: [{ kind: "ServiceAccount", name: "reader" }],
  });
  await until(async () => ((await as(account, "GET", path)).status === 200 ? true : undefined));
  expect((await as(account, "GET", "/api/v1/namespaces/default/configmaps")).status).toBe(403);
  const spec = {
    user: account,
    resourceAttributes: { verb: "list", resource: "configmaps", namespace: scene.namespace },
  };
  const review = await make(`${reviews}/subjectaccessreviews`, { spec });
  expect(review.body["status"] as unknown).toEqual({
    allowed: true,
    reason: `RBAC: allowed by RoleBinding "reader/${scene.namespace}" of Role "reader" to ServiceAccount "reader/${scene.namespace}"`,
  });
});

const groups = '(groups=["system:authenticated"])';
test.each<[string, string, object, number, string]>([
  [
    "a role within what it holds",
    "roles",
    { rules: [{ verbs: ["get"], apiGroups: [""], resources: ["pods"] }] },
    201,
    "",
  ],
  [
    "a role beyond",
    "roles",
    {
      rules: [
        { verbs: ["get", "list", "delete"], apiGroups: ["", "apps"], resources: ["pods", "pods/log"] },
        { verbs: ["get"], apiGroups: [""], resources: ["configmaps"], resourceNames: ["a", "b"] },
      ],
    },
    403,
    [
      `roles.rbac.authorization.k8s.io "NAME" is forbidden: user "U" ${groups} is attempting to grant RBAC permissions not currently held:`,
      '{APIGroups:[""], Resources:["configmaps"], ResourceNames:["a"], Verbs:["get"]}',
      '{APIGroups:[""], Resources:["configmaps"], ResourceNames:["b"], Verbs:["get"]}',
      '{APIGroups:[""], Resources:["pods"], Verbs:["list" "delete"]}',
      '{APIGroups:[""], Resources:["pods/log"], Verbs:["get" "list" "delete"]}',
      '{APIGroups:["apps"], Resources:["pods"], Verbs:["get" "list" "delete"]}',
      '{APIGroups:["apps"], Resources:["pods/log"], Verbs:["get" "list" "delete"]}',
    ].join("\n"),
  ],
  [
    "an aggregate",
    "clusterroles",
    { aggregationRule: { clusterRoleSelectors: [{ matchLabels: { a: "b" } }] }, rules: [] },
    403,
    'clusterroles.rbac.authorization.k8s.io "NAME" is forbidden: must have cluster-admin privileges to use the aggregationRule',
  ],
  [
    "a binding of more",
    "rolebindings",
    { roleRef: roleRef("ClusterRole", "system:auth-delegator"), subjects: [] },
    403,
    `rolebindings.rbac.authorization.k8s.io "NAME" is forbidden: user "U" ${groups} is attempting to grant RBAC permissions not currently held:\n{APIGroups:["authentication.k8s.io"], Resources:["tokenreviews"], Verbs:["create"]}\n{APIGroups:["authorization.k8s.io"], Resources:["subjectaccessreviews"], Verbs:["create"]}`,
  ],
  [
    "a binding of nothing",
    "rolebindings",
    { roleRef: roleRef("ClusterRole", "nope"), subjects: [] },
    404,
    'rolebindings.rbac.authorization.k8s.io "nope" not found',
  ],
])("nobody gives more than they have: %s", async (...[, resource, spec, status, message]) => {
  const path = resource === "clusterroles" ? `/apis/${rbac}/clusterroles` : scene.path(resource, rbac);
  const name = scene.fresh();
  const answer = await as(user, "POST", path, { metadata: { name }, ...spec });
  const text = answer.status < 400 ? "" : told(answer);
  expect([answer.status, text]).toEqual([status, message.replace("NAME", name)]);
});

test.each<[string, object, readonly string[]]>([
  [
    "roles",
    {
      rules: [
        { verbs: [], apiGroups: [], resources: [] },
        { verbs: ["get"], nonResourceURLs: ["/x"] },
        { verbs: ["get"], apiGroups: [""] },
      ],
    },
    [
      "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
      "rules[0].resources: Required value: resource rules must supply at least one resource",
      "rules[0].verbs: Required value",
      'rules[1].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs',
      "rules[2].resources: Required value: resource rules must supply at least one resource",
    ],
  ],
  [
    "clusterroles",
    { rules: [{ verbs: ["get"], nonResourceURLs: ["/x"], resources: ["a"] }] },
    [
      'rules[0].nonResourceURLs: Invalid value: ["/x"]: rules cannot apply to both regular resources and non-resource URLs',
    ],
  ],
  [
    "rolebindings",
    {
      roleRef: { apiGroup: "x", kind: "Foo", name: "" },
      subjects: [
        { kind: "Group", name: "" },
        { kind: "Bad", name: "g" },
      ],
    },
    [
      'roleRef.apiGroup: Unsupported value: "x": supported values: "rbac.authorization.k8s.io"',
      'roleRef.kind: Unsupported value: "Foo": supported values: "Role", "ClusterRole"',
      "roleRef.name: Required value",
      "subjects[0].name: Required value",
      'subjects[1].kind: Unsupported value: "Bad": supported values: "ServiceAccount", "User", "Group"',
    ],
  ],
  [
    "clusterrolebindings",
    { roleRef: { kind: "Role", name: "x" }, subjects: [{ kind: "ServiceAccount", name: "a" }] },
    [
      'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
      "subjects[0].namespace: Required value",
    ],
  ],
])("%s of another form are refused", async (resource, spec, want) => {
  const path = resource.startsWith("cluster") ? `/apis/${rbac}/${resource}` : scene.path(resource, rbac);
  const answer = await scene.api.ask("POST", path, { metadata: { name: scene.fresh() }, ...spec });
  expect(answer.status).toBe(422);
  const causes = itemsOf(answer.body["details"]?.["causes"]);
  expect(causes.map((cause) => `${textOf(cause["field"])}: ${textOf(cause["message"])}`).toSorted()).toEqual([
    ...want,
  ]);
});

test("a binding keeps its role", async () => {
  const path = scene.path("rolebindings", rbac);
  const name = scene.fresh();
  const subjects = [{ kind: "Group", name: "g" }];
  const made = await make(path, {
    metadata: { name },
    roleRef: { kind: "ClusterRole", name: "a" },
    subjects,
  });
  expect(made.body["subjects"] as unknown).toEqual([
    { kind: "Group", apiGroup: "rbac.authorization.k8s.io", name: "g" },
  ]);
  const body = { metadata: { name }, roleRef: roleRef("ClusterRole", "b"), subjects: made.body["subjects"] };
  expect(refusal(await scene.api.ask("PUT", `${path}/${name}`, body))).toEqual([
    422,
    "Invalid",
    `RoleBinding.rbac.authorization.k8s.io "${name}" is invalid: roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"ClusterRole","Name":"b"}: field is immutable`,
  ]);
});

async function allowed(...[name, verb, resource, group = ""]: string[]): Promise<unknown> {
  const resourceAttributes = { verb, resource, group, namespace: scene.namespace };
  const spec = { user: name, resourceAttributes };
  return (await make(`${reviews}/subjectaccessreviews`, { spec })).body["status"]?.["allowed"];
}

test("the roles that are there from the start grant what they do everywhere", async () => {
  for (const role of ["view", "edit", "admin", "cluster-admin"]) {
    await make(scene.path("rolebindings", rbac), {
      metadata: { name: role },
      roleRef: roleRef("ClusterRole", role),
      subjects: [{ kind: "User", name: `${role}-${suffix}` }],
    });
  }
  await until(async () => ((await allowed(`view-${suffix}`, "get", "pods")) === true ? true : undefined));
  const rows: unknown[] = [];
  for (const [verb, resource, group] of [
    ["list", "pods", ""],
    ["get", "secrets", ""],
    ["create", "deployments", "apps"],
    ["create", "rolebindings", "rbac.authorization.k8s.io"],
    ["delete", "namespaces", ""],
    ["create", "things", "foo.bar"],
  ] as const) {
    const row: unknown[] = [];
    for (const role of ["view", "edit", "admin", "cluster-admin"]) {
      row.push(await allowed(`${role}-${suffix}`, verb, resource, group));
    }
    rows.push([verb, resource, ...row]);
  }
  expect(rows).toEqual([
    ["list", "pods", true, true, true, true],
    ["get", "secrets", false, true, true, true],
    ["create", "deployments", false, true, true, true],
    ["create", "rolebindings", false, false, true, true],
    ["delete", "namespaces", false, false, false, true],
    ["create", "things", false, false, false, true],
  ]);
});

describe("who am I", () => {
  test.each<[Record<string, string>, unknown]>([
    [{ "impersonate-user": "joe" }, { username: "joe", groups: ["system:authenticated"] }],
    [
      {
        "impersonate-user": "joe",
        "impersonate-group": "devs",
        "impersonate-uid": "u1",
        "impersonate-extra-scopes": "view",
      },
      { username: "joe", uid: "u1", groups: ["devs", "system:authenticated"], extra: { scopes: ["view"] } },
    ],
    [
      { "impersonate-user": "system:serviceaccount:a:b" },
      {
        username: "system:serviceaccount:a:b",
        groups: ["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"],
      },
    ],
  ])("as %j", async (headers, want) => {
    const answer = await scene.api.ask("POST", `${authentication}/selfsubjectreviews`, {}, headers);
    expect([answer.status, answer.body["status"]?.["userInfo"] as unknown]).toEqual([201, want]);
  });

  test("a group without a user is nobody", async () => {
    const headers = { "impersonate-group": "devs" };
    expect((await scene.api.ask("POST", `${authentication}/selfsubjectreviews`, {}, headers)).status).toBe(
      400,
    );
  });
});

test("what I may do, as a list", async () => {
  const body = { spec: { namespace: scene.namespace } };
  const answer = await as(user, "POST", `${reviews}/selfsubjectrulesreviews`, body);
  const status = answer.body["status"];
  expect(status?.["incomplete"] as unknown).toBe(false);
  expect(itemsOf(status?.["resourceRules"]) as unknown[]).toContainEqual({
    verbs: ["get"],
    apiGroups: [""],
    resources: ["pods"],
  });
  expect(JSON.stringify(status?.["nonResourceRules"])).toContain('"/openapi/*"');
});

function tokenPath(): string {
  return `${scene.path("serviceaccounts")}/tok/token`;
}

describe("tokens of service accounts", () => {
  beforeAll(async () => {
    await make(scene.path("serviceaccounts"), { metadata: { name: "tok" } });
  });

  test("speak for their account", async () => {
    const { body } = await make(tokenPath(), { spec: { audiences: ["vault"], expirationSeconds: 600 } });
    const token = textOf(body["status"]?.["token"]);
    const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as Record<
      string,
      unknown
    >;
    const { uid } =
      (await scene.api.ask("GET", `${scene.path("serviceaccounts")}/tok`)).body["metadata"] ?? {};
    expect(claims).toMatchObject({
      aud: ["vault"],
      iss: "https://kubernetes.default.svc.cluster.local",
      sub: `system:serviceaccount:${scene.namespace}:tok`,
      "kubernetes.io": { namespace: scene.namespace, serviceaccount: { name: "tok", uid } },
    });
    expect(Number(claims["exp"]) - Number(claims["iat"])).toBe(600);
    const review = async (audiences?: readonly string[]): Promise<Answer> =>
      make(`${authentication}/tokenreviews`, { spec: { token, audiences } });
    expect((await review()).body["status"] as unknown).toEqual({
      user: {},
      error:
        '[invalid bearer token, token audiences ["vault"] is invalid for the target audiences ["https://kubernetes.default.svc.cluster.local"]]',
    });
    expect((await review(["vault"])).body["status"] as unknown).toEqual({
      authenticated: true,
      user: {
        username: `system:serviceaccount:${scene.namespace}:tok`,
        uid,
        groups: [
          "system:serviceaccounts",
          `system:serviceaccounts:${scene.namespace}`,
          "system:authenticated",
        ],
        extra: { "authentication.kubernetes.io/credential-id": [`JTI=${textOf(claims["jti"])}`] },
      },
      audiences: ["vault"],
    });
  });

  test.each<[object, number, string]>([
    [
      { spec: { expirationSeconds: 300 } },
      422,
      'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 300: may not specify a duration less than 10 minutes',
    ],
    [
      { spec: { boundObjectRef: { kind: "ConfigMap", apiVersion: "v1", name: "x" } } },
      400,
      "cannot bind token to object of type /v1, Kind=ConfigMap",
    ],
    [
      { spec: { boundObjectRef: { kind: "Pod", apiVersion: "v1", name: "nope" } } },
      404,
      'pods "nope" not found',
    ],
    [
      { metadata: { name: "other" } },
      422,
      'TokenRequest.authentication.k8s.io "tok" is invalid: metadata.name: Invalid value: "other": must match the service account name if specified',
    ],
  ])("are not given for %j", async (body, status, message) => {
    const answer = await scene.api.ask("POST", tokenPath(), body);
    expect([answer.status, textOf(answer.body["message"])]).toEqual([status, message]);
  });
});
