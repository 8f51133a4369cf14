import { afterAll, afterEach, expect, spyOn, test } from "bun:test";
import { bindingOf } from "./child-bindings.ts";

const binding = bindingOf({ name: "CART", function: "cart", namespace: "shop" });
const spy = spyOn(globalThis, "fetch");

afterEach(() => {
  spy.mockReset();
});
// Other files of the same run call the real one.
afterAll(() => {
  spy.mockRestore();
});

const rows: readonly [string, Request | URL | string, string][] = [
  ["a path", "/items?x=1", "http://cart.shop/items?x=1"],
  ["a path without its slash", "items", "http://cart.shop/items"],
  ["an address, of which the host does not count", "https://anything:99/items", "http://cart.shop/items"],
  ["a URL", new URL("http://anything/a/../b"), "http://cart.shop/b"],
];

test.each(rows)("a binding's fetch of %s", async (_, input, want) => {
  spy.mockResolvedValue(new Response("ok"));
  await binding.fetch(input, { method: "POST" });
  expect(spy.mock.calls).toEqual([[want, { method: "POST" }]]);
});

test("a binding's fetch of a request keeps its method, headers and body", async () => {
  spy.mockResolvedValue(new Response("ok"));
  await binding.fetch(
    new Request("http://anything/items", { method: "PUT", headers: { a: "b" }, body: "body" }),
  );
  const [sent] = spy.mock.calls[0] ?? [];
  if (!(sent instanceof Request)) throw new Error("no request was sent");
  expect([sent.url, sent.method, sent.headers.get("a"), await sent.text()]).toEqual([
    "http://cart.shop/items",
    "PUT",
    "b",
    "body",
  ]);
});
