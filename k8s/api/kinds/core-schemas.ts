/** Structural schemas of the built-in kinds, so that a wrong field is told for them too. Values as data; no rules. */
import type { JsonObject } from "../json.ts";

const text: JsonObject = { type: "string" };
const flag: JsonObject = { type: "boolean" };
const textMap: JsonObject = { type: "object", additionalProperties: { type: "string" } };
const bytesMap: JsonObject = { type: "object", additionalProperties: { type: "string", format: "byte" } };
const texts: JsonObject = { type: "array", items: { type: "string" } };
const anything: JsonObject = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
const port: JsonObject = { type: "integer", minimum: 1, maximum: 65_535 };

const conditions: JsonObject = { type: "array", items: anything };

/** v1 Namespace. */
export const namespaceSchema: JsonObject = {
  type: "object",
  properties: {
    spec: { type: "object", properties: { finalizers: texts } },
    status: { type: "object", properties: { phase: text, conditions } },
  },
};

/** v1 Secret. */
export const secretSchema: JsonObject = {
  type: "object",
  properties: { type: text, immutable: flag, data: bytesMap, stringData: textMap },
};

/** v1 ConfigMap. */
export const configMapSchema: JsonObject = {
  type: "object",
  properties: { immutable: flag, data: textMap, binaryData: bytesMap },
};

const localReference: JsonObject = { type: "object", properties: { name: text } };

/** v1 ServiceAccount. */
export const serviceAccountSchema: JsonObject = {
  type: "object",
  properties: {
    automountServiceAccountToken: flag,
    imagePullSecrets: { type: "array", items: localReference },
    secrets: { type: "array", items: anything },
  },
};

const servicePort: JsonObject = {
  type: "object",
  required: ["port"],
  properties: {
    name: text,
    protocol: { type: "string", enum: ["TCP", "UDP", "SCTP"], default: "TCP" },
    appProtocol: text,
    port,
    targetPort: { "x-kubernetes-int-or-string": true },
    nodePort: { type: "integer" },
  },
};

/** v1 Service. */
export const serviceSchema: JsonObject = {
  type: "object",
  required: ["spec"],
  properties: {
    spec: {
      type: "object",
      properties: {
        type: { type: "string", default: "ClusterIP" },
        clusterIP: text,
        clusterIPs: texts,
        ports: { type: "array", items: servicePort },
        selector: textMap,
        externalName: text,
        externalIPs: texts,
        externalTrafficPolicy: text,
        healthCheckNodePort: { type: "integer" },
        internalTrafficPolicy: { type: "string", enum: ["Cluster", "Local"] },
        ipFamilies: texts,
        ipFamilyPolicy: text,
        loadBalancerClass: text,
        loadBalancerIP: text,
        loadBalancerSourceRanges: texts,
        allocateLoadBalancerNodePorts: flag,
        publishNotReadyAddresses: flag,
        sessionAffinity: { type: "string", enum: ["None", "ClientIP"], default: "None" },
        sessionAffinityConfig: anything,
        trafficDistribution: text,
      },
    },
    status: {
      type: "object",
      properties: { loadBalancer: anything, conditions },
    },
  },
};

const endpoint: JsonObject = {
  type: "object",
  required: ["addresses"],
  properties: {
    addresses: { type: "array", items: text, minItems: 1, maxItems: 100 },
    conditions: { type: "object", properties: { ready: flag, serving: flag, terminating: flag } },
    deprecatedTopology: textMap,
    hints: anything,
    hostname: text,
    nodeName: text,
    targetRef: anything,
    zone: text,
  },
};

/** discovery.k8s.io/v1 EndpointSlice. */
export const endpointSliceSchema: JsonObject = {
  type: "object",
  required: ["addressType", "endpoints"],
  properties: {
    addressType: { type: "string", enum: ["IPv4", "IPv6", "FQDN"] },
    endpoints: { type: "array", items: endpoint, maxItems: 1000 },
    ports: {
      type: "array",
      items: {
        type: "object",
        properties: {
          name: text,
          port,
          protocol: { type: "string", enum: ["TCP", "UDP", "SCTP"], default: "TCP" },
          appProtocol: text,
        },
      },
    },
  },
};
