import { expect, test } from "bun:test";
import type { RevisionObject } from "#host/kube/known-resources.ts";
import { silentLog } from "#host/log.ts";
import { Revisions } from "./revisions.ts";

function object(name: string, part: Partial<RevisionObject["spec"]> = {}): RevisionObject {
  return {
    apiVersion: "lambient.dev/v1alpha1",
    kind: "Revision",
    metadata: { namespace: "shop", name, uid: name, resourceVersion: "1", creationTimestamp: "" },
    // Only what is read.
    spec: { bundle: `sha256:${name}`, signature: "good", secrets: {}, ...part } as RevisionObject["spec"],
  };
}

function open() {
  const told: string[] = [];
  const revisions = new Revisions({
    log: silentLog,
    findRefusal: ({ spec }) => (spec.signature === "good" ? undefined : "its signature is wrong"),
    prefetch: ({ uid }) => {
      told.push(`fetch ${uid}`);
      return uid.endsWith("v3") ? Promise.reject(new Error("no such bundle")) : Promise.resolve();
    },
    onDeleted: ({ uid }) => void told.push(`delete ${uid}`),
  });
  return { revisions, told };
}

test("a revision is known, its content fetched ahead once, whatever its status says later", () => {
  const { revisions, told } = open();
  revisions.onEvent({
    type: "ADDED",
    object: object("cart-v1", { secrets: { T: { secret: "api", key: "t" } } }),
  });
  revisions.onEvent({ type: "MODIFIED", object: object("cart-v1") });
  revisions.onEvent({ type: "ADDED", object: object("cart-v3") });
  expect(told).toEqual(["fetch shop/cart-v1", "fetch shop/cart-v3"]);
  expect(revisions.find("shop/cart-v1")).toMatchObject({
    namespace: "shop",
    name: "cart-v1",
    refusal: undefined,
  });
  expect(revisions.bundlesInUse()).toEqual(new Set(["sha256:cart-v1", "sha256:cart-v3"]));
  expect(revisions.secretsInUse()).toEqual(new Set(["shop/api"]));
});

test("a revision with a wrong signature is known, refused, and fetched for nothing", () => {
  const { revisions, told } = open();
  revisions.onEvent({ type: "ADDED", object: object("cart-v1", { signature: "forged" }) });
  expect(revisions.find("shop/cart-v1")?.refusal).toBe("its signature is wrong");
  expect(told).toEqual([]);
  revisions.onEvent({ type: "MODIFIED", object: object("cart-v1") });
  expect(revisions.find("shop/cart-v1")?.refusal).toBeUndefined();
});

test("a deleted revision, and one that came back as another, ends what there was", () => {
  const { revisions, told } = open();
  revisions.onEvent({ type: "ADDED", object: object("cart-v1") });
  revisions.onEvent({ type: "MODIFIED", object: object("cart-v1", { bundle: "sha256:other" }) });
  revisions.onEvent({ type: "DELETED", object: object("cart-v1") });
  revisions.onEvent({ type: "DELETED", object: object("cart-v1") });
  expect(told).toEqual([
    "fetch shop/cart-v1",
    "delete shop/cart-v1",
    "fetch shop/cart-v1",
    "delete shop/cart-v1",
  ]);
  expect([revisions.find("shop/cart-v1"), revisions.size]).toEqual([undefined, 0]);
});

test("report() tells the bundle and the refusal of each, and no more", () => {
  const { revisions } = open();
  revisions.onEvent({ type: "ADDED", object: object("cart-v1") });
  revisions.onEvent({ type: "ADDED", object: object("cart-v2", { signature: "forged" }) });
  expect(revisions.report()).toEqual([
    { revision: "shop/cart-v1", bundle: "sha256:cart-v1", refusal: undefined },
    { revision: "shop/cart-v2", bundle: "sha256:cart-v2", refusal: "its signature is wrong" },
  ]);
  expect(revisions.size).toBe(2);
});
