import { expect, test } from "bun:test";
import { KubeError } from "#host/kube/kube-error.ts";
import type { MeshApi } from "./api/mesh-api.ts";
import { needFunction, parseFunctionName } from "./function-name.ts";

test.each([
  ["cart", undefined, { name: "cart", namespace: "default" }],
  ["cart", "shop", { name: "cart", namespace: "shop" }],
  ["cart.shop", undefined, { name: "cart", namespace: "shop" }],
  ["cart.shop", "shop", { name: "cart", namespace: "shop" }],
] as const)("parseFunctionName(%p, %p)", (text, namespace, want) => {
  expect(parseFunctionName(text, namespace)).toEqual(want);
});

test.each([
  ["cart.shop", "other", `Cannot look for "cart.shop" in namespace "other": its name says "shop"`],
  ["a.b.c", undefined, 'Cannot read "a.b.c" as a function'],
  ["", undefined, 'Cannot read "" as a function'],
] as const)("parseFunctionName(%p, %p) is refused", (text, namespace, want) => {
  expect(() => parseFunctionName(text, namespace)).toThrow(want);
});

function refusal(code: number, message = "not found"): KubeError {
  return new KubeError({ apiVersion: "v1", kind: "Status", metadata: {}, status: "Failure", code, message });
}

/** A list of objects with names. */
function items(names: readonly string[]): unknown {
  return { items: names.map((name) => ({ metadata: { name } })) };
}

/** An API with the functions of namespaces. */
function apiWith(namespaces: Readonly<Record<string, readonly string[]>>): MeshApi {
  const find = (path: string): unknown => {
    const [, namespace = "", inNamespace, name] =
      /^\/(?:api\/v1|apis\/lambient\.dev\/v1alpha1)\/namespaces(?:\/([^/]+)(\/functions)?(?:\/(.+))?)?$/.exec(
        path,
      ) ?? [];
    if (namespace === "") return items(Object.keys(namespaces));
    const functions = namespaces[namespace];
    if (inNamespace === undefined) return functions && { metadata: { name: namespace } };
    if (name === undefined) return items(functions ?? []);
    return functions?.includes(name) === true ? { metadata: { name, namespace } } : undefined;
  };
  return {
    edge: "",
    json: ({ path }) => {
      if (path.includes("broken")) return Promise.reject(refusal(500, "broken"));
      const found = find(path);
      return found === undefined ? Promise.reject(refusal(404)) : Promise.resolve(found);
    },
    lines: () => {
      throw new Error("no lines are asked for");
    },
  };
}

const mesh = apiWith({ shop: ["cart", "web"], empty: [] });

test("needFunction() gives a function that is there", async () => {
  expect(await needFunction(mesh, { name: "cart", namespace: "shop" })).toMatchObject({
    metadata: { name: "cart", namespace: "shop" },
  });
});

test.each([
  [
    "crat",
    "shop",
    "not-found",
    'Cannot find the function "crat" in namespace "shop": it has cart, web (did you mean "cart"?)',
  ],
  ["cart", "empty", "not-found", 'Cannot find the function "cart" in namespace "empty": it has none'],
  ["cart", "none", "not-found", 'Cannot find the namespace "none": there are shop, empty'],
  ["broken", "shop", "io-failed", "broken"],
])("needFunction() refuses %p in %p", async (name, namespace, code, message) => {
  const error = await needFunction(mesh, { name, namespace }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code, message });
});
