/** What requests are about, by method and path. */
import { expect, test } from "bun:test";
import { parseRequest } from "./request-path.ts";

const none = { namespace: "", name: "", subresource: "" };
const cases: readonly [method: string, path: string, want: unknown][] = [
  ["GET", "/api/v1/namespaces", { verb: "list", group: "", version: "v1", resource: "namespaces", ...none }],
  [
    "GET",
    "/api/v1/namespaces/shop",
    { verb: "get", group: "", version: "v1", resource: "namespaces", ...none, name: "shop" },
  ],
  [
    "PUT",
    "/api/v1/namespaces/shop/status",
    {
      verb: "update",
      group: "",
      version: "v1",
      resource: "namespaces",
      ...none,
      name: "shop",
      subresource: "status",
    },
  ],
  [
    "GET",
    "/api/v1/namespaces/shop/services",
    { verb: "list", group: "", version: "v1", resource: "services", ...none, namespace: "shop" },
  ],
  [
    "GET",
    "/api/v1/namespaces/shop/services?watch=1",
    { verb: "watch", group: "", version: "v1", resource: "services", ...none, namespace: "shop" },
  ],
  [
    "GET",
    "/api/v1/services?watch=false",
    { verb: "list", group: "", version: "v1", resource: "services", ...none },
  ],
  [
    "POST",
    "/apis/a.b/v1/namespaces/shop/things",
    { verb: "create", group: "a.b", version: "v1", resource: "things", ...none, namespace: "shop" },
  ],
  [
    "PATCH",
    "/apis/a.b/v1/namespaces/shop/things/x/status",
    {
      verb: "patch",
      group: "a.b",
      version: "v1",
      resource: "things",
      namespace: "shop",
      name: "x",
      subresource: "status",
    },
  ],
  [
    "DELETE",
    "/apis/a.b/v1/namespaces/shop/things",
    { verb: "deletecollection", group: "a.b", version: "v1", resource: "things", ...none, namespace: "shop" },
  ],
  [
    "DELETE",
    "/apis/a.b/v1/things/x",
    { verb: "delete", group: "a.b", version: "v1", resource: "things", ...none, name: "x" },
  ],
  [
    "GET",
    "/apis/a.b/v1/namespaces/shop/status",
    { verb: "list", group: "a.b", version: "v1", resource: "status", ...none, namespace: "shop" },
  ],
];

test.each(cases)("parseRequest(%p, %p)", (method, path, want) => {
  const wanted = { kind: "resource", ...(want as object) };
  expect(parseRequest(method, new URL(path, "https://x")) as unknown).toEqual(wanted);
});

test.each([
  ["/", "/"],
  ["/api", "/api"],
  ["/apis/", "/apis"],
  ["/apis/a.b/v1", "/apis/a.b/v1"],
  ["/healthz", "/healthz"],
])("parseRequest() leaves %p to discovery", (path, want) => {
  expect(parseRequest("GET", new URL(path, "https://x"))).toEqual({ kind: "other", path: want });
});

test.each([
  ["POST", "/api"],
  ["POST", "/api/v1/namespaces/shop/services/web"],
  ["PUT", "/api/v1/namespaces/shop/services"],
  ["BREW", "/api/v1/namespaces"],
  ["GET", "/api/v1/namespaces/%ff"],
])("parseRequest() does not know %s %s", (method, path) => {
  expect(parseRequest(method, new URL(path, "https://x"))).toBeUndefined();
});
