/** Which function a command means: `cart -n shop`, or `cart.shop`; and that it is there. */
import { isNotFound } from "#host/kube/kube-error.ts";
import type { FunctionObject } from "#host/kube/known-resources.ts";
import type { KubeList } from "#host/kube/object.ts";
import { MeshError } from "#host/mesh-error.ts";
import type { MeshApi } from "./api/mesh-api.ts";
import { functionKind, resourcePath } from "./api/resource-path.ts";
import { needNamespace } from "./list.ts";
import { hintNearestName } from "./manifest/nearest-name.ts";

/** A function's place. */
export interface FunctionName {
  readonly name: string;
  readonly namespace: string;
}

/**
 * Reads a function's name.
 * @throws MeshError `bad-input` when the namespace is said twice, differently
 */
export function parseFunctionName(text: string, namespace: string | undefined): FunctionName {
  const [name = "", inName, ...rest] = text.split(".");
  if (name === "" || rest.length > 0) {
    throw new MeshError(
      "bad-input",
      `Cannot read "${text}" as a function: write <function>.<namespace>, or <function> -n <namespace>`,
    );
  }
  if (inName !== undefined && namespace !== undefined && inName !== namespace) {
    throw new MeshError(
      "bad-input",
      `Cannot look for "${text}" in namespace "${namespace}": its name says "${inName}"`,
    );
  }
  return { name, namespace: inName ?? namespace ?? "default" };
}

/** Refuses a function that is not there. @throws MeshError `not-found` naming those that are */
export async function needFunction(api: MeshApi, { name, namespace }: FunctionName): Promise<FunctionObject> {
  try {
    return (await api.json({ path: resourcePath(functionKind, namespace, name) })) as FunctionObject;
  } catch (error) {
    if (!isNotFound(error)) throw error;
    await needNamespace(api, namespace);
    const { items } = (await api.json({
      path: resourcePath(functionKind, namespace),
    })) as KubeList<FunctionObject>;
    const names = items.map((item) => item.metadata.name);
    const known = names.length === 0 ? "it has none" : `it has ${names.join(", ")}`;
    throw new MeshError(
      "not-found",
      `Cannot find the function "${name}" in namespace "${namespace}": ${known}${hintNearestName(name, names)}`,
      error,
    );
  }
}
