/** The words by which commands name kinds, and where an object that is named so lives. Kinds that the API knows and these do not are kubectl's. */
import { MeshError } from "#host/mesh-error.ts";
import { needFunction, parseFunctionName } from "../function-name.ts";
import { needNamespace } from "../list.ts";
import { hintNearestName } from "../manifest/nearest-name.ts";
import type { MeshApi } from "./mesh-api.ts";
import { functionKind, namespaceKind, resourcePath, revisionKind, type ServedKind } from "./resource-path.ts";

const core = { apiVersion: "v1", namespaced: true } as const;
const apps = { apiVersion: "apps/v1", namespaced: true } as const;
const gateway = { apiVersion: "gateway.networking.k8s.io/v1", namespaced: true } as const;
const security = { apiVersion: "security.istio.io/v1", namespaced: true } as const;
const kinds: Readonly<Record<string, ServedKind>> = {
  function: functionKind,
  namespace: namespaceKind,
  revision: revisionKind,
  pod: { ...core, kind: "Pod", resource: "pods" },
  deployment: { ...apps, kind: "Deployment", resource: "deployments" },
  secret: { ...core, kind: "Secret", resource: "secrets" },
  configmap: { ...core, kind: "ConfigMap", resource: "configmaps" },
  service: { ...core, kind: "Service", resource: "services" },
  gateway: { ...gateway, kind: "Gateway", resource: "gateways" },
  httproute: { ...gateway, kind: "HTTPRoute", resource: "httproutes" },
  authorizationpolicy: { ...security, kind: "AuthorizationPolicy", resource: "authorizationpolicies" },
  peerauthentication: { ...security, kind: "PeerAuthentication", resource: "peerauthentications" },
};

/** The words. */
export const kindWords: readonly string[] = Object.keys(kinds);

/** The kind that a word means. @throws MeshError `bad-input` naming those there are */
export function kindOfWord(word: string, verb: string): ServedKind {
  const kind = kinds[word.toLowerCase()];
  if (kind !== undefined) return kind;
  const known = kindWords.join(", ");
  throw new MeshError(
    "bad-input",
    `Cannot ${verb} a "${word}": known are ${known}${hintNearestName(word, kindWords)}`,
  );
}

/** The path of an object. @throws MeshError `not-found` when its namespace, or a function, is not there: it names those that are */
export async function objectPath(
  ...[api, kind, name, namespace]: [MeshApi, ServedKind, string, string | undefined]
): Promise<string> {
  if (kind === namespaceKind) {
    await needNamespace(api, name);
    return resourcePath(kind, undefined, name);
  }
  if (kind === functionKind) {
    const target = parseFunctionName(name, namespace);
    await needFunction(api, target);
    return resourcePath(kind, target.namespace, target.name);
  }
  await needNamespace(api, namespace ?? "default");
  return resourcePath(kind, namespace ?? "default", name);
}
