/** Random writes by several managers to ours and to a real API server: both answer the same, down to who owns which field. Needs the real one's binary. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { type Answer, connectTo, openEmbedded } from "../contract/api/api-under-test.ts";
import { openScene, patchTypes, type Scene, until } from "../contract/api/scene.ts";
import {
  hasKubeBinary,
  kubeBinary,
  type KubeApiserver,
  startKubeApiserver,
} from "../support/kube-apiserver.ts";
import { type Choose, chooseBy, randomWrite, words, type WrittenKind } from "../support/random-writes.ts";

const runs = 40;
const writesOfRun = 8;
const group = "random.example.com";

const text = { type: "string" };
const integer = { type: "integer" };
const schema = {
  type: "object",
  properties: {
    spec: {
      type: "object",
      properties: {
        replicas: integer,
        name: text,
        filled: { ...text, default: "dd" },
        tags: { type: "array", items: text, "x-kubernetes-list-type": "set" },
        list: { type: "array", items: text },
        ports: {
          type: "array",
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["port", "protocol"],
          items: {
            type: "object",
            required: ["port", "protocol"],
            properties: { port: integer, protocol: { ...text, default: "TCP" }, name: text },
          },
        },
        sub: { type: "object", properties: { x: integer, y: integer } },
        map: { type: "object", additionalProperties: text },
        whole: { type: "object", "x-kubernetes-map-type": "atomic", additionalProperties: text },
        free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
      },
    },
    status: { type: "object", properties: { a: text, replicas: integer } },
  },
};

const word = (choose: Choose): string => choose.of(["a", "b", "c"]);
const number = (choose: Choose): number => Math.floor(choose() * 3);

const things: WrittenKind & { readonly resource: string } = {
  resource: "things",
  apiVersion: `${group}/v1`,
  kind: "Thing",
  isStrategic: false,
  hasStatus: true,
  content: (choose) => ({ spec: thingSpec(choose) }),
  status: (choose) => choose.some({ a: () => word(choose), replicas: () => number(choose) }, 0.7),
};

function thingSpec(choose: Choose): object {
  const port = (): { port: number; protocol?: string } => ({
    port: choose.of([80, 81, 82]),
    ...(choose() < 0.5 ? {} : { protocol: choose.of(["TCP", "UDP"]) }),
    ...choose.some({ name: () => word(choose) }),
  });
  return choose.some({
    replicas: () => number(choose),
    name: () => word(choose),
    tags: () => choose.list(3, () => word(choose)),
    list: () => [word(choose), word(choose)],
    ports: () => choose.list(3, port, (made) => `${made.port} ${made.protocol ?? "TCP"}`),
    sub: () => choose.some({ x: () => number(choose), y: () => number(choose) }, 0.6),
    map: () => words(choose),
    whole: () => words(choose),
    free: () => ({ q: choose.of<unknown>([1, "x", { z: word(choose) }, [1, 2]]) }),
  });
}

const maps: WrittenKind & { readonly resource: string } = {
  resource: "configmaps",
  apiVersion: "v1",
  kind: "ConfigMap",
  isStrategic: true,
  hasStatus: false,
  content: (choose) => choose.some({ data: () => words(choose) }, 0.7),
  status: () => ({}),
};

const services: WrittenKind & { readonly resource: string } = {
  resource: "services",
  apiVersion: "v1",
  kind: "Service",
  isStrategic: true,
  hasStatus: true,
  content: (choose) => ({ spec: serviceSpec(choose) }),
  status: () => ({
    conditions: [
      { type: "Q", status: "True", reason: "r", message: "", lastTransitionTime: "2020-01-01T00:00:00Z" },
    ],
  }),
};

function serviceSpec(choose: Choose): object {
  const port = (): { port: number } => {
    const own = choose.of([80, 81]);
    const more = choose.some({
      protocol: () => choose.of(["TCP", "UDP"]),
      targetPort: () => choose.of<unknown>([8080, "h"]),
    });
    return Object.assign({ port: own, name: `p${own}` }, more);
  };
  return {
    ports: choose.list(2, port, (made) => String(made.port)),
    ...choose.some({
      selector: () => words(choose),
      sessionAffinity: () => choose.of(["None", "ClientIP"]),
      publishNotReadyAddresses: () => true,
      internalTrafficPolicy: () => choose.of(["Local", "Cluster"]),
    }),
  };
}

const accounts: WrittenKind & { readonly resource: string } = {
  resource: "serviceaccounts",
  apiVersion: "v1",
  kind: "ServiceAccount",
  isStrategic: true,
  hasStatus: false,
  content: (choose) =>
    choose.some({
      automountServiceAccountToken: () => choose.of([true, false]),
      imagePullSecrets: () => choose.list(2, () => ({ name: word(choose) })),
      secrets: () => choose.list(2, () => ({ name: word(choose) })),
    }),
  status: () => ({}),
};

const deployments: WrittenKind & { readonly resource: string } = {
  resource: "deployments",
  apiVersion: "apps/v1",
  kind: "Deployment",
  isStrategic: true,
  hasStatus: true,
  content: (choose) => ({ spec: deploymentSpec(choose) }),
  status: (choose) => ({ observedGeneration: 1 + number(choose) }),
};

function named(made: { readonly name: string }): string {
  return made.name;
}

function deploymentSpec(choose: Choose): object {
  const container = (): { name: string; image: string } => ({
    name: word(choose),
    image: choose.of(["i", "j:1"]),
    ...choose.some({
      command: () => [word(choose)],
      env: () => choose.list(3, () => ({ name: choose.of(["E", "F", "G"]), value: word(choose) }), named),
      ports: () => choose.list(2, () => ({ containerPort: choose.of([80, 81]) })),
    }),
  });
  return {
    selector: { matchLabels: { app: "x" } },
    replicas: 0,
    ...choose.some({ minReadySeconds: () => number(choose) }, 0.3),
    template: {
      metadata: { labels: { app: "x", ...choose.some({ extra: () => word(choose) }, 0.3) } },
      spec: {
        containers: choose.list(2, container, named),
        ...choose.some({ nodeSelector: () => words(choose) }, 0.3),
      },
    },
  };
}

let real: KubeApiserver | undefined;
if (!hasKubeBinary) {
  console.warn(`SKIPPED: random writes to a real Kubernetes API, for want of ${kubeBinary}`);
}

beforeAll(async () => {
  if (hasKubeBinary) real = await startKubeApiserver({ hasControllers: false });
}, 180_000);

afterAll(async () => {
  await real?.[Symbol.asyncDispose]();
});

async function define(scene: Scene): Promise<void> {
  const { api } = scene;
  const subresources = { status: {} };
  const version = {
    name: "v1",
    served: true,
    storage: true,
    schema: { openAPIV3Schema: schema },
    subresources,
  };
  await api.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `things.${group}` },
    spec: { group, scope: "Namespaced", names: { plural: "things", kind: "Thing" }, versions: [version] },
  });
  await until(async () => {
    const probe = {
      apiVersion: things.apiVersion,
      kind: "Thing",
      metadata: { name: "p" },
      spec: { ports: [{ port: 1 }] },
    };
    const at = `${scene.path("things", things.apiVersion)}/p?fieldManager=p&dryRun=All`;
    const { body } = await api.ask("PATCH", at, probe, patchTypes.apply);
    return JSON.stringify(body).includes("k:{") ? true : undefined;
  });
}

/** What differs from server to server. */
const own = new Set([
  "uid",
  "clusterIP",
  "clusterIPs",
  "resourceVersion",
  "creationTimestamp",
  "time",
  "namespace",
]);

function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(fields.map(([name, field]) => [name, own.has(name) ? "own" : comparable(field)]));
}

/** Owners have times, and two servers' seconds may part two of them. */
function told({ status, body }: Answer): unknown {
  const shown = comparable(body) as { metadata?: { managedFields?: unknown[] }; message?: unknown };
  if (status >= 300) return [status, shown.message];
  const entries = shown.metadata?.managedFields?.map((entry) => JSON.stringify(entry)).sort();
  return [status, { ...shown, metadata: { ...shown.metadata, managedFields: entries } }];
}

/** What is left of a list or map whose last item goes by applying: a real server refuses its own null, ours has none. */
function isNullOfItsOwn({ status, body }: Answer): boolean {
  return status === 422 && JSON.stringify(body).includes('Invalid value: \\"null\\"');
}

test.skipIf(!hasKubeBinary)(
  "random writes are answered alike",
  async () => {
    if (real === undefined) throw new Error("the real API was not started");
    const { url, token, caFile } = real;
    await using theirs = await openScene(
      "random",
      connectTo({ url, token, ca: readFileSync(caFile, "utf8") }),
    );
    await using ours = await openScene("random", openEmbedded());
    for (const scene of [ours, theirs]) await define(scene);
    const seed = Number(process.env["LAMBIENT_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
    for (let run = 0; run < runs; run++) {
      const choose = chooseBy(seed + run);
      const kind = choose.of([maps, things, deployments, services, accounts]);
      const versions = new Map<Scene, string>();
      const sent: unknown[] = [];
      for (let step = 0; step < writesOfRun; step++) {
        const at = choose() * 2 ** 31;
        const [mine, other] = [await send(ours), await send(theirs)];
        if (isNullOfItsOwn(other)) break;
        expect([seed + run, sent, told(mine)]).toEqual([seed + run, sent, told(other)]);

        async function send(scene: Scene): Promise<Answer> {
          // The same chance for both, but for the version that each knows.
          const write = randomWrite(kind, `o${run}`, chooseBy(at), versions.get(scene));
          if (scene === ours) sent.push(write);
          const groupVersion = kind.apiVersion === "v1" ? undefined : kind.apiVersion;
          const path = `${scene.path(kind.resource, groupVersion)}${write.path}`;
          const answer = await scene.api.ask(write.method, path, write.body, { "content-type": write.type });
          const version: unknown = answer.body["metadata"]?.["resourceVersion"];
          if (answer.status < 300 && typeof version === "string") versions.set(scene, version);
          return answer;
        }
      }
    }
  },
  180_000,
);
