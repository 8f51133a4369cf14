/** `lambient delete`: removes a function, a namespace or another object, and waits until it is gone. */
import { systemClock } from "#host/clock.ts";
import { isNotFound } from "#host/kube/kube-error.ts";
import { MeshError } from "#host/mesh-error.ts";
import { find } from "./api/apply-object.ts";
import { type MeshApi, openMeshApi } from "./api/mesh-api.ts";
import {
  functionKind,
  namespaceKind,
  resourcePath,
  revisionKind,
  type ServedKind,
} from "./api/resource-path.ts";
import type { Console } from "./console.ts";
import { needFunction, parseFunctionName } from "./function-name.ts";
import { needNamespace } from "./list.ts";
import { hintNearestName } from "./manifest/nearest-name.ts";
import { type OutputFormat, printResult } from "./output.ts";

/** The command's flags. */
export interface DeleteOptions {
  readonly runDir: string;
  readonly namespace: string | undefined;
  readonly format: OutputFormat;
  /** How long it may take to be gone; 0 does not wait. */
  readonly timeoutMs: number;
}

const core = { apiVersion: "v1", namespaced: true } as const;
const gateway = { apiVersion: "gateway.networking.k8s.io/v1", namespaced: true } as const;
const kinds: Readonly<Record<string, ServedKind>> = {
  function: functionKind,
  namespace: namespaceKind,
  revision: revisionKind,
  secret: { ...core, kind: "Secret", resource: "secrets" },
  configmap: { ...core, kind: "ConfigMap", resource: "configmaps" },
  service: { ...core, kind: "Service", resource: "services" },
  gateway: { ...gateway, kind: "Gateway", resource: "gateways" },
  httproute: { ...gateway, kind: "HTTPRoute", resource: "httproutes" },
  authorizationpolicy: {
    apiVersion: "security.istio.io/v1",
    kind: "AuthorizationPolicy",
    resource: "authorizationpolicies",
    namespaced: true,
  },
};

/** The words for kinds. */
export const deletableKinds: readonly string[] = Object.keys(kinds);

const askEveryMs = 25;

/** Runs the command. @throws MeshError `not-found` naming what is there, `timeout` when it does not go */
export async function deleteObject(
  ...[console, word, name, options]: [Console, string, string, DeleteOptions]
): Promise<void> {
  const kind = kinds[word.toLowerCase()];
  if (kind === undefined) {
    const known = deletableKinds.join(", ");
    throw new MeshError(
      "bad-input",
      `Cannot delete a "${word}": known are ${known}${hintNearestName(word, deletableKinds)}`,
    );
  }
  const api = openMeshApi(options.runDir);
  const path = await pathOf(api, kind, name, options.namespace);
  try {
    await api.json({ method: "DELETE", path });
  } catch (error) {
    if (!isNotFound(error)) throw error;
    throw new MeshError("not-found", `Cannot delete the ${word} "${name}": there is none`, error);
  }
  if (options.timeoutMs > 0) await awaitGone(api, path, options.timeoutMs);
  console.err(`Deleted the ${word} "${name}"\n`);
  const data = { apiVersion: kind.apiVersion, kind: kind.kind, path, gone: options.timeoutMs > 0 };
  printResult(console, options.format, data, () => "");
}

async function pathOf(
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

async function awaitGone(api: MeshApi, path: string, timeoutMs: number): Promise<void> {
  const deadline = systemClock.monotonicMs() + timeoutMs;
  while ((await find(api, path)) !== undefined) {
    if (systemClock.monotonicMs() > deadline) {
      throw new MeshError(
        "timeout",
        `Cannot see ${path} gone within ${timeoutMs} ms: a finalizer may hold it; look at its metadata`,
      );
    }
    await Bun.sleep(askEveryMs);
  }
}
