import { expect, test } from "bun:test";
import { FakeClock } from "#host/fake/fake-clock.ts";
import type { KubeClient } from "#host/kube/kube-client.ts";
import { KubeError } from "#host/kube/kube-error.ts";
import { silentLog } from "#host/log.ts";
import { MeshError } from "#host/mesh-error.ts";
import type { PodObject } from "../../model/pod.ts";
import { Redirections } from "./redirections.ts";

const pod = { uid: "u1", namespace: "shop", name: "web" };

/** An API that answers as told and remembers what was asked. */
function open() {
  const clock = new FakeClock();
  const asked: unknown[] = [];
  let refusal: Error | undefined;
  const api = {
    async patchStatus(_: unknown, __: unknown, patch: { readonly value: unknown }) {
      asked.push(patch.value);
      if (refusal !== undefined) throw refusal;
      return { metadata: { resourceVersion: "10" } };
    },
  } as unknown as KubeClient; // sound: nothing else of it is used
  const redirections = new Redirections({ api, clock, log: silentLog });
  return { clock, asked, redirections, refuse: (error: Error | undefined) => void (refusal = error) };
}

function written(value: string | null): unknown {
  return { metadata: { uid: "u1", annotations: { "ambient.istio.io/redirection": value } } };
}

const unreachable = new MeshError("unavailable", "Cannot reach the API");
const gone = new KubeError({
  apiVersion: "v1",
  kind: "Status",
  metadata: {},
  status: "Failure",
  message: 'pods "web" not found',
  reason: "NotFound",
  code: 404,
});

test("a value is written once, and taken away by null", async () => {
  const { redirections, asked } = open();
  await redirections.set(pod, "enabled");
  await redirections.set(pod, "enabled");
  await redirections.set(pod, undefined);
  expect(asked).toEqual([written("enabled"), written(null)]);
});

function seen(version: string, value?: string): PodObject {
  const annotations = value === undefined ? {} : { "ambient.istio.io/redirection": value };
  const metadata = { ...pod, resourceVersion: version, creationTimestamp: "", annotations };
  return { apiVersion: "v1", kind: "Pod", metadata, spec: { containers: [] } };
}

test("what someone takes away is written again; what is older, or another's change, is not minded", async () => {
  const { redirections, asked } = open();
  await redirections.set(pod, "enabled");
  redirections.observe(seen("9"));
  redirections.observe(seen("11", "enabled"));
  expect(asked.length).toBe(1);
  redirections.observe(seen("12"));
  redirections.observe(seen("13"));
  expect(asked).toEqual([written("enabled"), written("enabled")]);
});

test("what the API is known to have is not written", async () => {
  const { redirections, asked } = open();
  redirections.observe(seen("1", "enabled"));
  await redirections.set(pod, "enabled");
  expect(asked).toEqual([]);
});

test("what cannot be written is tried again until it stands", async () => {
  const { redirections, asked, clock, refuse } = open();
  refuse(unreachable);
  await redirections.set(pod, "enabled");
  refuse(undefined);
  clock.advance(200);
  await Promise.resolve();
  expect(asked).toEqual([written("enabled"), written("enabled")]);
  expect(clock.pending).toBe(0);
});

test("a newer value, the Pod's end and this program's end each call that off", async () => {
  for (const end of ["value", "forget", "close"] as const) {
    const { redirections, asked, clock, refuse } = open();
    refuse(unreachable);
    await redirections.set(pod, "pending");
    refuse(undefined);
    if (end === "value") await redirections.set(pod, "enabled");
    else if (end === "forget") redirections.forget("u1");
    else redirections.close();
    clock.advance(60_000);
    expect(asked.length).toBe(end === "value" ? 2 : 1);
    expect(clock.pending).toBe(0);
  }
});

test("a Pod that is gone is not asked for again", async () => {
  const { redirections, clock, refuse } = open();
  refuse(gone);
  await redirections.set(pod, "enabled");
  expect(clock.pending).toBe(0);
});
