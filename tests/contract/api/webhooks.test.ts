/** Admission webhooks: what they are asked, what their answers bring about, and how their failures are told. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Answer, textOf } from "./api-under-test.ts";
import { serverCertificate } from "./embedded-api.ts";
import { openScene, patchTypes, type Scene, until } from "./scene.ts";

const configurations = "/apis/admissionregistration.k8s.io/v1";
const suffix = crypto.randomUUID().slice(0, 8);

interface Review {
  readonly path: string;
  readonly request: Record<string, unknown>;
}

/** What the webhook was asked, newest last. */
const seen: Review[] = [];
const { keyPem, certificatePem, caPem } = serverCertificate();

function patchOf(operations: readonly object[]): object {
  return { allowed: true, patchType: "JSONPatch", patch: btoa(JSON.stringify(operations)) };
}

/** Answers by path, as parts of a response. */
const answers: Readonly<Record<string, object>> = {
  "/allow": { allowed: true, warnings: ["be careful"] },
  "/deny": { allowed: false },
  "/deny-text": { allowed: false, status: { message: "not today", code: 403 } },
  "/deny-reason": { allowed: false, status: { reason: "BecauseISaySo", code: 200 } },
  "/other-uid": { allowed: true, uid: "zz" },
  "/label": patchOf([{ op: "add", path: "/data/patched", value: "yes" }]),
  "/count": patchOf([{ op: "add", path: "/data/counted", value: "yes" }]),
  "/misfit": patchOf([{ op: "remove", path: "/spec/nope" }]),
  "/typeless": { allowed: true, patch: btoa("[]") },
};

const webhook = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  tls: { key: keyPem, cert: certificatePem },
  async fetch(question) {
    const { pathname } = new URL(question.url);
    const { request } = (await question.json()) as { readonly request: Record<string, unknown> };
    seen.push({ path: pathname, request });
    if (pathname === "/broken") return new Response("oops", { status: 500 });
    const response = pathname === "/absent" ? undefined : { uid: request["uid"], ...answers[pathname] };
    return Response.json({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response });
  },
});
const base = `https://localhost:${webhook.port}`;

let scene: Scene;
beforeAll(async () => {
  scene = await openScene("hooks");
  await configure("validatingwebhookconfigurations", [
    ...["/allow", "/deny", "/deny-text", "/deny-reason", "/other-uid", "/absent", "/broken", "/label"].map(
      (path) => hook(path),
    ),
    hook("/broken", { name: "ignored", failurePolicy: "Ignore" }),
    hook("/deny", { name: "nobody", clientConfig: { url: "https://127.0.0.1:1/x", caBundle: btoa(caPem) } }),
    hook("/deny", {
      name: "service",
      clientConfig: { service: { name: "s", namespace: scene.namespace }, caBundle: btoa(caPem) },
    }),
    hook("/deny", {
      name: "condition",
      matchConditions: [{ name: "a", expression: "object.metadata.name != 'free'" }],
    }),
    hook("/deny", { name: "misjudged", matchConditions: [{ name: "a", expression: "object.nope.x == 1" }] }),
  ]);
  await configure("mutatingwebhookconfigurations", [
    hook("/count", {
      name: "again",
      reinvocationPolicy: "IfNeeded",
      objectSelector: { matchLabels: { hook: "again" } },
    }),
    hook("/label", { name: "again-label", objectSelector: { matchLabels: { hook: "again" } } }),
    ...["/label", "/misfit", "/typeless"].map((path) => hook(path, { name: `mutate-${path.slice(1)}` })),
    hook("/allow", { name: "mutate-look" }),
  ]);
  // A configuration is in force a moment after it is there.
  await until(async () => {
    const probes = [await write("deny", "probe-a"), await write("mutate-misfit", "probe-b")];
    return probes.every(({ status }) => status >= 400) ? true : undefined;
  });
  seen.length = 0;
});
afterAll(async () => {
  for (const kind of ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"]) {
    await scene.api.ask("DELETE", `${configurations}/${kind}/hooks-${suffix}`);
  }
  await scene[Symbol.asyncDispose]();
  await webhook.stop(true);
});

/** A webhook that sees ConfigMaps of the scene with its own label. */
function hook(
  path: string,
  more: { readonly name?: string; readonly [field: string]: unknown } = {},
): object {
  const label = more.name ?? path.slice(1);
  return {
    clientConfig: { url: `${base}${path}`, caBundle: btoa(caPem) },
    rules: [{ operations: ["*"], apiGroups: [""], apiVersions: ["v1"], resources: ["configmaps"] }],
    sideEffects: "None",
    admissionReviewVersions: ["v1"],
    namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": scene.namespace } },
    objectSelector: { matchLabels: { hook: label } },
    ...more,
    name: `${label}.hooks.test`,
  };
}

async function configure(kind: string, webhooks: readonly object[]): Promise<void> {
  const body = { metadata: { name: `hooks-${suffix}` }, webhooks };
  const { status, body: answer } = await scene.api.ask("POST", `${configurations}/${kind}`, body);
  expect([status, answer["message"]]).toEqual([201, undefined as never]);
}

function write(label: string, name: string, query = ""): Promise<Answer> {
  const body = { metadata: { name, labels: { hook: label } }, data: { a: "b" } };
  return scene.api.ask("POST", `${scene.path("configmaps")}${query}`, body);
}

const failed = "Internal error occurred: failed calling webhook";
describe("an answer", () => {
  test.each<[string, number, string]>([
    ["deny", 400, 'admission webhook "deny.hooks.test" denied the request without explanation'],
    ["deny-text", 403, 'admission webhook "deny-text.hooks.test" denied the request: not today'],
    ["deny-reason", 400, 'admission webhook "deny-reason.hooks.test" denied the request: BecauseISaySo'],
    [
      "absent",
      500,
      `${failed} "absent.hooks.test": received invalid webhook response: webhook response was absent`,
    ],
    [
      "broken",
      500,
      `${failed} "broken.hooks.test": failed to call webhook: an error on the server ("oops") has prevented the request from succeeding`,
    ],
    [
      "label",
      500,
      `${failed} "label.hooks.test": received invalid webhook response: validating webhook may not return response.patch`,
    ],
    [
      "mutate-typeless",
      500,
      `${failed} "mutate-typeless.hooks.test": received invalid webhook response: webhook returned response.patch but not response.patchType`,
    ],
    ["ignored", 201, ""],
    ["condition", 400, 'admission webhook "condition.hooks.test" denied the request without explanation'],
    [
      "misjudged",
      403,
      "configmaps \"NAME\" is forbidden: expression 'object.nope.x == 1' resulted in error: no such key: nope",
    ],
  ])("of %s is %d", async (label, status, message) => {
    const name = scene.fresh();
    const answer = await write(label, name);
    const told = answer.status < 400 ? "" : textOf(answer.body["message"]);
    expect([answer.status, told]).toEqual([status, message.replace("NAME", name)]);
    const stored = await scene.api.ask("GET", `${scene.path("configmaps")}/${name}`);
    expect(stored.status).toBe(status === 201 ? 200 : 404);
  });

  test.each([
    ["other-uid", /expected response\.uid="[-0-9a-f]{36}", got "zz"$/],
    [
      "nobody",
      /failed to call webhook: Post "https:\/\/127\.0\.0\.1:1\/x\?timeout=10s": .*connection refused$/,
    ],
    ["service", /failed to call webhook: Post "https:\/\/s\.\S+\.svc:443\/?\?timeout=10s": service "s"/],
    ["mutate-misfit", /^Internal error occurred: .*\/spec\/nope/],
  ])("of %s is an error", async (label, message) => {
    const { status, body } = await write(label, scene.fresh());
    expect(status).toBe(500);
    expect(textOf(body["message"])).toMatch(message);
  });

  test("with warnings passes them on", async () => {
    const { status, headers } = await write("allow", scene.fresh());
    expect([status, headers.get("warning")]).toEqual([201, '299 - "be careful"']);
  });

  test("with a patch changes what is stored, once more where others changed it after", async () => {
    const { body } = await write("mutate-label", scene.fresh());
    expect(body["data"] as unknown).toEqual({ a: "b", patched: "yes" });
    seen.length = 0;
    const again = await write("again", scene.fresh());
    expect(again.body["data"] as unknown).toEqual({ a: "b", patched: "yes", counted: "yes" });
    expect(seen.map(({ path }) => path)).toEqual(["/count", "/label", "/count"]);
  });
});

test("a condition keeps a webhook from what it does not want to see", async () => {
  expect((await write("condition", "free")).status).toBe(201);
});

test("a dry run is asked about, and stores nothing", async () => {
  seen.length = 0;
  const name = scene.fresh();
  const { status, body } = await write("mutate-label", name, "?dryRun=All");
  expect([status, body["data"] as unknown]).toEqual([201, { a: "b", patched: "yes" }]);
  expect(seen.map(({ request }) => [request["dryRun"], request["options"]])).toEqual([
    [true, { kind: "CreateOptions", apiVersion: "meta.k8s.io/v1", dryRun: ["All"] }],
  ]);
  expect((await scene.api.ask("GET", `${scene.path("configmaps")}/${name}`)).status).toBe(404);
});

const kind = { group: "", version: "v1", kind: "ConfigMap" };
const resource = { group: "", version: "v1", resource: "configmaps" };
const common = { kind, resource, requestKind: kind, requestResource: resource, dryRun: false };

/** The newest question, without what differs from run to run. */
function asked(): Record<string, unknown> {
  const { uid, userInfo, object, oldObject, ...rest } = seen.at(-1)?.request ?? {};
  expect(uid).toMatch(/^[-0-9a-f]{36}$/);
  expect(userInfo).toMatchObject({ username: "admin" });
  return { ...rest, object: shown(object), oldObject: shown(oldObject) };
}

function shown(value: unknown): unknown {
  if (value === null) return null;
  const { apiVersion, kind: named, metadata, data } = value as Record<string, Record<string, unknown>>;
  const meta = { name: metadata?.["name"], hasUid: metadata?.["uid"] !== undefined };
  return { apiVersion, kind: named, meta, data };
}

function shownMap(name: string | undefined, data: object, hasUid = true): object {
  return { apiVersion: "v1", kind: "ConfigMap", meta: { name, hasUid }, data };
}

function nameOf(object: unknown): unknown {
  return (object as { readonly metadata: Record<string, unknown> }).metadata["name"];
}

function optionsOf(named: string): object {
  return { kind: named, apiVersion: "meta.k8s.io/v1" };
}

function generated(label: string): object {
  return { metadata: { generateName: "g-", labels: { hook: label } } };
}

describe("a question", () => {
  test("about a creation, an update and a deletion", async () => {
    const { namespace } = scene;
    const path = scene.path("configmaps");
    const name = scene.fresh();
    const at = { ...common, namespace, name };
    await write("allow", name);
    expect(asked()).toEqual({
      ...at,
      operation: "CREATE",
      object: shownMap(name, { a: "b" }),
      oldObject: null,
      options: optionsOf("CreateOptions"),
    });
    await scene.api.ask("PATCH", `${path}/${name}?fieldManager=me`, { data: { a: "c" } }, patchTypes.merge);
    expect(asked()).toEqual({
      ...at,
      operation: "UPDATE",
      object: shownMap(name, { a: "c" }),
      oldObject: shownMap(name, { a: "b" }),
      options: { ...optionsOf("UpdateOptions"), fieldManager: "me" },
    });
    await scene.api.ask("DELETE", `${path}/${name}`);
    expect(asked()).toEqual({
      ...at,
      operation: "DELETE",
      object: null,
      oldObject: shownMap(name, { a: "c" }),
      options: optionsOf("DeleteOptions"),
    });
  });

  test("about a name that is yet to be made does not know it; one about the checked object does", async () => {
    await scene.api.ask("POST", scene.path("configmaps"), generated("mutate-look"));
    expect([asked()["name"], asked()["object"]]).toEqual([
      undefined,
      { ...shownMap(undefined, {}, false), data: undefined },
    ]);
    const made = await scene.api.ask("POST", scene.path("configmaps"), generated("allow"));
    const { metadata } = made.body;
    const last = seen.at(-1)?.request["object"] as { readonly metadata: Record<string, unknown> };
    expect([asked()["name"], last.metadata["uid"]]).toEqual([
      textOf(metadata?.["name"]),
      textOf(metadata?.["uid"]),
    ]);
  });

  test("is asked for each object of a collection that is deleted", async () => {
    const names = [scene.fresh(), scene.fresh()];
    for (const name of names) await write("allow", name);
    seen.length = 0;
    await scene.api.ask(
      "DELETE",
      `${scene.path("configmaps")}?labelSelector=hook%3Dallow&fieldSelector=metadata.name%3D${names[0]}`,
    );
    expect(seen.map(({ request }) => [request["operation"], nameOf(request["oldObject"])])).toEqual([
      ["DELETE", names[0]],
    ]);
    const left = await scene.api.ask("GET", `${scene.path("configmaps")}/${names[1]}`);
    expect(left.status).toBe(200);
  });
});
