import { expect, test } from "bun:test";
import { FakeClock } from "#host/fake/fake-clock.ts";
import type { KubeClient } from "#host/kube/kube-client.ts";
import { KubeError } from "#host/kube/kube-error.ts";
import { errorText, MeshError } from "#host/mesh-error.ts";
import type { Revision } from "./revision.ts";
import { Secrets } from "./secrets.ts";

const revision = {
  uid: "shop/cart-v1",
  namespace: "shop",
  name: "cart-v1",
  refusal: undefined,
  spec: { env: { A: "1" }, secrets: { TOKEN: { secret: "api", key: "token" } } },
} as unknown as Revision; // only what is read

function open() {
  const clock = new FakeClock();
  const reads: string[] = [];
  const answer: { give: () => Promise<unknown> } = {
    give: () => Promise.resolve({ data: { token: btoa("one") } }),
  };
  // Sound: the type parameter is the caller's, and only Secrets are asked for.
  const get = ((_: unknown, { namespace, name }: { namespace?: string; name: string }) => {
    reads.push(`${namespace}/${name}`);
    return answer.give();
  }) as KubeClient["get"];
  const secrets = new Secrets({ api: { get }, clock, freshMs: 1000, waitMs: 250 });
  const token = () => secrets.resolveEnv(revision).then((env) => env["TOKEN"], errorText);
  return { clock, reads, answer, secrets, token };
}

const missing = () =>
  Promise.reject(
    new KubeError({
      apiVersion: "v1",
      kind: "Status",
      metadata: {},
      status: "Failure",
      reason: "NotFound",
      code: 404,
    }),
  );

test("variables and secrets make env, and a burst of activations asks once", async () => {
  const { secrets, reads, token, clock, answer } = open();
  expect(await secrets.resolveEnv(revision)).toEqual({ A: "1", TOKEN: "one" });
  await token();
  expect(reads).toEqual(["shop/api"]);
  answer.give = () => Promise.resolve({ data: { token: btoa("two") } });
  clock.advance(1000);
  expect(await token()).toBe("two");
});

test("an API that is away, or slow, leaves the values known last", async () => {
  const { clock, answer, token } = open();
  await token();
  clock.advance(1000);
  answer.give = () => Promise.reject(new MeshError("unavailable", "down"));
  expect(await token()).toBe("one");
  clock.advance(1000);
  answer.give = () => Promise.withResolvers<never>().promise;
  const waiting = token();
  clock.advance(250);
  expect(await waiting).toBe("one");
});

test("what is missing is named", async () => {
  const { clock, answer, token } = open();
  answer.give = () => Promise.resolve({ data: { other: "" } });
  expect(await token()).toBe('Cannot set TOKEN from key "token" of Secret shop/api: it has the keys other');
  clock.advance(1000);
  answer.give = missing;
  expect(await token()).toContain("Cannot read Secret shop/api: it does not exist");
});

test("without values known, an API that is away is an error", async () => {
  const { answer, token, secrets } = open();
  answer.give = () => Promise.reject(new MeshError("unavailable", "down"));
  expect(await token()).toBe("Cannot read Secret shop/api: down");
  answer.give = () => Promise.resolve({ data: { token: btoa("one") } });
  expect(await token()).toBe("one");
  secrets.forgetAllBut(new Set());
  answer.give = () => Promise.reject(new MeshError("unavailable", "down"));
  expect(await token()).toBe("Cannot read Secret shop/api: down");
});
