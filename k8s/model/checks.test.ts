/** What the definitions and the checks beside them refuse, asked of an API that serves them. */
import { afterAll, expect, test } from "bun:test";
import { systemClock } from "#host/clock.ts";
import { KubeError } from "#host/kube/kube-error.ts";
import { functionResource, gatewayResource, revisionResource } from "#host/kube/known-resources.ts";
import type { KubeObject, ResourceType } from "#host/kube/object.ts";
import { silentLog } from "#host/log.ts";
import { openApi } from "../api/open-api.ts";
import { authorizationPolicyResource } from "./authorization-policy.ts";
import { lambientChecks } from "./checks.ts";
import { lambientDefinitions } from "./definitions.ts";
import { gatewayClassResource } from "./gateway.ts";
import { httpRouteResource } from "./http-route.ts";
import { peerAuthenticationResource } from "./peer-authentication.ts";

const api = openApi({
  dataFile: ":memory:",
  clock: systemClock,
  random: Math.random,
  log: silentLog,
  definitions: lambientDefinitions,
  checks: lambientChecks,
});
afterAll(() => api.close());

/** The spec as it was stored, or the fields that were refused. */
async function create(type: ResourceType, spec: unknown): Promise<unknown> {
  const metadata = { generateName: "x-", ...(type.namespaced ? { namespace: "default" } : {}) };
  try {
    // Sound: what is wrong with it is what the test is about.
    const made = (await api.client.create(type, { metadata, spec } as never)) as KubeObject & {
      spec: unknown;
    };
    return made.spec;
  } catch (error) {
    if (!(error instanceof KubeError)) throw error;
    return error.status.details?.causes?.map((cause) => cause.field) ?? error.message;
  }
}

const bundle = `sha256:${"0".repeat(64)}`;
const withTemplate = (template: object, more: object = {}): object => ({
  template: { bundle, ...template },
  ...more,
});

test.each([
  [{}, ["spec.template"]],
  [{ template: {} }, ["spec.template.bundle"]],
  [withTemplate({ bundle: "sha256:x" }), ["spec.template.bundle"]],
  [withTemplate({ engine: "perl" }), ["spec.template.engine"]],
  [withTemplate({ scale: { max: 0 } }), ["spec.template.scale.max"]],
  [withTemplate({ limits: { memoryMb: 1 } }), ["spec.template.limits.memoryMb"]],
  [withTemplate({ egress: "NONE" }), ["spec.template.egress"]],
  [withTemplate({ egress: [1] }), ["spec.template.egress"]],
  [withTemplate({ egress: ["not a host"] }), ["spec.template.egress"]],
  [withTemplate({ env: { A: 1 } }), ["spec.template.env.A"]],
  [withTemplate({ secrets: { A: { secret: "s" } } }), ["spec.template.secrets.A.key"]],
  [withTemplate({ env: { A: "" }, secrets: { A: { secret: "s", key: "k" } } }), ["spec.template.secrets.A"]],
  [
    withTemplate({ env: { A: "" }, bindings: [{ name: "A", function: "f" }] }),
    ["spec.template.bindings[0].name"],
  ],
  [withTemplate({}, { traffic: [{ revision: "v1", percent: 90 }] }), ["spec.traffic"]],
  [withTemplate({}, { traffic: [{ revision: "v1", percent: 101 }] }), ["spec.traffic[0].percent"]],
  [withTemplate({}, { schedules: [{ cron: "often" }] }), ["spec.schedules[0].cron"]],
  [withTemplate({}, { group: "No" }), ["spec.group"]],
])("a Function with %j is refused", async (spec, want) => {
  const got = await create(functionResource, spec);
  expect(
    Array.isArray(got) ? [...new Set<unknown>(got)].filter((field) => want.includes(String(field))) : got,
  ).toEqual(want);
});

test.each([
  [withTemplate({ egress: [] }), { egress: [] }],
  [
    withTemplate({ egress: ["example.com:443", "*.example.org", "192.0.2.0/24"] }),
    { egress: ["example.com:443", "*.example.org", "192.0.2.0/24"] },
  ],
  [
    withTemplate({ scale: { max: 3 } }),
    { egress: "ALLOW_ANY", scale: { concurrency: 50, max: 3, idleMs: 30_000, activationTimeoutMs: 10_000 } },
  ],
])("a Function with %j is taken", async (spec, want) => {
  expect(await create(functionResource, spec)).toMatchObject({
    group: "waypoint",
    schedules: [],
    template: want,
  });
});

test("a Revision needs all that it is made of", async () => {
  expect(await create(revisionResource, { bundle })).toEqual([
    "spec.function",
    "spec.serviceAccountName",
    "spec.group",
    "spec.signature",
    "<nil>",
  ]);
});

test.each([
  [{ action: "MAYBE" }, ["spec.action"]],
  [{ rules: [{ from: [{ source: {} }] }] }, ["spec.rules[0].from[0].source"]],
  [
    { rules: [{ from: [{ source: { ipBlocks: ["10.0.0.0/40"] } }] }] },
    ["spec.rules[0].from[0].source.ipBlocks"],
  ],
  [{ rules: [{ to: [{ operation: { ports: ["http"] } }] }] }, ["spec.rules[0].to[0].operation.ports"]],
  [{ rules: [{ when: [{ key: "source.ip" }] }] }, ["spec.rules[0].when[0].values"]],
  [{ selector: {}, targetRefs: [{ kind: "Service", name: "a" }] }, ["spec.targetRefs"]],
])("an AuthorizationPolicy with %j is refused", async (spec, want) => {
  expect(await create(authorizationPolicyResource, spec)).toEqual(want);
});

test("a misspelt field of an AuthorizationPolicy is refused, not dropped", async () => {
  const spec = { rules: [{ from: [{ source: { principal: ["a"] } }] }] };
  expect(await create(authorizationPolicyResource, spec)).toContain(
    'unknown field "spec.rules[0].from[0].source.principal"',
  );
});

test("an AuthorizationPolicy as Istio's users write it is taken as it is", async () => {
  const spec = {
    selector: { matchLabels: { app: "web" } },
    action: "DENY",
    rules: [
      {
        from: [{ source: { principals: ["cluster.local/ns/a/sa/b"], notNamespaces: ["c"] } }],
        to: [{ operation: { methods: ["GET"], paths: ["/a*"], ports: ["80"] } }],
        when: [{ key: "source.ip", values: ["10.0.0.0/8"] }],
      },
    ],
  };
  expect(await create(authorizationPolicyResource, spec)).toEqual(spec);
  expect(await create(authorizationPolicyResource, {})).toEqual({});
});

test("an HTTPRoute gets Gateway API's defaults", async () => {
  expect(await create(httpRouteResource, { parentRefs: [{ name: "waypoint" }] })).toEqual({
    parentRefs: [{ group: "gateway.networking.k8s.io", kind: "Gateway", name: "waypoint" }],
    rules: [{ matches: [{ path: { type: "PathPrefix", value: "/" } }] }],
  });
  const rules = [
    { backendRefs: [{ name: "web", port: 80 }], matches: [{ headers: [{ name: "a", value: "b" }] }] },
  ];
  expect(await create(httpRouteResource, { rules })).toEqual({
    rules: [
      {
        backendRefs: [{ group: "", kind: "Service", name: "web", port: 80, weight: 1 }],
        matches: [
          { headers: [{ type: "Exact", name: "a", value: "b" }], path: { type: "PathPrefix", value: "/" } },
        ],
      },
    ],
  });
});

test.each([
  [{ rules: [{ matches: [{ path: { value: "a" } }] }] }, ["spec.rules[0].matches[0].path.value"]],
  [
    { rules: [{ matches: [{ path: { type: "RegularExpression", value: "(" } }] }] },
    ["spec.rules[0].matches[0].path.value"],
  ],
  [
    { rules: [{ matches: [{ path: { type: "RegularExpression", value: "/(a+)+" } }] }] },
    ["spec.rules[0].matches[0].path.value"],
  ],
  [
    {
      rules: [{ matches: [{ headers: [{ type: "RegularExpression", name: "x", value: "(a|a)*" }] }] }],
    },
    ["spec.rules[0].matches[0].headers[0].value"],
  ],
  [{ rules: [{ matches: [{ method: "BREW" }] }] }, ["spec.rules[0].matches[0].method"]],
  [{ rules: [{ timeouts: { request: "soon" } }] }, ["spec.rules[0].timeouts.request"]],
  [{ rules: [{ backendRefs: [{ name: "a", weight: -1 }] }] }, ["spec.rules[0].backendRefs[0].weight"]],
])("an HTTPRoute with %j is refused", async (spec, want) => {
  expect(await create(httpRouteResource, spec)).toEqual(want);
});

test("a Gateway and its class keep fields that we do not read", async () => {
  const listeners = [{ name: "mesh", port: 15_008, protocol: "HBONE" }];
  expect(
    await create(gatewayResource, { gatewayClassName: "lambient-waypoint", listeners, backendTLS: {} }),
  ).toEqual({
    gatewayClassName: "lambient-waypoint",
    listeners: [{ ...listeners[0], allowedRoutes: { namespaces: { from: "Same" } } }],
    backendTLS: {},
  });
  expect(
    await create(gatewayResource, { gatewayClassName: "x", listeners: [...listeners, ...listeners] }),
  ).toEqual(["spec.listeners[1]"]);
  expect(await create(gatewayClassResource, { controllerName: "a/b", more: 1 })).toEqual({
    controllerName: "a/b",
    more: 1,
  });
});

test.each([
  [{ mtls: { mode: "MAYBE" } }, ["spec.mtls.mode"]],
  [{ portLevelMtls: { 80: { mode: "STRICT" } } }, ["spec.portLevelMtls"]],
  [
    { selector: { matchLabels: { app: "web" } }, portLevelMtls: { http: { mode: "STRICT" } } },
    ["spec.portLevelMtls"],
  ],
  [{ selector: { matchLabels: { app: "web" } }, portLevelMtls: {} }, ["spec.portLevelMtls"]],
])("a PeerAuthentication with %j is refused", async (spec, want) => {
  expect(await create(peerAuthenticationResource, spec)).toEqual(want);
});

test("a PeerAuthentication as Istio's users write it is taken as it is", async () => {
  const selector = { matchLabels: { app: "web" } };
  for (const spec of [
    { mtls: { mode: "STRICT" } },
    { selector, mtls: { mode: "STRICT" }, portLevelMtls: { 8080: { mode: "DISABLE" } } },
    {},
  ]) {
    expect(await create(peerAuthenticationResource, spec)).toEqual(spec);
  }
});
