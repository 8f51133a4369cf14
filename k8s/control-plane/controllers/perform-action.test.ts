import { expect, test } from "bun:test";
import type { KubeClient } from "#host/kube/kube-client.ts";
import { functionResource, gatewayResource, revisionResource } from "#host/kube/known-resources.ts";
import type { ResourceType } from "#host/kube/object.ts";
import { authorizationPolicyResource } from "../../model/authorization-policy.ts";
import { httpRouteResource } from "../../model/http-route.ts";
import { performAction } from "./perform-action.ts";

const unused = (): never => {
  throw new Error("This test's actions are statuses");
};

function rig(taken: Promise<boolean>) {
  const done: string[] = [];
  const client: Pick<KubeClient, "patchStatus"> = {
    patchStatus: (type, key) => {
      done.push(`${type.kind} ${key.name}`);
      return Promise.reject(new Error("Nobody reads the answer"));
    },
  };
  const perform = (type: ResourceType): Promise<unknown> =>
    performAction(
      { kind: "status", type, key: { namespace: "n", name: "a" }, status: {} },
      {
        // Sound: a status is written by this method alone.
        client: client as KubeClient,
        releaseKey: { publicKey: new Uint8Array(), publicPem: "", sign: unused },
        node: { request: unused },
        bundles: { find: unused },
        deliveries: { whenTaken: () => taken },
        now: unused,
      },
    ).catch(() => {});
  return { done, perform };
}

test.each([functionResource, httpRouteResource, authorizationPolicyResource])(
  "the status of a $kind is written when proxies have taken what it speaks of",
  async (type) => {
    const taken = Promise.withResolvers<boolean>();
    const { done, perform } = rig(taken.promise);
    const performed = perform(type);
    // A turn of the event loop: whatever does not wait has happened by its end.
    await new Promise((resolve) => setImmediate(resolve));
    expect(done).toEqual([]);
    taken.resolve(true);
    await performed;
    expect(done).toEqual([`${type.kind} a`]);
  },
);

test.each([revisionResource, gatewayResource])(
  "the status of a $kind is what proxies are told from, and waits for none",
  async (type) => {
    const { done, perform } = rig(new Promise(() => {}));
    await perform(type);
    expect(done).toEqual([`${type.kind} a`]);
  },
);
