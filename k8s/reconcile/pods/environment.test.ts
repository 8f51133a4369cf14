import { expect, test } from "bun:test";
import { err, ok } from "#core/result.ts";
import type { Container } from "../../model/container.ts";
import type { PodObject } from "../../model/pod.ts";
import { type EnvironmentSources, resolveEnvironment } from "./environment.ts";
import { type PodPlace, readPodField, readResourceField } from "./pod-fields.ts";
import { serviceVariables } from "./service-variables.ts";

const settings = new Map([
  [
    "settings",
    new Map([
      ["color", "blue"],
      ["size", "9"],
    ]),
  ],
]);
const secrets = new Map([["keys", new Map([["token", "t0"]])]]);
const sources: EnvironmentSources = {
  namespace: "shop",
  configMap: (name) => settings.get(name),
  secret: (name) => secrets.get(name),
  field: (path) => (path === "metadata.name" ? ok("web-0") : err(`no ${path}`)),
  resource: ({ resource }) => ok(`<${resource}>`),
  services: new Map([
    ["CART_SERVICE_HOST", "10.96.0.7"],
    ["color", "red"],
  ]),
};

const services = { CART_SERVICE_HOST: "10.96.0.7", color: "red" };

test.each<[string, Pick<Container, "env" | "envFrom">, Record<string, string> | string]>([
  ["only those of Services", {}, services],
  [
    "values, expanded by earlier ones",
    { env: [{ name: "A", value: "1" }, { name: "B", value: "$(A)$(CART_SERVICE_HOST)$(C)" }, { name: "C" }] },
    { ...services, A: "1", B: "110.96.0.7$(C)", C: "" },
  ],
  [
    "whole objects, the last one wins",
    { envFrom: [{ configMapRef: { name: "settings" } }, { prefix: "P_", secretRef: { name: "keys" } }] },
    { ...services, color: "blue", size: "9", P_token: "t0" },
  ],
  [
    "keys",
    {
      env: [
        { name: "A", valueFrom: { configMapKeyRef: { name: "settings", key: "size" } } },
        { name: "B", valueFrom: { secretKeyRef: { name: "keys", key: "token" } } },
      ],
    },
    { ...services, A: "9", B: "t0" },
  ],
  [
    "fields",
    {
      env: [
        { name: "A", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
        { name: "B", valueFrom: { resourceFieldRef: { resource: "limits.cpu" } } },
      ],
    },
    { ...services, A: "web-0", B: "<limits.cpu>" },
  ],
  [
    "optional ones that are missing",
    {
      envFrom: [{ configMapRef: { name: "no", optional: true } }],
      env: [{ name: "A", valueFrom: { secretKeyRef: { name: "keys", key: "no", optional: true } } }],
    },
    services,
  ],
  ["a missing ConfigMap", { envFrom: [{ configMapRef: { name: "no" } }] }, 'configmap "no" not found'],
  [
    "a missing Secret",
    { env: [{ name: "A", valueFrom: { secretKeyRef: { name: "no", key: "x" } } }] },
    'secret "no" not found',
  ],
  [
    "a missing key",
    { env: [{ name: "A", valueFrom: { configMapKeyRef: { name: "settings", key: "no" } } }] },
    "couldn't find key no in ConfigMap shop/settings",
  ],
  [
    "an unknown field",
    { env: [{ name: "A", valueFrom: { fieldRef: { fieldPath: "spec.x" } } }] },
    "no spec.x",
  ],
])("resolveEnvironment(): %s", (_name, container, want) => {
  const found = resolveEnvironment(container, sources);
  expect(found.ok ? Object.fromEntries(found.value) : found.error).toEqual(want);
});

const metadata = { namespace: "shop", uid: "u", resourceVersion: "1", creationTimestamp: "" };

const service = (name: string, clusterIP: string) => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { ...metadata, name },
  spec: {
    clusterIP,
    ports: [
      { port: 80, name: "web-ui" },
      { port: 53, protocol: "UDP" as const },
    ],
  },
});

test("serviceVariables() names each port", () => {
  const variables = serviceVariables([service("my-db", "10.96.0.9"), service("headless", "None")]);
  expect(Object.fromEntries(variables)).toEqual({
    MY_DB_SERVICE_HOST: "10.96.0.9",
    MY_DB_SERVICE_PORT: "80",
    MY_DB_SERVICE_PORT_WEB_UI: "80",
    MY_DB_PORT: "tcp://10.96.0.9:80",
    MY_DB_PORT_80_TCP: "tcp://10.96.0.9:80",
    MY_DB_PORT_80_TCP_PROTO: "tcp",
    MY_DB_PORT_80_TCP_PORT: "80",
    MY_DB_PORT_80_TCP_ADDR: "10.96.0.9",
    MY_DB_PORT_53_UDP: "udp://10.96.0.9:53",
    MY_DB_PORT_53_UDP_PROTO: "udp",
    MY_DB_PORT_53_UDP_PORT: "53",
    MY_DB_PORT_53_UDP_ADDR: "10.96.0.9",
  });
});

const pod: PodObject = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { ...metadata, name: "web", labels: { b: "2", a: 'x"y' } },
  spec: {
    containers: [{ name: "a", resources: { limits: { memory: "1Mi", cpu: "1500m" } } }, { name: "b" }],
  },
};
const place: PodPlace = {
  address: "10.244.0.130",
  hostIP: "10.244.0.1",
  node: "node-0",
  allocatable: { cpu: 2 },
};

test.each([
  ["metadata.name", "web"],
  ["metadata.labels['b']", "2"],
  ["metadata.labels['none']", ""],
  ["metadata.labels", 'a="x\\"y"\nb="2"'],
  ["metadata.annotations", ""],
  ["spec.nodeName", "node-0"],
  ["spec.serviceAccountName", "default"],
  ["status.podIP", "10.244.0.130"],
  ["status.phase", undefined],
])("readPodField() of %s", (path, want) => {
  const field = readPodField(pod, place, path);
  expect(field.ok ? field.value : undefined).toBe(want);
});

test.each([
  ["limits.memory", undefined, undefined, "1048576"],
  ["limits.memory", "1Ki", undefined, "1024"],
  ["limits.cpu", undefined, undefined, "2"],
  ["limits.cpu", "1m", undefined, "1500"],
  ["limits.cpu", undefined, "b", "2"],
  ["requests.cpu", "0", undefined, "0"],
  ["limits.cpu", undefined, "none", undefined],
  ["size", undefined, undefined, undefined],
])("readResourceField() of %s by %s", (resource, divisor, containerName, want) => {
  const ref = {
    resource,
    ...(divisor === undefined ? {} : { divisor }),
    ...(containerName === undefined ? {} : { containerName }),
  };
  const field = readResourceField(pod.spec.containers, ref, "a", place);
  expect(field.ok ? field.value : undefined).toBe(want);
});
