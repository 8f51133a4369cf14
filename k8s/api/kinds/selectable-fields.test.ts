/** By which fields objects can be selected, kind by kind, through an API that serves them. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { systemClock } from "#host/clock.ts";
import { silentLog } from "#host/log.ts";
import type { User } from "../api.ts";
import { openApi } from "../open-api.ts";

const admin: User = { name: "admin", groups: ["system:masters"] };
const api = openApi({ dataFile: ":memory:", clock: systemClock, random: Math.random, log: silentLog });
afterAll(() => api.close());

async function ask(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
  const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
  const response = await api.handle(new Request(`https://api${path}`, init), admin);
  return (await response.json()) as Record<string, unknown>;
}

async function namesAt(path: string): Promise<unknown> {
  const list = await ask("GET", path);
  const items = list["items"] as readonly { metadata: { name: string } }[] | undefined;
  return items?.map((item) => item.metadata.name) ?? list["message"];
}

const containers = [{ name: "a", image: "b" }];

beforeAll(async () => {
  const pods = "/api/v1/namespaces/default/pods";
  await ask("POST", pods, { metadata: { name: "bound" }, spec: { containers, nodeName: "n" } });
  await ask("POST", pods, { metadata: { name: "free" }, spec: { containers, hostNetwork: true } });
  await ask("POST", "/api/v1/namespaces/default/events", {
    metadata: { name: "e" },
    involvedObject: { kind: "Pod", name: "bound", namespace: "default" },
    type: "Warning",
    source: { component: "kubelet" },
  });
  await ask("POST", "/api/v1/namespaces/default/secrets", { metadata: { name: "s" } });
  await ask("POST", "/api/v1/nodes", { metadata: { name: "n" } });
});

test.each<[path: string, selector: string, want: unknown]>([
  ["/api/v1/pods", "spec.nodeName=n", ["bound"]],
  ["/api/v1/pods", "spec.nodeName=", ["free"]],
  ["/api/v1/pods", "spec.host=n", ["bound"]],
  ["/api/v1/pods", "status.phase=Pending,metadata.name!=free", ["bound"]],
  ["/api/v1/pods", "spec.hostNetwork=true", ["free"]],
  ["/api/v1/pods", "spec.restartPolicy=Always", ["bound", "free"]],
  ["/api/v1/pods", "status.podIP=10.0.0.1", []],
  ["/api/v1/pods", "spec.foo=1", "field label not supported: spec.foo"],
  ["/api/v1/events", "involvedObject.name=bound,type=Warning", ["e"]],
  ["/api/v1/events", "involvedObject.kind=Node", []],
  ["/api/v1/events", "source=kubelet", ["e"]],
  ["/api/v1/secrets", "type=Opaque", ["s"]],
  ["/api/v1/nodes", "spec.unschedulable=false", ["n"]],
  ["/api/v1/nodes", "metadata.namespace=a", "field label not supported: metadata.namespace"],
  ["/api/v1/namespaces", "status.phase=Active,metadata.name=default", ["default"]],
  [
    "/api/v1/configmaps",
    "data=a",
    '"data" is not a known field selector: only "metadata.name", "metadata.namespace"',
  ],
  ["/apis/batch/v1/jobs", "a=b", 'field label "a" not supported for Job'],
])("%s by %s", async (path, selector, want) => {
  expect(await namesAt(`${path}?fieldSelector=${encodeURIComponent(selector)}`)).toEqual(want as never);
});
