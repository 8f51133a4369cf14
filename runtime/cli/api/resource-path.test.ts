import { expect, test } from "bun:test";
import { KubeError } from "#host/kube/kube-error.ts";
import type { MeshApi } from "./mesh-api.ts";
import { functionKind, kindFinder, namespaceKind, resourcePath, type ServedKind } from "./resource-path.ts";

const configMap: ServedKind = {
  apiVersion: "v1",
  kind: "ConfigMap",
  resource: "configmaps",
  namespaced: true,
};

test.each([
  [functionKind, "shop", "cart", "/apis/lambient.dev/v1alpha1/namespaces/shop/functions/cart"],
  [functionKind, "shop", undefined, "/apis/lambient.dev/v1alpha1/namespaces/shop/functions"],
  [functionKind, undefined, undefined, "/apis/lambient.dev/v1alpha1/functions"],
  [configMap, "shop", "a", "/api/v1/namespaces/shop/configmaps/a"],
  [namespaceKind, undefined, "shop", "/api/v1/namespaces/shop"],
  [namespaceKind, "shop", "other", "/api/v1/namespaces/other"],
  [configMap, "a/b", "../c?d", "/api/v1/namespaces/a%2Fb/configmaps/..%2Fc%3Fd"],
] as const)("resourcePath(%p, %p, %p)", (kind, namespace, name, want) => {
  expect(resourcePath(kind, namespace, name)).toBe(want);
});

function refusal(code: number, message = "not found"): KubeError {
  return new KubeError({ apiVersion: "v1", kind: "Status", metadata: {}, status: "Failure", code, message });
}

/** An API that serves two kinds of v1, and breaks at broken.dev. */
function open() {
  const asked: string[] = [];
  const api: MeshApi = {
    edge: "",
    json: ({ path }) => {
      asked.push(path);
      if (path === "/apis/broken.dev/v1") return Promise.reject(refusal(500, "broken"));
      if (path !== "/api/v1") return Promise.reject(refusal(404));
      const resources = [
        { name: "namespaces", kind: "Namespace", namespaced: false },
        { name: "namespaces/status", kind: "Namespace", namespaced: false },
        { name: "configmaps", kind: "ConfigMap", namespaced: true },
      ];
      return Promise.resolve({ resources });
    },
    lines: () => {
      throw new Error("no lines are asked for");
    },
  };
  return { asked, find: kindFinder(api) };
}

test("a finder asks once for each version and finds what is served, no subresource", async () => {
  const { asked, find } = open();
  const found = await Promise.all([find("v1", "ConfigMap"), find("v1", "Namespace")]);
  expect(found).toEqual([configMap, namespaceKind]);
  expect(asked).toEqual(["/api/v1"]);
});

test.each([
  ["v1", "ConfigMop", "bad-input", 'no ConfigMop in v1 (did you mean "ConfigMap"?)'],
  ["none.dev/v1", "Thing", "bad-input", "no API none.dev/v1"],
  ["broken.dev/v1", "Thing", "io-failed", "broken"],
])("a finder refuses %p %p", async (apiVersion, kind, code, text) => {
  const error = await open()
    .find(apiVersion, kind)
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code, message: expect.stringContaining(text) });
});
