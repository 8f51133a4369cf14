/** Tokens of service accounts over HTTP, what they are good for and when they end; texts are those of kube-apiserver 1.37. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { decodeJwt } from "jose";
import { FakeClock } from "#host/fake/fake-clock.ts";
import { silentLog } from "#host/log.ts";
import type { Api, User } from "../api.ts";
import { objectOr, textOr } from "../json.ts";
import { openApi } from "../open-api.ts";
import { accountIssuer } from "./account-tokens.ts";

const admin: User = { name: "admin", groups: ["system:masters"] };
const node: User = { name: "system:lambient:node", groups: ["system:nodes"] };
const tokenPath = "/api/v1/namespaces/t/serviceaccounts/sa/token";
const reviewPath = "/apis/authentication.k8s.io/v1/tokenreviews";
const startMs = Date.parse("2026-11-24T12:00:00Z");

let clock: FakeClock;
let api: Api;
beforeEach(async () => {
  clock = new FakeClock(startMs);
  api = openApi({
    dataFile: ":memory:",
    clock,
    random: Math.random,
    log: silentLog,
    rootCertificate: "PEM",
    authenticate: (token) => Promise.resolve(token === "admin-token" ? admin : undefined),
  });
  await make("/api/v1/namespaces", { metadata: { name: "t" } });
  clock.advance(10);
  await make("/api/v1/namespaces/t/serviceaccounts", { metadata: { name: "sa" } });
  await make("/api/v1/namespaces/t/pods", podOf("p", { serviceAccountName: "sa", nodeName: "node-0" }));
});
afterEach(() => api.close());

function podOf(name: string, spec: object = {}): object {
  return { metadata: { name }, spec: { containers: [{ name: "c", image: "x" }], ...spec } };
}

async function ask(
  method: string,
  path: string,
  { body, as = admin }: { readonly body?: object; readonly as?: User } = {},
): Promise<readonly [number, Record<string, unknown>]> {
  const headers = { "content-type": "application/json" };
  const more = body === undefined ? {} : { body: JSON.stringify(body) };
  const response = await api.handle(new Request(`https://api${path}`, { method, headers, ...more }), as);
  return [response.status, (await response.json()) as Record<string, unknown>];
}

async function make(path: string, body: object): Promise<Record<string, unknown>> {
  const [status, made] = await ask("POST", path, { body });
  expect([status, made["message"]]).toEqual([201, undefined]);
  return made;
}

async function tokenFor(spec: object): Promise<string> {
  return textOr(objectOr((await make(tokenPath, { spec }))["status"])["token"]);
}

async function review(token: string, audiences?: readonly string[]): Promise<unknown> {
  const [, answer] = await ask("POST", reviewPath, { body: { spec: { token, audiences } } });
  return answer["status"];
}

const toPod = { apiVersion: "v1", kind: "Pod", name: "p" };

test("a token says what Kubernetes' tokens say, and speaks for its account", async () => {
  const made = await make(tokenPath, { spec: { boundObjectRef: toPod } });
  expect(objectOr(made["spec"])).toEqual({
    audiences: [accountIssuer],
    expirationSeconds: 3600,
    boundObjectRef: toPod,
  });
  const { token, expirationTimestamp } = objectOr(made["status"]);
  expect(expirationTimestamp).toBe("2026-11-24T13:00:00Z");
  const claims = decodeJwt(textOr(token));
  const { uid } = objectOr(made["metadata"]);
  const pod = objectOr((await ask("GET", "/api/v1/namespaces/t/pods/p"))[1]["metadata"]);
  expect(claims).toEqual({
    aud: [accountIssuer],
    exp: startMs / 1000 + 3600,
    iat: startMs / 1000,
    nbf: startMs / 1000,
    iss: accountIssuer,
    jti: expect.any(String),
    sub: "system:serviceaccount:t:sa",
    "kubernetes.io": {
      namespace: "t",
      pod: { name: "p", uid: pod["uid"] },
      serviceaccount: { name: "sa", uid },
    },
  });
  const user = await api.authenticate(textOr(token));
  expect(user).toEqual({
    name: "system:serviceaccount:t:sa",
    uid: textOr(uid),
    groups: ["system:serviceaccounts", "system:serviceaccounts:t", "system:authenticated"],
    extra: {
      "authentication.kubernetes.io/credential-id": [`JTI=${claims.jti}`],
      "authentication.kubernetes.io/pod-name": ["p"],
      "authentication.kubernetes.io/pod-uid": [textOr(pod["uid"])],
    },
  });
});

test("a token ends with its time", async () => {
  const token = await tokenFor({ expirationSeconds: 600 });
  expect(await api.authenticate(token)).toBeDefined();
  clock.advance(601_000);
  expect(await api.authenticate(token)).toBeUndefined();
  expect(await review(token)).toEqual({
    user: {},
    error: "[invalid bearer token, service account token has expired]",
  });
});

test.each([
  ["its Pod", { boundObjectRef: toPod }, "/api/v1/namespaces/t/pods/p?gracePeriodSeconds=0"],
  ["its account", {}, "/api/v1/namespaces/t/serviceaccounts/sa"],
])("a token ends with %s", async (_, spec, path) => {
  const token = await tokenFor(spec);
  expect(await api.authenticate(token)).toBeDefined();
  await ask("DELETE", path);
  expect(await api.authenticate(token)).toBeUndefined();
  expect(await review(token)).toEqual({
    user: {},
    error: "[invalid bearer token, service account token has been invalidated]",
  });
});

test("a token for others is none for this API", async () => {
  const token = await tokenFor({ audiences: ["vault"] });
  expect(await api.authenticate(token)).toBeUndefined();
  expect(await review(token)).toEqual({
    user: {},
    error: `[invalid bearer token, token audiences ["vault"] is invalid for the target audiences ["${accountIssuer}"]]`,
  });
  expect(objectOr(await review(token, ["x", "vault"]))["audiences"]).toEqual(["vault"]);
});

test("reviews know other users' tokens too, and what is no token", async () => {
  expect(await review("admin-token")).toEqual({
    authenticated: true,
    user: { username: "admin", groups: ["system:masters"] },
    audiences: [accountIssuer],
  });
  for (const token of ["nonsense", "a.b.c", "x".repeat(20_000)]) {
    expect(await review(token)).toEqual({ user: {}, error: "invalid bearer token" });
  }
  expect((await ask("POST", reviewPath, { body: { spec: {} } }))[1]["message"]).toBe(
    "token is required for TokenReview in authentication",
  );
});

test("a token of another key is none", async () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const other = openApi({
    dataFile: ":memory:",
    clock,
    random: Math.random,
    log: silentLog,
    accountKey: privateKey,
  });
  expect(await other.authenticate(await tokenFor({}))).toBeUndefined();
  other.close();
});

test.each<[string, object, number, string]>([
  [
    "too short",
    { spec: { expirationSeconds: 300 } },
    422,
    'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 300: may not specify a duration less than 10 minutes',
  ],
  [
    "too long",
    { spec: { expirationSeconds: 2 ** 33 } },
    422,
    'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 8589934592: may not specify a duration larger than 2^32 seconds',
  ],
  [
    "of another account",
    { metadata: { name: "other" } },
    422,
    'TokenRequest.authentication.k8s.io "sa" is invalid: metadata.name: Invalid value: "other": must match the service account name if specified',
  ],
  [
    "bound to a ConfigMap",
    { spec: { boundObjectRef: { ...toPod, kind: "ConfigMap" } } },
    400,
    "cannot bind token to object of type /v1, Kind=ConfigMap",
  ],
  [
    "bound to nothing",
    { spec: { boundObjectRef: { ...toPod, name: "nope" } } },
    404,
    'pods "nope" not found',
  ],
  [
    "bound without a name",
    { spec: { boundObjectRef: { ...toPod, name: "" } } },
    400,
    "Name parameter required.",
  ],
  [
    "bound to an earlier Pod",
    { spec: { boundObjectRef: { ...toPod, uid: "zz" } } },
    409,
    'Operation cannot be fulfilled on Pod "p": the UID in the bound object reference (zz) does not match the UID in record. The object might have been deleted and then recreated',
  ],
])("no token that is %s", async (...[, body, status, message]) => {
  const [got, answer] = await ask("POST", tokenPath, { body });
  expect([got, answer["message"]]).toEqual([status, message]);
});

test("no token of another account for a Pod; a node gets those of its Pods only", async () => {
  const bound = { spec: { boundObjectRef: toPod } };
  const others = "/api/v1/namespaces/t/serviceaccounts/default/token";
  expect((await ask("POST", others, { body: bound }))[1]["message"]).toBe(
    'cannot bind token for serviceaccount "default" to pod running with different serviceaccount name.',
  );
  expect((await ask("POST", tokenPath, { body: bound, as: node }))[0]).toBe(201);
  expect((await ask("POST", tokenPath, { body: {}, as: node }))[1]["message"]).toBe(
    'serviceaccounts "sa" is forbidden: node requested token not bound to a pod',
  );
  expect((await ask("POST", others, { body: bound, as: node }))[0]).toBe(403);
});

test("a Pod gets the token of its account as a volume, unless it or the account opts out", async () => {
  const path = "/api/v1/namespaces/t/pods";
  const specOf = async (name: string, spec: object): Promise<Record<string, unknown>> =>
    objectOr((await make(path, podOf(name, spec)))["spec"]);
  const spec = await specOf("a", {});
  const [volume] = spec["volumes"] as readonly Record<string, unknown>[];
  const name = textOr(volume?.["name"]);
  expect(name).toMatch(/^kube-api-access-[a-z0-9]{5}$/);
  expect(JSON.stringify(volume?.["projected"])).toBe(
    '{"sources":[{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}},{"configMap":{"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}},{"downwardAPI":{"items":[{"path":"namespace","fieldRef":{"apiVersion":"v1","fieldPath":"metadata.namespace"}}]}}],"defaultMode":420}',
  );
  const [container] = spec["containers"] as readonly Record<string, unknown>[];
  expect(container?.["volumeMounts"]).toEqual([
    { name, readOnly: true, mountPath: "/var/run/secrets/kubernetes.io/serviceaccount" },
  ]);
  expect((await specOf("b", { automountServiceAccountToken: false }))["volumes"]).toBeUndefined();
  await make("/api/v1/namespaces/t/serviceaccounts", {
    metadata: { name: "bare" },
    automountServiceAccountToken: false,
  });
  expect((await specOf("c", { serviceAccountName: "bare" }))["volumes"]).toBeUndefined();
  const [status, refused] = await ask("POST", path, { body: podOf("d", { serviceAccountName: "nope" }) });
  expect([status, refused["message"]]).toEqual([
    403,
    'pods "d" is forbidden: error looking up service account t/nope: serviceaccount "nope" not found',
  ]);
});

test("a Pod keeps what it mounts itself, and gets its account's secrets for images", async () => {
  await make("/api/v1/namespaces/t/serviceaccounts", {
    metadata: { name: "puller" },
    imagePullSecrets: [{ name: "registry" }],
  });
  const mounts = [{ name: "own", mountPath: "/var/run/secrets/kubernetes.io/serviceaccount" }];
  const made = await make("/api/v1/namespaces/t/pods", {
    metadata: { name: "own" },
    spec: {
      serviceAccountName: "puller",
      initContainers: [{ name: "i", image: "x" }],
      containers: [{ name: "c", image: "x", volumeMounts: mounts }],
      volumes: [{ name: "own", emptyDir: {} }],
    },
  });
  const spec = objectOr(made["spec"]);
  expect(spec["imagePullSecrets"]).toEqual([{ name: "registry" }]);
  const mountsOf = (list: string): unknown =>
    (spec[list] as readonly Record<string, readonly object[]>[])[0]?.["volumeMounts"]?.length;
  expect([mountsOf("initContainers"), mountsOf("containers")]).toEqual([1, 1]);
  expect(spec["containers"]).toMatchObject([{ volumeMounts: mounts }]);
  expect(spec["volumes"]).toHaveLength(2);
});

test("every namespace has the root certificate, also after somebody changed or deleted it", async () => {
  const path = "/api/v1/namespaces/t/configmaps/kube-root-ca.crt";
  const published = async (): Promise<unknown> => (await ask("GET", path))[1]["data"];
  expect(await published()).toEqual({ "ca.crt": "PEM" });
  await ask("PUT", path, { body: { metadata: { name: "kube-root-ca.crt" }, data: {} } });
  clock.advance(10);
  expect(await published()).toEqual({ "ca.crt": "PEM" });
  await ask("DELETE", path);
  clock.advance(10);
  expect(await published()).toEqual({ "ca.crt": "PEM" });
});
